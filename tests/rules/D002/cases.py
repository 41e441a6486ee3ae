from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, posts, rows

GOODS = ["座布団", "湯たんぽ", "急須", "風鈴", "蚊帳", "火鉢", "行灯", "手ぬぐい", "羽釜", "文机"]


def fires() -> list[Case]:
    slots = [
        (
            f"先週の土曜日にそちらで注文した{name}なのですが、まだ届いておりません。いつごろ届くか教えてください。",
            "配送",
        )
        for name in GOODS
    ]
    again = [(f"RT @hana: {POSTS[n]}ね！！✨", "😀") for n in range(3)]
    return [
        Case(
            "a pattern whose slot is filled",
            {"rows": rows(posts(40, ["返品", "在庫"]) + slots)},
            "warning",
            ["違う文 50 件のうち 10 件 (20.0 %)", "≒"],
        ),
        Case(
            "posts that people post again",
            {"rows": rows(posts(100, ["😀"]) + again)},
            "info",
            ["違う文 103 件のうち 6 件"],
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("posts by hand", {"rows": rows(posts(300, ["😀"]))}),
        Case("copies are told as such", {"rows": rows(posts(60, ["😀"]) + posts(60, ["😀"]))}),
        Case(
            "an instruction around every text does not make them alike",
            {
                "rows": rows(
                    [(f"次の文を分類してください。\n文: {p}\n分類:", "😀") for p in POSTS[:60]]
                )
            },
        ),
    ]


def lacks() -> list[Case]:
    return [Case("no rows", {})]
