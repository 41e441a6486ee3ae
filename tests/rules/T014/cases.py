from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course, falling


def fires() -> list[Case]:
    rate = [1e-4 * max(0.0, 1 - n / 30) for n in range(1, 41)]
    dead = course(falling(2.0, 1.0), rate=rate)
    held = (1.6, 1.2, 1.0, 0.95, 0.94, 0.9402, 0.9401, 0.94, 0.9401)
    return [
        Case("a schedule too short", {"course": dead}, "warning", ["学習率がほぼ 0"]),
        Case("flat", {"course": course(falling(2.0, 0.9), held)}, "info", ["害はありません"]),
    ]


def quiet() -> list[Case]:
    linear = [1e-4 * (1 - n / 40) for n in range(1, 41)]
    return [
        Case("down to 0 at the end", {"course": course(falling(2.0, 1.0), rate=linear)}),
        Case("still falling", {"course": course((), [2.0 - 0.1 * n for n in range(9)])}),
        Case("flat within an epoch", {"course": course((), [1.2, *[1.0] * 8], epochs=1)}),
        Case("healthy", {"course": HEALTHY}),
    ]


def lacks() -> list[Case]:
    return [Case("neither", {"course": course([1.0, 0.9], [1.0])})]
