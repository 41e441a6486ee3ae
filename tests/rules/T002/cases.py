from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course, falling, ours

LONG = [1.6 - 0.05 * n for n in range(10)] + [1.12 + 0.02 * n for n in range(40)]


def wobble(losses: list[float], by: float) -> list[float]:
    return [loss + (by if n % 2 else -by) for n, loss in enumerate(losses)]


def fires() -> list[Case]:
    down = falling(1.86, 0.32)
    four = ours(course(down, (1.2, 0.8, 0.9, 1.1)), epochs=4)
    first = ours(course(down, (0.8, 0.9, 1.1)), epochs=3)
    kept = ours(course(down, (1.2, 0.8, 0.9, 1.1), kept_step=2000.0), epochs=4)
    other = ours(course(down, (1.2, 0.8, 0.9, 1.1), kept_step=3000.0), epochs=4)
    heart = course([1.0, 0.2, *[0.0002] * 38], (0.30, 0.25, 0.33, 0.41))
    later = course(down, (1.2, 0.8, 0.9, 1.1), kept_step=4000.0, judged_by="f1")
    stored = course(down, (1.2, 0.8, 0.9, 1.1), best_step=2000.0)
    two = {"set": {"train.epochs": 2}}
    return [
        Case("seed 002", {"course": course(down, (1.22, 1.24, 1.71))}, "warning", ["+40 %"]),
        Case("ours, the best may be lost", {"course": four}, "warning", ["エポック 2"], two),
        Case("ours, the best was kept", {"course": kept}, "info", ["害はありません"], two),
        Case("another tool kept a later one", {"course": later}, "warning", ["「f1」で選んだ"]),
        Case("the metric liked later weights", {"course": other}, "info", ["エポック 3 の重み"]),
        Case("from the first epoch on", {"course": first}, "warning", ["エポック 1"]),
        Case("a checkpoint is on record", {"course": stored}, "warning", ["checkpoint-2000"]),
        Case("long", {"course": course(falling(2, 0.1, 99), wobble(LONG, 0.03))}, "warning"),
        Case("the last two of ten", {"course": course(down, (1.43, 1.08, 0.94, 0.89, 0.87, 0.86,
             0.855, 0.852, 1.17, 1.48), held_rows=1000)}, "warning", ["エポック 8"]),
        Case("two, far apart", {"course": course(down, (0.35, 0.6), held_rows=2500)}, "warning"),
        Case("the last epoch", {"course": course(down, (0.808, 0.807, 0.902), held_rows=12572)},
             "warning", ["エポック 2"]),
        Case("nothing left to learn", {"course": heart}, "warning"),
        Case("written text, few rows", {"course": course(down, (1.4, 1.2, 1.35), held_rows=50)},
             "warning"),
        Case("no training loss logged", {"course": course((), (1.0, 0.8, 1.2))}, "warning"),
    ]  # fmt: skip


def quiet() -> list[Case]:
    down = falling(1.86, 0.32)
    guess = {"accuracy": (0.6, 0.65, 0.64)}
    few = course(down, (0.9, 0.8, 0.88), held_rows=30, metrics=guess)
    noisy = wobble([1.0 - 0.001 * n for n in range(60)], 0.08)
    return [
        Case("healthy", {"course": HEALTHY}),
        Case("within noise", {"course": course(down, (1.2, 0.8, 0.81, 0.82))}),
        Case("comes back", {"course": course(down, (1.2, 0.8, 0.9, 0.79))}),
        Case("jumps as much on the way down", {"course": course(down, (1.0, 1.3, 0.8, 0.9))}),
        Case("scatter alone", {"course": course(down, noisy)}),
        Case("so few rows", {"course": few}),
        Case("from exactly zero", {"course": course(down, (0.5, 0.0, 0.3, 0.4))}),
        Case("near zero", {"course": course(down, (0.004, 0.001, 0.003))}),
        Case("the training loss rises too",
             {"course": course([1.0] * 20 + [2.0] * 20, (1.2, 0.8, 1.1, 1.4))}),
    ]  # fmt: skip


def lacks() -> list[Case]:
    return [
        Case("two evaluations", {"course": course((), (1.0, 0.5))}),
        Case("two that may differ by chance", {"course": course((), (0.5, 0.6), held_rows=100)}),
        Case("none", {"course": course(falling(2.0, 1.0))}),
        Case("rewards", {"course": course([0.1], (1, 2, 3), reward=True)}),
    ]
