from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.rules.case import Case
from tests.rules.made import POSTS, config

from kunren.types import Message, Row, Where


def evidence(
    found: Sequence[tuple[str, str, Mapping[str, str]]], *unread: str, **changes: object
) -> dict[str, Any]:
    """Rows of a text, an answer and further columns."""
    rows = tuple(
        Row(
            f"qa.csv:{n}",
            (Message("user", text), Message("assistant", answer)),
            Where("qa.csv", n),
            {"text": text, **more, "label": answer},
        )
        for n, (text, answer, more) in enumerate(found, start=2)
    )
    return {"rows": {"train": rows}, "raw": {"train": rows}, "unread": unread,
            "config": config(**changes)}  # fmt: skip


PLANS = [
    "月額 980 円のプランの説明文です。",
    "法人向けの年間契約の説明文です。",
    "学生向けの割引の説明文です。",
]
ASKED = [
    (f"{said} 解約できますか。", ("はい", "いいえ", "条件つき")[n % 3], {"規約": PLANS[n % 3]})
    for said in POSTS[:8]
    for n in range(3)
]
OTHERS = [(said, "はい", {"規約": f"{said} の規約です。"}) for said in POSTS[20:32]]


def fires() -> list[Case]:
    return [
        Case(
            "the question alone does not decide",
            evidence([*ASKED, *OTHERS], "規約"),
            "warning",
            ["列「規約」", "36 件のうち 24 件 (66.7 %)", "答えも違う", "qa.csv:2"],
            {"set": {"task.template": "text: {text}\n規約: {規約}"}},
        ),
        Case(
            "a template that names one of two columns",
            evidence(ASKED, "番号", "規約", task__template="質問: {text}\n答え:"),
            "warning",
            ["列「規約」"],
            {"set": {"task.template": "質問: {text}\n答え:\n規約: {規約}"}},
        ),
        Case(
            "copies only because half of the pair is not read",
            evidence([(POSTS[n % 6], "中立", {"相手": said}) for n, said in
                      enumerate(POSTS[40:70])], "相手"),
            "warning",
            ["この列だけが違い、モデルには同じ行"],
            {"set": {"task.template": "text: {text}\n相手: {相手}"}},
        ),
        Case(
            "a model that reads no instructions",
            evidence(ASKED, "規約", model__family="encoder"),
            "warning",
            ["列「規約」"],
            {"set": {"task.template": "{text} / {規約}"}},
        ),
        Case(
            "who labelled is no text to read",
            evidence([(said, label, {"担当": who}) for said in POSTS[:9]
                      for who, label in (("佐藤", "可"), ("鈴木", "否"))], "担当"),
            "warning",
            ["列「担当」", "18 件のうち 18 件"],
        ),
        Case(
            "a category that decides",
            evidence([("静か", "可", {"商品": "目覚まし"})] +
                     [(said, label, {"商品": goods}) for said in ("軽い", "重い", "静か", "甘い")
                      for goods, label in (("漬物石", "否"), ("ノート", "可"))] +
                     [("うるさい", "否", {"商品": "ノート"})], "商品"),
            "warning",
            ["列「商品」", "10 件のうち 9 件"],
            {"set": {"task.template": "text: {text}\n商品: {商品}"}},
        ),
        Case(
            "the answer in other words is no text to read",
            evidence([(said, label, {"意味": words}) for said in POSTS[:9]
                      for label, words in (("pos", "肯定的"), ("neg", "否定的"))], "意味"),
            "warning",
            ["列「意味」", "答えを見てから書いた列"],
        ),
        Case(
            "sentences that nothing reads",
            evidence([(said, "中立", {"二文目": POSTS[50 + n]}) for n, said in
                      enumerate(POSTS[:20])], "二文目"),
            "info",
            ["文の入った列 二文目"],
        ),
        Case(
            "a name that no template can have",
            evidence([(t, a, {"規約(v1.2)": m["規約"]}) for t, a, m in ASKED], "規約(v1.2)"),
            "warning",
            ["列「規約(v1.2)」", "data.fields.text か task.template"],
        ),
    ]  # fmt: skip


def quiet() -> list[Case]:
    dated = [(t, a, {"日時": f"2026-01-{n:02} 10:{n:02}", "点": f"{n / 7:.3f}"}) for n, (t, a, _) in
             enumerate(ASKED)]  # fmt: skip
    return [
        Case("dates and numbers", evidence(dated, "日時", "点")),
        Case("the answer by its number", evidence(
            [(said, label, {"番号": number}) for said in POSTS[:9]
             for label, number in (("pos", "1"), ("neg", "0"))], "番号")),
        Case("all is read", evidence(ASKED)),
        Case("the same in all rows", evidence([(t, a, {"出典": "社内の資料"}) for t, a, _ in ASKED],
                                              "出典")),
        Case("categories that decide nothing", evidence(
            [(said, "可", {"分野": ("衣料", "食品")[n % 2]}) for n, said in enumerate(POSTS[:20])],
            "分野")),
    ]  # fmt: skip


def lacks() -> list[Case]:
    return [Case("what is read is not known", {"config": config()})]
