from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, posts, rows


def fires() -> list[Case]:
    train = posts(200, ["😀", "😢"])
    test = posts(100, ["😀", "😢"], start=200)
    nearly = [(f"{text}よね！！", "😀") for text in POSTS[:30]]
    return [
        Case(
            "a quarter of the test rows is trained on",
            {"rows": rows(train, test=test[:75] + train[:25])},
            "critical",
            [
                "テスト 100 件のうち 25 件 (25.0 %)",
                "文も答えも同じ 25 件",
                "±10 ポイント",
                "使わないで",
            ],
        ),
        Case(
            "test rows are training rows in other spelling",
            {"rows": rows(train, test=test[:70] + nearly)},
            "critical",
            ["ほとんど同じ文 30 件", "≒"],
        ),
        Case(
            "a few questions come back with other answers",
            {"rows": rows(train, test=test[:95] + [(POSTS[n], "😡") for n in range(5)])},
            "warning",
            ["文だけ同じ 5 件"],
        ),
        Case(
            "validation rows alone decide on no result, only on the epoch",
            {"rows": rows(train, validation=train[:40], test=test)},
            "warning",
            ["検証 40 件のうち 40 件"],
        ),
        Case(
            "one row of two hundred",
            {"rows": rows(train, test=[*posts(199, ["😀"], start=200), train[0]])},
            "info",
        ),
    ]


def quiet() -> list[Case]:
    test = posts(100, ["😀"], start=200)
    return [
        Case("sides apart", {"rows": rows(posts(200, ["😀"]), posts(50, ["😀"], 300), test)}),
        Case(
            "short texts that differ in a word",
            {"rows": rows([("今日は良い天気", "😀")], test=[("今日は悪い天気", "😢")])},
        ),
        Case("copies within the training rows", {"rows": rows(test[:50] * 2, test=test[50:])}),
    ]


def lacks() -> list[Case]:
    return [Case("no test rows", {"rows": rows(posts(50, ["😀"]))}), Case("no rows", {})]
