from __future__ import annotations

from tests.rules.case import Case

from kunren.doctor.reading import Ends
from kunren.types import Example, LabelExample, PairExample

ENDS = Ends((9,), ("<end_of_turn>",), 0, 1)
GOOD = Example("r1", (1, 2, 9), (False, True, True))
ENDLESS = Example("r2", (1, 2, 3), (False, True, True))
CUT = Example("r3", (1, 2, 9), (False, True, False))


def fires() -> list[Case]:
    return [
        Case(
            "a template without an end",
            {"examples": {"train": [ENDLESS, ENDLESS]}, "ends": ENDS},
            "critical",
            ["2 行のどれも", "<end_of_turn>"],
        ),
        Case(
            "the end is there but not counted",
            {"examples": {"train": [GOOD, CUT]}, "ends": ENDS},
            "warning",
            ["2 行のうち 1 行"],
        ),
        Case(
            "a target without its end",
            {"examples": {"train": [PairExample("p", (1,), (5,))]}, "ends": ENDS},
            "critical",
            ["1 行のどれも"],
        ),
    ]


def quiet() -> list[Case]:
    pair = PairExample("p", (1,), (5, 9))
    return [
        Case("every answer ends", {"examples": {"train": [GOOD]}, "ends": ENDS}),
        Case("every target ends", {"examples": {"train": [pair]}, "ends": ENDS}),
    ]


def lacks() -> list[Case]:
    chosen = {"train": [LabelExample("l", (1,), (0,))]}
    return [
        Case("an encoder writes nothing", {"examples": chosen, "ends": ENDS}),
        Case("the tokenizer is not there", {"examples": {"train": [GOOD]}}),
    ]
