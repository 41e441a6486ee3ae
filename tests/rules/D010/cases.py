from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import config, items, posts

ASKED = {"answers": "label", "config": config()}


def fires() -> list[Case]:
    train, test = posts(200, ["😀"]), posts(25, ["😀"], 200)
    little = {
        "items": items(posts(40, ["😀"]), test=posts(10, ["😀"], 40)),
        "answers": "label",
        "config": config(),
    }
    named = config(data__test="test.jsonl")
    return [
        Case(
            "25 test rows of 225",
            {"items": items(train, test=test), **ASKED},
            "warning",
            ["テストは 25 件", "±20 ポイント", "160 件", "225 件すべて", "±7"],
            {"set": {"evaluate.cv": 5}},
        ),
        Case("folds would not do either", little, "warning", ["±31 ポイント", "±14 ポイント"]),
        Case(
            "sets are judged by Jaccard",
            {"items": items(train, test=test), "answers": "set", "config": config()},
            "warning",
            ["Jaccard", "最大で ±20 ポイント"],
            {"set": {"evaluate.cv": 5}},
        ),
        Case(
            "free text has no accuracy",
            {"items": items(train, test=test), "answers": "text", "config": config()},
            "warning",
            ["完全一致率", "chrF"],
            {"set": {"evaluate.cv": 5}},
        ),
        Case(
            "a test file of its own",
            {
                "items": items(train, test=posts(60, ["😀"], 200)),
                "answers": "label",
                "config": named,
            },
            "info",
            ["±13 ポイント", "テストの行を足して"],
        ),
    ]


def quiet() -> list[Case]:
    train, test = posts(200, ["😀"]), posts(25, ["😀"], 200)
    folds = config(evaluate__cv=5)
    return [
        Case(
            "a hundred",
            {
                "items": items(train, test=posts(100, ["😀"], 200)),
                "answers": "label",
                "config": config(),
            },
        ),
        Case(
            "every row is tested",
            {"items": items(train, test=test), **ASKED, "config": folds},
        ),
    ]


def lacks() -> list[Case]:
    return [
        Case(
            "no test rows",
            {"items": items(posts(9, ["😀"])), **ASKED},
        )
    ]
