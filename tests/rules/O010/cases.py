from __future__ import annotations

from tests.rules.case import Case
from tests.rules.output import EMOJI, free_texts, label_sets

TEXTS = [f"{n}階にございます。" for n in range(40)]


def texts(empty: int) -> dict[str, object]:
    written = ["  " if n < empty else gold for n, gold in enumerate(TEXTS)]
    return {"tuned": free_texts(TEXTS, written)}


def fires() -> list[Case]:
    sets = label_sets([EMOJI[:2]] * 40, ["填" if n < 8 else "😊" for n in range(40)])
    return [
        Case("a few", texts(2), "info", ("40 件のうち 2 件 (5.0 %)", "質問その0")),
        Case("many", texts(8), "warning"),
        Case("most", texts(30), "critical"),
        Case("sets without a label", {"tuned": sets}, "warning", ("20.0 %",)),
    ]


def quiet() -> list[Case]:
    silent = free_texts([""] * 40, [""] * 40)
    return [
        Case("none", texts(0)),
        Case("a single one", texts(1)),
        Case("gold is empty too", {"tuned": silent}),
    ]


def lacks() -> list[Case]:
    return [Case("no predictions", {})]
