from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import config, items, posts


def fires() -> list[Case]:
    train, test = posts(200, ["😀"]), posts(25, ["😀"], 200)
    little = {"items": items(posts(40, ["😀"]), test=posts(10, ["😀"], 40)), "config": config()}
    named = config(data__test="test.jsonl")
    return [
        Case(
            "25 test rows of 225",
            {"items": items(train, test=test), "config": config()},
            "warning",
            ["テストは 25 件", "±20 ポイント", "160 件", "225 件すべて", "±7"],
            {"set": {"evaluate.cv": 5}},
        ),
        Case("folds would not do either", little, "warning", ["±31 ポイント", "±14 ポイント"]),
        Case(
            "a test file of its own",
            {"items": items(train, test=posts(60, ["😀"], 200)), "config": named},
            "info",
            ["±13 ポイント", "テストの行を足して"],
        ),
    ]


def quiet() -> list[Case]:
    train, test = posts(200, ["😀"]), posts(25, ["😀"], 200)
    folds = config(evaluate__cv=5)
    return [
        Case(
            "a hundred", {"items": items(train, test=posts(100, ["😀"], 200)), "config": config()}
        ),
        Case("every row is tested", {"items": items(train, test=test), "config": folds}),
    ]


def lacks() -> list[Case]:
    return [Case("no test rows", {"items": items(posts(9, ["😀"])), "config": config()})]
