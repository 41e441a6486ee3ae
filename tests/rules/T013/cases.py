from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course, encoder, falling, level, ours


def spiked(*where: int, count: int = 80) -> list[float]:
    losses = falling(2.4, 1.1, count, 0.05)
    return [9.0 if n in where else loss for n, loss in enumerate(losses)]


def fires() -> list[Case]:
    apart = course([*falling(2.1, 1.2, 40, 0.05), *level(7.4, 20, 0.1)])
    two = ours(course(spiked(30, 61)), learning_rate=3e-4)
    far = encoder(ours(apart, learning_rate=0.1))
    slower = {"set": {"train.learning_rate": 1e-4}}
    return [
        Case("two", {"course": two}, "warning", ["2 回"], slower),
        Case("one", {"course": course(spiked(50))}, "info", ["1 回"]),
        Case("diverged", {"course": apart}, "critical", ["発散", "7.4", "3 分の 1"]),
        Case("at a thousand times the usual rate", {"course": far}, "critical", ["0.0001 に下げて"],
             {"set": {"train.learning_rate": 1e-4}}),
    ]  # fmt: skip


def quiet() -> list[Case]:
    batches = [abs(loss) for loss in falling(1.2, 0.5, 200, 0.25)]
    learnt = [0.0002 if n % 9 else 0.07 for n in range(80)]
    return [
        Case("healthy", {"course": HEALTHY}),
        Case("single batches", {"course": course(batches)}),
        Case("single errors of a model that is done", {"course": course([0.68, *learnt])}),
        Case("warm-up", {"course": course([9.0, *falling(2.4, 1.1, 60, 0.05)])}),
    ]


def lacks() -> list[Case]:
    return [Case("a short log", {"course": course([1.0, 0.9])})]
