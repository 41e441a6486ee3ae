from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course, encoder, falling, level, ours


def fires() -> list[Case]:
    three = course(level(1.1, 30, 0.02), (1.101, 1.099, 1.099), labels=3)
    two = course(level(0.694, 30, 0.01), (0.6935, 0.6932, 0.6931), metrics={"accuracy": (0.5,) * 3})
    flat = course(level(2.2, 40, 0.05), (2.21, 2.21, 2.21), epochs=3)
    tokens = course(level(10.82, 10, 0.002), epochs=1)
    once = course((), [1.611], metrics={"accuracy": [0.195]}, held_rows=200)
    prior = course([1.1, 0.6, *level(0.4, 30, 0.02)], (0.401, 0.399, 0.4), epochs=3,
                   metrics={"accuracy": (0.87,) * 3}, held_rows=500)  # fmt: skip
    bare = course([0.74, *level(0.694, 30, 0.01)], (0.6935, 0.6932, 0.6931))
    many = course(level(4.35, 30, 0.02), (4.345, 4.344, 4.345), held_rows=500,
                  metrics={"accuracy": (0.014, 0.012, 0.016)})  # fmt: skip
    still = course(level(2.2, 40, 0.05))
    rate = ours(still, learning_rate=1e-6)
    low = encoder(ours(still, learning_rate=1e-6, warmup=0.1))
    usual = encoder(ours(still, learning_rate=1e-4, warmup=0.1))
    high = encoder(ours(still, learning_rate=1e-2, warmup=0.1))
    random = encoder(ours(still, learning_rate=1e-4), "scratch:bert-small")
    warm = encoder(ours(still, learning_rate=1e-4, warmup=40_000.0))
    both = encoder(ours(still, learning_rate=1e-5, warmup=0.6))
    back = course([1.1, *level(1.6, 9, 0.3), *level(1.2, 20, 0.1)], (1.9, 1.3, 1.11), labels=3)
    return [
        Case("one answer to everything", {"course": prior}, "warning", ["同じ答え", "0.87"]),
        Case("ln 2 without a metric", {"course": bare}, "warning", ["ln 2 = 0.693"]),
        Case("77 labels", {"course": many}, "warning", ["ln 77 = 4.344"]),
        Case("stuck at ln of a vocabulary", {"course": tokens}, "warning", ["動いていません"]),
        Case("one evaluation, of guesses", {"course": once}, "warning", ["ln 5 = 1.609"]),
        Case("stuck at ln 3", {"course": three}, "critical", ["ln 3 = 1.099"]),
        Case("stuck at ln 2, guessed", {"course": two}, "warning", ["ln 2 = 0.693"]),
        Case("flat", {"course": flat}, "warning", ["動いていません"]),
        Case("ours", {"course": rate}, "warning", fix={"set": {"train.learning_rate": 1e-5}}),
        Case("far below the usual rate", {"course": low}, "warning", ["1e-06 から 0.0001"],
             {"set": {"train.learning_rate": 1e-4}}),
        Case("at it", {"course": usual}, "warning", (), {"set": {"train.learning_rate": 1e-3}}),
        Case("far above it", {"course": high}, "warning", ["0.0001 に下げて"],
             {"set": {"train.learning_rate": 1e-4}}),
        Case("random weights take more", {"course": random}, "warning", (),
             {"set": {"train.learning_rate": 1e-3}}),
        Case("a tenth of the warm-up was done", {"course": warm}, "warning", ["1e-05 まで", "0.1"],
             {"set": {"train.warmup": 0.1}}),
        Case("a long warm-up to a low rate", {"course": both}, "warning", ["0.0001 に上げて"],
             {"set": {"train.warmup": 0.1, "train.learning_rate": 1e-4}}),
        Case("thrown far off and back to guessing", {"course": back}, "critical", ["ln 3"]),
        Case("no losses", {"course": course((), (1.099, 1.098, 1.099), labels=3)}, "critical"),
    ]  # fmt: skip


def quiet() -> list[Case]:
    slow = course((1.0957, 1.0842, 1.0328), (1.0917, 1.0663, 0.9982), labels=3,
                  metrics={"accuracy": (0.45, 0.52, 0.74)}, held_rows=31)  # fmt: skip
    many = course((3.74, 1.54, 0.7), (4.33, 2.4, 0.54), labels=87)
    noisy = course(level(1.39, 12, 0.08), (1.40, 1.37), epochs=1)
    zero = course(level(0.01, 40, 0.002), (0.02, 0.02, 0.02), epochs=3)
    return [
        Case("healthy", {"course": HEALTHY}),
        Case("began at ln 3 and learnt", {"course": slow}),
        Case("many labels, learnt", {"course": many}),
        Case("an epoch of noisy batches", {"course": noisy}),
        Case("near zero throughout", {"course": zero}),
        Case(
            "came down, and is up again",
            {
                "course": course(
                    [*level(2.0, 10, 0.05), *level(1.2, 20, 0.05), *level(2.0, 10, 0.05)], epochs=2
                )
            },
        ),
        Case("falls from ln of a vocabulary", {"course": course(falling(10.8, 7.5), epochs=2)}),
        Case("a regression of large values", {"course": course((), (2690.0, 1366.0, 828.0))}),
        Case("it rises", {"course": course(level(2.2, 40, 0.05), (2.2, 2.6, 3.4), epochs=3)}),
        Case("falls slowly", {"course": course([2.0 - 0.004 * n for n in range(60)])}),
        Case("passes ln 4 on its way", {"course": course(falling(3.0, 1.386), labels=4)}),
    ]


def lacks() -> list[Case]:
    return [
        Case("one loss", {"course": course([1.0])}),
        Case(
            "one evaluation, better than guesses",
            {"course": course((), [1.08], metrics={"accuracy": [0.45]}, held_rows=200)},
        ),
        Case("rewards", {"course": course([0.1] * 9, reward=True)}),
    ]
