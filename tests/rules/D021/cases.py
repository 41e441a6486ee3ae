from __future__ import annotations

from collections import Counter
from typing import Any

from tests.rules.case import Case
from tests.rules.made import config


def evidence(
    *folds: tuple[dict[str, int], dict[str, int], dict[str, int]], **changes: object
) -> dict[str, Any]:
    return {
        "label_rows": [
            dict(zip(("train", "validation", "test"), map(Counter, fold), strict=True))
            for fold in folds
        ],
        "answers": "label",
        "config": config(**changes),
    }


def fires() -> list[Case]:
    mails = ({"通常": 96, "迷惑": 7}, {"通常": 13}, {"通常": 11, "迷惑": 2})
    tags = {f"タグ{n}": 30 for n in range(20)}
    return [
        Case(
            "the validation rows have one of two labels",
            evidence(mails),
            "warning",
            ["ラベル 2 種のうち 1 種が、検証に 1 件も", "迷惑 (7)", "検証は「通常」だけ"],
        ),
        Case(
            "two rows cannot be on three sides",
            evidence(({"通常": 98, "迷惑": 2}, {"通常": 10}, {"通常": 10})),
            "warning",
            ["テストと検証に 1 件も", "3 件に満たないラベル"],
        ),
        Case(
            "one rare label of many",
            evidence(({**tags, "まれ": 6}, {**tags, "まれ": 1}, tags)) | {"answers": "set"},
            "info",
            ["ラベル 21 種のうち 1 種が、テストに", "まれ (6)", "evaluate.cv: 5"],
            {"set": {"evaluate.cv": 5}},
        ),
        Case(
            "a named test file lacks it",
            evidence(
                (
                    {"可": 50, "否": 40, "保留": 9},
                    {"可": 5, "否": 5, "保留": 1},
                    {"可": 9, "否": 8},
                ),
                data__test="test.jsonl",
            ),
            "warning",
            ["保留 (9)", "足りないファイルに"],
        ),
        Case(
            "folds of which some have no test row of a label",
            evidence(
                ({"可": 50, "否": 2}, {"可": 5, "否": 1}, {"可": 9, "否": 1}),
                ({"可": 50, "否": 4}, {"可": 5}, {"可": 9}),
            ),
            "warning",
            ["2 分割のうち 1 分割で、テストと検証に 1 件もない", "否 (4)"],
        ),
    ]


def quiet() -> list[Case]:
    even = ({"可": 80, "否": 20}, {"可": 8, "否": 2}, {"可": 8, "否": 2})
    return [
        Case("all on all sides", evidence(even)),
        Case("two folds", evidence(even, even)),
        Case(
            "no validation rows are wanted", evidence(({"可": 8, "否": 3}, {}, {"可": 2, "否": 1}))
        ),
    ]


def lacks() -> list[Case]:
    nothing: tuple[dict[str, int], dict[str, int], dict[str, int]] = ({"可": 8, "否": 3}, {}, {})
    return [
        Case("free text", evidence(nothing) | {"answers": "text"}),
        Case("nothing is held out", evidence(nothing)),
        Case("no rows at all", {"answers": "label", "config": config()}),
    ]
