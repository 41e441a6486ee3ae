from __future__ import annotations

from tests.rules.case import Case
from tests.rules.output import free_texts

GOLD = [f"設立は{1900 + n}年でございます。" for n in range(40)]
ENGLISH = "The company was established in 1899."
CHINESE = "公司成立于一九二六年总部位于东京"
MIXED = "設立は headquarters が Tokyo に移った年です。"


def said(other: int, answer: str, gold: list[str] = GOLD) -> dict[str, object]:
    written = [answer if n < other else right for n, right in enumerate(gold)]
    return {"texts": free_texts(gold, written)}


def fires() -> list[Case]:
    return [
        Case("English", said(40, ENGLISH), "critical", ("ほかの言語 40 件", "The company")),
        Case("Chinese", said(10, CHINESE), "warning", ("ほかの言語 10 件",)),
        Case("mixed in", said(4, MIXED), "info", ("混じるもの 4 件", "10.0 %")),
    ]


def quiet() -> list[Case]:
    names = [f"SharePoint と Teams を{n}年から使っています。" for n in range(40)]
    return [
        Case("Japanese", said(0, "")),
        Case("a single one", said(1, ENGLISH)),
        Case("words that gold has too", said(0, "", names)),
        Case("one foreign name", said(40, "設立は Tokyo です。")),
        Case("a number", said(40, "1926")),
        Case("nothing", said(40, "")),
    ]


def lacks() -> list[Case]:
    return [
        Case("labels", {}),
        Case("gold is English", said(0, "", ["It opened in spring."] * 40)),
    ]
