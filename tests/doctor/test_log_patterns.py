"""Faults that public logs show, each on hundreds of curves with its numbers drawn anew.

And as many healthy ones, of which none may be called faulty.
"""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from kunren.doctor.course import of_log
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.table import TRAINING

CURVES = 200

Row = Mapping[str, float]


def train(step: float, epoch: float, loss: float) -> Row:
    return {"step": step, "epoch": epoch, "loss": loss}


def held(step: float, epoch: float, loss: float, **metrics: float) -> Row:
    return {"step": step, "epoch": epoch, "eval_loss": loss} | {
        f"eval_{name}": value for name, value in metrics.items()
    }


def epochs(pairs: Sequence[tuple[float, float]], **metrics: Sequence[float]) -> list[Row]:
    """A row of training and one of evaluation an epoch."""
    rows = []
    for n, (loss, judged) in enumerate(pairs, start=1):
        at = {name: values[n - 1] for name, values in metrics.items()}
        rows += [train(100 * n, n, loss), held(100 * n, n, judged, **at)]
    return rows


def look(rows: Sequence[Row]) -> dict[str, Finding]:
    """What the rules that need nothing but a course say of it."""
    course, found = of_log(rows), {}
    for rule in TRAINING:
        function = rule.load()
        needed = [p.name for p in inspect.signature(function).parameters.values()
                  if p.kind is not p.KEYWORD_ONLY]  # fmt: skip
        if needed != ["course"]:
            continue
        try:
            finding = function(course)
        except Missing:
            continue
        if finding is not None:
            found[rule.slug] = finding
    return found


def share(curves: Iterator[Sequence[Row]], slug: str) -> float:
    seen = [slug in look(rows) for rows in curves]
    assert len(seen) == CURVES
    return sum(seen) / CURVES


# ---- as they stood in public logs


@pytest.mark.parametrize(
    ("rows", "slug", "says"),
    [
        ([train(20, 1, 284.9), held(20, 1, 15.4)], "loss-scaling", "18.5 倍"),
        (epochs([(284.9, 15.4), (231.0, 12.5), (200.0, 10.9)]), "loss-scaling", "倍"),
        (epochs([(25.1, 2.1), (20.5, 1.75), (17.0, 1.5)]), "loss-scaling", "倍"),
        ([train(100, 1, 0.703), held(100, 1, 0.707)], "not-learning", "ln 2 = 0.693"),
        ([train(100, 1, 0.703), held(100, 1, 0.707, accuracy=0.5)], "not-learning", "ln 2"),
        ([train(90, 1, 1.11), held(90, 1, 1.105, accuracy=0.34)], "not-learning", "ln 3"),
        (epochs([(0.703, 0.698), (0.699, 0.697), (0.697, 0.696), (0.696, 0.6955), (0.695, 0.695)]),
         "not-learning", "ln 2"),
        (epochs([(0.3, 0.157), (0.05, 0.190), (0.01, 0.176), (0.002, 0.221), (0.0003, 0.214)]),
         "overfitting", "0.157"),
        (epochs([(0.2, 0.157), (0.0003, 0.214)]), "overfitting", "+36 %"),
        ([train(10 * n, n, loss) for n, loss in
          enumerate([3.26, 3.15, 3.08, 3.05, 3.03, 3.02], start=1)], "not-learning", "3.26"),
    ],
)  # fmt: skip
def test_it_is_named_with_its_numbers(rows: Sequence[Row], slug: str, says: str) -> None:
    found = look(rows)
    assert slug in found, sorted(found)
    assert says in found[slug].message


# ---- the same with other numbers


def scaled() -> Iterator[list[Row]]:
    for seed in range(CURVES):
        chance = random.Random(seed)
        factor, start = chance.uniform(4.5, 40.0), chance.uniform(1.2, 4.0)
        count = chance.choice((2, 3, 5))
        pairs = [(factor * (value := start * 0.9**n) * chance.uniform(0.97, 1.03), value)
                 for n in range(count)]  # fmt: skip
        yield epochs(pairs)


