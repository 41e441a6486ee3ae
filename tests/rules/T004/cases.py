from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, NAN, course, falling


def fires() -> list[Case]:
    nan = course([0.0] * 6, [NAN], gradient=[NAN] * 6)
    masked = course([0.0] * 6, [2.3], gradient=[0.0] * 6)
    sudden = course([*falling(2.0, 1.0, 10), *[0.0] * 10], [1.2, NAN])
    return [
        Case("seed 001", {"course": nan}, "critical", ["NaN"]),
        Case("all labels masked", {"course": masked}, "critical", ["-100"]),
        Case("from the middle on", {"course": sudden}, "critical", ["NaN"]),
    ]


def quiet() -> list[Case]:
    learnt = [*falling(0.8, 0.0001, 30), *[0.0] * 10]
    easy = course([0.0] * 3, [0.0], metrics={"accuracy": [1.0]})
    return [
        Case("healthy", {"course": HEALTHY}),
        Case("learnt down to it", {"course": course(learnt, [0.1])}),
        Case("solved before the first entry", {"course": easy}),
        Case("one zero", {"course": course([0.0, *falling(2.0, 1.0)])}),
    ]


def lacks() -> list[Case]:
    return [
        Case("no training loss", {"course": course((), [1.0])}),
        Case("rewards", {"course": course([0.0] * 9, reward=True)}),
    ]
