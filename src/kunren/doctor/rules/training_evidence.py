"""What the rules on training ask of a course, or the reason why it is not there; and its places."""

from __future__ import annotations

from kunren.doctor.course import MACRO, Course, Evaluation, Point
from kunren.doctor.evidence import Missing
from kunren.evaluation.told import metric_name, percent
from kunren.messages import language, text
from kunren.textfile import excerpt

MIN_EVALUATIONS = 3
"""Fewer points than this make no curve."""

ACCURACY = ("accuracy", "acc")
"""What an accuracy is logged as."""


def supervised(course: Course) -> None:
    """See that the loss is one of supervised training.

    Raises:
        Missing: the run is reinforcement learning, whose loss means something else.
    """
    if course.reward:
        raise Missing("supervised")


def losses(course: Course, least: int) -> list[Point]:
    """The finite training losses.

    Raises:
        Missing: fewer than ``least``, or reinforcement learning.
    """
    supervised(course)
    found = course.finite_loss
    if not found:
        raise Missing("losses")
    if len(found) < least:
        raise Missing("loss-curve", count=len(found), needed=least)
    return found


def evaluations(course: Course, least: int = MIN_EVALUATIONS) -> list[Evaluation]:
    """The evaluations with a finite loss.

    Raises:
        Missing: fewer than ``least``, or reinforcement learning.
    """
    supervised(course)
    found = course.evaluated
    if not found:
        raise Missing("evaluations")
    if len(found) < least:
        raise Missing("curve", count=len(found), needed=least)
    return found


def metric(course: Course, least: int = 1) -> tuple[str, list[Point]]:
    """The metric to judge by and its values.

    Raises:
        Missing: none was logged, or fewer than ``least`` times, or reinforcement learning.
    """
    supervised(course)
    name = course.metric()
    if name is None:
        raise Missing("logged-metric")
    found = course.of_metric(name)
    if len(found) < max(least, 1):
        raise Missing("curve", count=len(found), needed=max(least, 1))
    return name, found


def place(point: Point | Evaluation) -> str:
    """Where a point is, in the user's language: its epoch, or its step where none is logged."""
    if point.epoch is None:
        return text("rules_training.at-step", step=round(point.step))
    return text("rules_training.at-epoch", epoch=f"{point.epoch:.3g}")


def named(name: str) -> str:
    """What a metric is called to the user: in words where kunren has it too, else as it is logged.

    In Japanese with the space that stands between F1 and a particle.
    """
    known = dict.fromkeys(ACCURACY, "accuracy") | dict.fromkeys(MACRO, "macro_f1")
    if name not in known:
        return text("rules_training.metric-logged", name=excerpt(name))
    return before_particle(metric_name(known[name]))


def before_particle(said: str) -> str:
    """A name as it stands before a Japanese particle, with a space after Latin letters."""
    return f"{said} " if language() == "ja" and said[-1].isascii() else said


def worth(name: str, value: float) -> str:
    """A value of a logged metric: ``90.0 %`` of an accuracy, ``0.081`` of another."""
    if name in ACCURACY:
        return percent(value)
    return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 100 else f"{value:.3g}"


def epoch_of(point: Point | Evaluation) -> int | None:
    """Number of the epoch that ends at, or holds, a point; None where none is logged."""
    return None if point.epoch is None else max(1, round(point.epoch))
