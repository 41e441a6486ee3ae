"""What to change of the learning rate and the warm-up of a run, and how to say it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kunren.config.checks import SCRATCH
from kunren.doctor.course import Course
from kunren.messages import text
from kunren.training.rates import learning_rate

Patch = Mapping[str, Any] | None

WARM = 0.5
"""A warm-up over this share of the steps or more is why little was learnt."""

TENFOLD = 10.0

HIGH = math.sqrt(TENFOLD)
"""Times the usual rate from which on a rate is nearer to ten times it, where models break."""

WARMUP = 0.1


def warmup_for(steps: float, share: float = WARM) -> float:
    """A tenth of the steps; of so few that the one step it takes is too large a share, none."""
    return WARMUP if steps and math.ceil(WARMUP * steps) < share * steps else 0.0


def usual_rate(course: Course) -> float | None:
    """What kunren itself would take as the learning rate of such a run; None if that is unknown."""
    known = course.settings
    family, kind = known.get("model.family"), known.get("tuning.kind")
    if family is None or kind is None:
        return None
    return learning_rate(family, kind, not str(known.get("model.id", "")).startswith(SCRATCH))


def faster(course: Course) -> tuple[Patch, str]:
    """The patch for a run that learnt nothing, and its sentence.

    Where the warm-up hardly ended that is the cause. Else the rate is raised tenfold and at least
    to the usual one; where it is far above that already, it is what kept the model from learning.
    """
    rate = course.settings.get("train.learning_rate")
    if not course.ours or not rate:
        return None, text("rules_training.faster-tenfold")
    usual = usual_rate(course)
    change: dict[str, Any] = {}
    said = ""
    if (reached := _reached(course, rate)) is not None:
        warmup = warmup_for(course.last_step)
        change["train.warmup"] = warmup
        said = text("rules_training.faster-warmup", reached=f"{reached:.2g}", warmup=f"{warmup:g}")
        better = max(rate, usual or rate)
    elif usual is not None and rate > HIGH * usual:
        better = usual
    else:
        better = max(two_digits(TENFOLD * rate), usual or 0.0)
    if better != rate:
        change["train.learning_rate"] = better
        way = "up" if better > rate else "down"
        said += text(f"rules_training.faster-{way}", rate=f"{rate:g}", better=f"{better:g}")
    return {"set": change}, said


def slower(course: Course, part: float) -> float | None:
    """The learning rate for a run whose numbers broke; None where it is not ours to change.

    The rate divided by ``part``, or the usual one where that is lower: a rate a thousand times too
    high would break it again after a tenth is taken.
    """
    rate = course.settings.get("train.learning_rate")
    if not course.ours or not rate:
        return None
    return min(two_digits(rate / part), usual_rate(course) or math.inf)


def two_digits(rate: float) -> float:
    """A learning rate as one would write it: 1e-05, not 9.999999999999999e-06."""
    return float(f"{rate:.2g}")


def _reached(course: Course, rate: float) -> float | None:
    """The highest learning rate of a run that was warmed up for most of it; None if it was not."""
    warmup = course.settings.get("train.warmup") or 0.0
    steps = course.last_step
    taken = warmup if warmup >= 1 else warmup * steps
    return rate * min(1.0, steps / taken) if steps and taken >= WARM * steps else None
