from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course


def fires() -> list[Case]:
    accuracy = (0.70, 0.78, 0.84, 0.80, 0.79, 0.76)
    by = course((), (1.0, 0.9, 0.8, 0.9, 1.0, 1.1), metrics={"accuracy": accuracy}, held_rows=1000)
    return [
        Case("accuracy", {"course": by}, "warning", ["84.0 %", "76.0 %"]),
        Case("loss", {"course": course((), (1.2, 0.7, 1.1, 1.5))}, "warning", ["検証損失"]),
    ]


def quiet() -> list[Case]:
    accuracy = (0.70, 0.84, 0.82)
    few = course((), (1.0, 0.9, 0.9), metrics={"accuracy": accuracy}, held_rows=100)
    kept = course((), (1.2, 0.7, 1.1, 1.5), kept_step=200.0)
    stored = course((), (1.2, 0.7, 1.1, 1.5), best_step=200.0)
    rough = [0.32 + (0.03 if n % 3 else -0.02) for n in range(40)]
    return [
        Case("the best of many", {"course": course((), rough)}),
        Case("healthy", {"course": HEALTHY}),
        Case("within chance", {"course": few}),
        Case("kept", {"course": kept}),
        Case("on record", {"course": stored}),
        Case("ours keeps the best", {"course": course((), (1.2, 0.7, 1.1, 1.5), ours=True)}),
    ]


def lacks() -> list[Case]:
    return [Case("one evaluation", {"course": course((), [1.0])})]
