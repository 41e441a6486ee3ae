from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course, falling, ours


def fires() -> list[Case]:
    return [
        Case(
            "training losses alone",
            {"course": course(falling(2.6, 1.3))},
            "warning",
            ["1 回もありません"],
        ),
        Case("an empty log", {"course": course()}, "warning"),
    ]


def quiet() -> list[Case]:
    alone = course((), (), metrics={"bleu": [12.0]})
    return [
        Case("healthy", {"course": HEALTHY}),
        Case("a metric without a loss", {"course": alone}),
    ]


def lacks() -> list[Case]:
    early = ours(course([2.0, 1.9], epochs=0.4))
    return [
        Case("ours, which failed in its first epoch", {"course": early}),
        Case("rewards", {"course": course([0.1] * 9, reward=True)}),
        Case("no course", {}),
    ]
