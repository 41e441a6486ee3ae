from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, posts, rows

LABELS = ["😀", "😢", "😡"]


def fires() -> list[Case]:
    twice = posts(20, ["😀"])
    spelled = [("ライブのチケット　当たった！！", "🎉"), ("ﾗｲﾌﾞのチケット 当たった!!", "🎉")]
    return [
        Case(
            "twenty posts twice, as a teacher that repeats itself gives them",
            {"rows": rows(posts(200, ["😀"]) + twice)},
            "warning",
            ["220 件のうち 20 件 (9.1 %)", "除くと 200 件", "表記まで同じもの 20 件", "2 回"],
        ),
        Case(
            "one row that differs only in width and spaces",
            {"rows": rows(posts(100, LABELS) + spelled)},
            "info",
            ["102 件のうち 1 件", "表記まで同じもの 0 件", "train.jsonl:101、train.jsonl:102"],
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("all rows differ", {"rows": rows(posts(150, LABELS))}),
        Case(
            "the same text with another answer is a conflict, not a copy",
            {"rows": rows([*posts(50, ["😀"]), (POSTS[0], "😢")])},
        ),
        Case(
            "one copy in two thousand rows",
            {
                "rows": rows(
                    [(f"{n} 番の窓口でお待ちください", "案内") for n in [1, *range(1, 2001)]]
                )
            },
        ),
    ]


def lacks() -> list[Case]:
    return [Case("no rows", {})]
