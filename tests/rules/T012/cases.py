from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course, falling, level

EIGHT = {"train.gradient_accumulation": 8}


def times(factor: float, losses: list[float]) -> list[float]:
    return [factor * loss for loss in losses]


def fires() -> list[Case]:
    down = falling(2.4, 1.9, 60, 0.02)
    held = (2.05, 1.95, 1.92, 1.9)
    summed = course(times(8, down), held, epochs=1)
    known = course(times(8, down), held, epochs=1, settings=EIGHT)
    halved = course(times(0.25, down), held, epochs=1)
    guess = course(times(16, falling(2.5, 2.0)), vocabulary=32000)
    rough = falling(4.4, 2.6, 100, 0.6)
    held_out = [loss / 4 for loss in falling(4.4, 2.6, 100)[9::10]]
    learnt = course([*rough, *level(0.8, 100, 0.2)], [*held_out, *[0.39] * 10], epochs=2)
    three = course(times(3, falling(2.4, 1.9, 60, 0.02)), held, epochs=1)
    return [
        Case("rough batches, memorised later", {"course": learnt}, "warning", ["4 回 (推定)"]),
        Case(
            "no evaluation, above any vocabulary",
            {"course": course(falling(20.0, 14.0))},
            "warning",
            ["12.5"],
        ),
        Case(
            "one evaluation",
            {"course": course(times(8, down), [1.9], epochs=1)},
            "warning",
            ["8 回 (推定)"],
        ),
        Case("three steps", {"course": three}, "warning", ["3 回 (推定)"]),
        Case("summed, known", {"course": known}, "warning", ["勾配累積 8 回の"]),
        Case("summed, guessed", {"course": summed}, "warning", ["勾配累積 8 回 (推定)"]),
        Case("divided twice", {"course": halved}, "warning", ["4 回"]),
        Case("above guessing", {"course": guess}, "warning", ["10.4"]),
    ]


def quiet() -> list[Case]:
    fast = course((0.35, 0.052, 0.012, 0.006), (0.0997, 0.014, 0.0047, 0.0046), epochs=8)
    slow = course((3.74, 1.54, 0.70), [4.3 * 0.93**n for n in range(33)], epochs=3)
    heart = course(falling(2.0, 0.1), (1.6, 1.5, 1.55, 1.6))
    return [
        Case("healthy", {"course": HEALTHY}),
        Case("a log of whole epochs", {"course": course((0.2981, 0.0628), (0.1309, 0.0968))}),
        Case("a log that averages a fast fall", {"course": fast}),
        Case(
            "falls too fast to compare", {"course": course((9.5, 7.9, 5.5, 3.5), [1.43], epochs=1)}
        ),
        Case("a high start", {"course": course(falling(25.0, 0.1))}),
        Case("a coarse log", {"course": slow}),
        Case("learnt by heart", {"course": heart}),
        Case("a pretrained model", {"course": course(falling(3.5, 1.2), vocabulary=32000)}),
    ]


def lacks() -> list[Case]:
    return [
        Case("no training loss", {"course": course((), [1.0])}),
        Case("nothing to compare with", {"course": course(falling(9.0, 6.0))}),
    ]
