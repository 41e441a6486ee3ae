from __future__ import annotations

import random

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course, encoder, falling, level, ours


def spiked(*where: int, count: int = 80) -> list[float]:
    losses = falling(2.4, 1.1, count, 0.05)
    return [9.0 if n in where else loss for n, loss in enumerate(losses)]


def gamma(count: int, mean: float) -> list[float]:
    """Losses of single rows."""
    chance = random.Random(count)
    return [mean * chance.gammavariate(3, 1) / 3 for _ in range(count)]


def fires() -> list[Case]:
    apart = course([*falling(2.1, 1.2, 40, 0.05), *level(7.4, 20, 0.1)])
    down = [0.66, 0.66, 0.64, 0.60, 0.54, 0.50, 0.46, 0.43, *[0.42] * 12]
    rough = [a + b for a, b in zip([*down, *[0.69] * 20], level(0, 40, 0.04), strict=True)]
    lost = course(rough, (0.74, 0.55, 0.47, 0.70, 0.72))
    alone = course(rough)
    up = [0.83, 0.3, *level(0.13, 8, 0.01), *level(0.3, 30, 0.02), *level(0.18, 20, 0.01)]
    harmed = course(up, (0.22, 0.42, 0.42, 0.41, 0.44, 0.40))
    wild = course([1.1, 1.1, 1.2, *(a for n in range(14) for a in (3.1, 9.4, 0.9, 17.0, 5.2))],
                  (3.9, 2.7, 7.4, 8.6))  # fmt: skip
    two = ours(course(spiked(30, 61)), learning_rate=3e-4)
    far = encoder(ours(apart, learning_rate=0.1))
    slower = {"set": {"train.learning_rate": 1e-4}}
    return [
        Case("two", {"course": two}, "warning", ["2 回"], slower),
        Case("one", {"course": course(spiked(50))}, "info", ["1 回"]),
        Case("diverged", {"course": apart}, "critical", ["発散", "7.4", "3 分の 1"]),
        Case("at a thousand times the usual rate", {"course": far}, "critical", ["0.0001 に下げて"],
             {"set": {"train.learning_rate": 1e-4}}),
        Case("both losses rise and stay up", {"course": harmed}, "warning", ["学習率が高すぎる"]),
        Case("back at ln 2", {"course": lost}, "critical", ["発散"]),
        Case("blown up, however wild", {"course": wild}, "critical", ["発散"]),
        Case("back at ln 2, not evaluated", {"course": alone}, "warning", ["発散"]),
    ]  # fmt: skip


def quiet() -> list[Case]:
    batches = [abs(loss) for loss in falling(1.2, 0.5, 200, 0.25)]
    learnt = [0.0002 if n % 9 else 0.07 for n in range(80)]
    return [
        Case("healthy", {"course": HEALTHY}),
        Case("single batches", {"course": course(batches)}),
        Case("single errors of a model that is done", {"course": course([0.68, *learnt])}),
        Case(
            "half of it lost",
            {"course": course(level(2.0, 20, 0.05) + level(1.2, 20, 0.05) + level(1.5, 20, 0.05))},
        ),
        Case("single rows, heavy tails", {"course": course(gamma(120, 0.9))}),
        Case(
            "up, but not held out",
            {
                "course": course(
                    [*falling(2.1, 1.2, 40, 0.05), *level(2.5, 10, 0.1)], (1.5, 1.3, 1.2)
                )
            },
        ),
        Case("batches of one row", {"course": course([abs(x) for x in level(0.7, 200, 0.4)])}),
        Case("warm-up", {"course": course([9.0, *falling(2.4, 1.1, 60, 0.05)])}),
    ]


def lacks() -> list[Case]:
    return [Case("a short log", {"course": course([1.0, 0.9])})]
