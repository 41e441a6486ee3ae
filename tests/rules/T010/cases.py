from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course


def fires() -> list[Case]:
    return [
        Case("one in three epochs", {"course": course((), [1.0], epochs=3)}, "warning", ["1 回"]),
        Case("one in one epoch", {"course": course((), [1.0])}, "info"),
        Case(
            "two of ours",
            {"course": course((), [1.0, 0.9], ours=True)},
            "info",
            ["2 回", "train.epochs を 3 以上"],
        ),
        Case("two", {"course": course((), [1.0, 0.9])}, "info", ["2 回"]),
    ]


def quiet() -> list[Case]:
    return [Case("healthy", {"course": HEALTHY}), Case("three", {"course": course((), (3, 2, 1))})]


def lacks() -> list[Case]:
    return [Case("none at all", {"course": course([1.0, 0.5])})]
