from __future__ import annotations

from tests.rules.case import Case

from kunren.errors import Problem

UNKNOWN = Problem("vocabulary.unwritable", None, {"count": 2, "labels": "😊, 😢"})
SPECIAL = Problem("vocabulary.special", None, {"count": 1, "labels": "<eos>"})


def fires() -> list[Case]:
    return [
        Case(
            "emoji that the tokenizer does not know",
            {"round_trip": [UNKNOWN]},
            "critical",
            ["2 個のラベルを書けません", "😊, 😢"],
            {"set": {"model.add_tokens": "labels"}},
        ),
        Case("a label that is a special token", {"round_trip": [SPECIAL]}, "critical", ["<eos>"]),
        Case("both: adding mends one only", {"round_trip": [SPECIAL, UNKNOWN]}, "critical", ["😢"]),
    ]


def quiet() -> list[Case]:
    return [Case("all come back", {"round_trip": []})]


def lacks() -> list[Case]:
    return [Case("no tokenizer", {})]
