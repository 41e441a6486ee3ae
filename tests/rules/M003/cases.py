from __future__ import annotations

from tests.rules.case import Case

from kunren.types import Example, LabelExample, PairExample

GOOD = Example("r1", (1, 2, 3), (False, True, True))
EMPTY = Example("r2", (1, 2), (False, False))


def fires() -> list[Case]:
    return [
        Case(
            "an answer that was cut off",
            {"examples": {"train": [GOOD, EMPTY]}},
            "critical",
            ["2 行のうち 1 行", "r2"],
        ),
        Case(
            "a target of nothing",
            {"examples": {"train": [PairExample("p", (1,), ())]}},
            "critical",
            ["1 行"],
        ),
        Case(
            "an item without a known label",
            {"examples": {"train": [LabelExample("l", (1,), (), counted=False)]}},
            "critical",
            ["1 行"],
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("every row trains something", {"examples": {"train": [GOOD]}}),
        Case(
            "a validation row with an unknown label is left out anyway",
            {
                "examples": {
                    "train": [GOOD],
                    "validation": [LabelExample("l", (1,), (), counted=False)],
                }
            },
        ),
    ]


def lacks() -> list[Case]:
    return [Case("no examples", {}), Case("no training rows", {"examples": {"train": []}})]
