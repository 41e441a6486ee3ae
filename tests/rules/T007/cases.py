from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course, falling


def fires() -> list[Case]:
    heart = course(falling(3.1, 0.02), epochs=5, rows=300.0)
    summary = course(epochs=100, mean_loss=0.78, rows=3.0)
    gap = course(falling(2.0, 0.002), (1.4, 1.4), epochs=8)
    return [
        Case("known by heart", {"course": heart}, "warning", ["5 エポック (300 行)"]),
        Case(
            "a hundred epochs of three rows",
            {"course": summary},
            "warning",
            ["100 エポック (3 行)"],
        ),
        Case(
            "many epochs",
            {"course": course(falling(1.0, 0.3), epochs=30)},
            "warning",
            ["30 エポック"],
        ),
        Case("a gap", {"course": gap}, "warning", ["丸暗記"]),
    ]


def quiet() -> list[Case]:
    return [
        Case("healthy", {"course": HEALTHY}),
        Case("the evaluation loss fell with it",
             {"course": course(falling(1.5, 0.0001), (0.63, 1.1, 1.3, 0.34, 0.28), epochs=12)}),
        Case("three epochs", {"course": course(falling(2.6, 1.3), epochs=3)}),
        Case("one epoch of an easy task", {"course": course(falling(2.6, 0.01), epochs=1)}),
        Case("held out as well", {"course": course(falling(2.0, 0.01), (0.05, 0.02), epochs=8)}),
    ]  # fmt: skip


def lacks() -> list[Case]:
    return [
        Case("no training loss", {"course": course((), [1.0])}),
        Case("rewards", {"course": course([0.0] * 9, epochs=50, reward=True)}),
    ]
