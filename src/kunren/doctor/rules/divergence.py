"""Whether a run ended worse than it had been: what it had learnt is lost again."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kunren.doctor.course import Course, Evaluation
from kunren.doctor.curve import jitter, noise
from kunren.doctor.rules.training_evidence import MIN_EVALUATIONS

UNLEARNT = 0.2
"""Share of the loss by which it must have come down to have learnt something worth losing."""

LEAST_RISE = 0.05
"""Rise of the evaluation loss, in nats, below which nothing is lost."""

MOSTLY = 0.8
"""Share of the steps above the beginning; where nothing changes it is a half or less."""

BACK = 0.8
"""Share of what was learnt that is lost again when a run has diverged."""


def diverged_by(course: Course, values: NDArray[np.float64], diverged: float) -> bool | None:
    """Whether a loss that had come down for good is up again at the end.

    Means of tenths of the curve are compared, so that neither single rows nor the lowest of many
    noisy points count: the end must be above the lowest by five standard errors. It then is at
    ``diverged`` times the lowest, or has lost most of what was learnt.

    Returns:
        None: it has not. False: only the training loss says so, and it is no higher than twice its
        lowest: the order of the rows could do that.
    """
    size = max(3, len(values) // 10)
    parts = [
        float(values[n : n + size].mean()) for n in range(len(values) % size, len(values), size)
    ]
    spread = noise(values)
    if len(parts) < 3 or spread is None or _holds(course):
        return None
    if _blown_up(course, values, diverged):
        return True
    first, lowest, last = parts[0], min(parts[:-1]), parts[-1]
    error = 5 * spread * math.sqrt(2 / size)
    apart = last >= diverged * lowest and last - lowest > max(0.3, error)
    if apart and last >= 0.9 * first:
        return True
    least = max(UNLEARNT * first, error)
    lost = min(parts[-2:]) - lowest
    if len(parts) < 5 or first - lowest <= least or lost <= max(least, BACK * (first - lowest)):
        return None
    return _unlearnt_held([one.loss for one in course.evaluated])


def _blown_up(course: Course, values: NDArray[np.float64], diverged: float) -> bool:
    """Whether nearly the whole run is above where it began, however wildly the batches scatter.

    Single heavy rows raise the mean that the run begins with, and so hide nothing but themselves.
    """
    size = max(3, len(values) // 20)
    start, later = float(values[:size].mean()), values[size:]
    held = course.evaluated
    return (
        float(np.median(later)) >= max(diverged * start, start + 0.3)
        and float((later > start).mean()) >= MOSTLY
        and (not held or held[-1].loss > start)
    )


def _holds(course: Course) -> bool:
    """Whether the last evaluation, at the end of the run, is about the best one."""
    found = course.evaluated
    at_end = bool(found) and bool(course.loss) and found[-1].step >= 0.95 * course.loss[-1].step
    return at_end and len(found) > 1 and found[-1].loss <= 1.1 * min(one.loss for one in found)


def _unlearnt_held(values: Sequence[float]) -> bool:
    """Whether the evaluation loss ends where it began, too, and was lower between."""
    if len(values) < 3:
        return False
    fallen = values[0] - min(values)
    return fallen > UNLEARNT * values[0] and values[-1] - min(values) > BACK * fallen


def worse(course: Course) -> tuple[Evaluation, float, tuple[float, float]] | None:
    """The best evaluation, if both losses rose after it and stayed up: no overfitting, but harm.

    Returns:
        The evaluation, the evaluation loss after it, and the training loss before and after it.
    """
    found = course.evaluated
    if len(found) < MIN_EVALUATIONS:
        return None
    best = min(found, key=lambda one: one.loss)
    after = [one.loss for one in found if one.step > best.step]
    if len(after) < 2 or min(after) - best.loss <= max(
        UNLEARNT * best.loss, 2 * (noise([one.loss for one in found]) or 0.0),
        jitter(best.loss, course.judged_size), LEAST_RISE,
    ):  # fmt: skip
        return None
    then = course.loss_between(0.5 * best.step, best.step)
    now = course.loss_between(best.step, found[-1].step)
    if then is None or now is None or now <= (1 + UNLEARNT) * then:
        return None
    return best, float(np.mean(after)), (then, now)