def at_guess() -> Iterator[list[Row]]:
    for seed in range(CURVES):
        chance = random.Random(seed)
        labels = chance.choice((2, 3, 4, 6, 10))
        level = math.log(labels)
        count = chance.choice((1, 2, 3, 6))
        near = 0.02 if labels <= 3 else 0.01
        pairs = [
            (level * chance.uniform(1 - near / 2, 1 + near), level * chance.uniform(1, 1 + near))
            for _ in range(count)
        ]
        right = [1 / labels + chance.uniform(-0.02, 0.008) for _ in range(count)]
        yield epochs(pairs, accuracy=right)


def by_heart() -> Iterator[list[Row]]:
    for seed in range(CURVES):
        chance = random.Random(seed)
        low, count = chance.uniform(0.1, 1.5), chance.choice((4, 6, 9))
        best = chance.choice((0, 1))
        pairs = []
        for n in range(count):
            rise = 1 + 0.5 * max(0, n - best) / (count - 1 - best)
            jump = chance.uniform(0.0, 0.12) if n > best else 0.0
            judged = low * (rise + jump if n >= best else 1.3)
            pairs.append((0.5 * 0.25**n, max(judged, 1.06 * low) if n > best else judged))
        yield epochs(pairs)


def stalled() -> Iterator[list[Row]]:
    for seed in range(CURVES):
        chance = random.Random(seed)
        start, fall = chance.uniform(3.0, 6.0), chance.uniform(0.03, 0.12)
        count = chance.choice((12, 25, 60))
        yield [
            train(10 * n, 4 * n / count,
                  start * (1 - fall * min(1.0, 5 * n / count)) * chance.uniform(0.995, 1.005))
            for n in range(1, count + 1)
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("curves", "slug", "least"),
    [
        (scaled, "loss-scaling", 0.95),
        (at_guess, "not-learning", 0.9),
        (by_heart, "overfitting", 0.95),
        (stalled, "not-learning", 0.9),
    ],
)
def test_most_of_them_are_found(curves: Any, slug: str, least: float) -> None:
    assert share(curves(), slug) >= least


# ---- healthy ones


def fine_tuned(chance: random.Random) -> list[Row]:
    """Text: the loss falls quickly, then slowly, and both losses lie together."""
    start, end = chance.uniform(1.5, 3.5), chance.uniform(0.5, 1.3)
    count = chance.choice((3, 5, 8))
    level = [end + (start - end) * 0.45**n for n in range(1, count + 1)]
    return epochs([(v * chance.uniform(0.97, 1.08), v * chance.uniform(0.99, 1.03)) for v in level])


def classified(chance: random.Random) -> list[Row]:
    count = chance.choice((3, 5, 8))
    end = chance.uniform(0.15, 0.6)
    level = [end + 0.5 * 0.4**n for n in range(count)]
    right = [0.95 - v / 3 for v in level]
    noisy = [(v * chance.uniform(0.8, 1.3), v * chance.uniform(0.99, 1.01)) for v in level]
    return epochs(noisy, accuracy=right)


def without_evaluation(chance: random.Random) -> list[Row]:
    """A single epoch of text, as most people train: down at once, and slowly on."""
    start, end = chance.uniform(1.6, 3.2), chance.uniform(0.9, 1.5)
    return [
        train(
            10 * n, n / 40, (end + (start - end) * 0.8**n - 0.002 * n) * chance.uniform(0.97, 1.03)
        )
        for n in range(1, 41)
    ]


@pytest.mark.parametrize("kind", [fine_tuned, classified, without_evaluation])
def test_healthy_curves_are_not_called_faulty(kind: Any) -> None:
    faults = ("loss-scaling", "not-learning", "overfitting", "loss-spikes", "non-finite")
    wrong = [
        (seed, slug)
        for seed in range(CURVES)
        for slug in look(kind(random.Random(seed)))
        if slug in faults
    ]
    assert not wrong


def test_a_regression_is_not_called_scaled() -> None:
    rows = epochs([(284.9, 15.4), (231.0, 12.5)], mae=(3.0, 2.8))
    assert "loss-scaling" not in look(rows[:2])
