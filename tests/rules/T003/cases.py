from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course, falling, ours


def fires() -> list[Case]:
    down = falling(2.0, 0.7)
    four = ours(course(down, (1.6, 1.2, 1.0, 0.8)), epochs=4)
    little = course(down, (1.6, 1.2, 1.0, 0.95))
    steps = course(down, [2.0 - 0.03 * n for n in range(40)], epochs=1)
    eight = {"set": {"train.epochs": 8}}
    return [
        Case("cut short", {"course": four}, "warning", ["エポック数を 8"], eight),
        Case("a little", {"course": little}, "info", ["-5 %"]),
        Case("within one epoch", {"course": steps}, "warning", ["エポック 1"]),
    ]


def quiet() -> list[Case]:
    down = falling(2.0, 0.7)
    return [
        Case("healthy", {"course": HEALTHY}),
        Case("done", {"course": course(down, (1.6, 1.1, 0.9, 0.89))}),
        Case("stopped early", {"course": course(down, (1.6, 1.2, 0.8), stopped_early=True)}),
        Case("not finished", {"course": course(down, (1.6, 1.2, 0.8), planned_steps=90000.0)}),
        Case("as low as before", {"course": course(down, (0.395, 0.415, 0.389), held_rows=500)}),
        Case("of a loss near zero", {"course": course(down, (0.004, 0.002, 0.001))}),
    ]


def lacks() -> list[Case]:
    return [Case("two evaluations", {"course": course((), (1.0, 0.5))})]
