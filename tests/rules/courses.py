"""Courses of training, of the shapes that real logs have."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kunren.doctor.course import Course, of_log
from kunren.records.folder import State

FINISHED = State("finished", "report", "", "", 1)
NAN = math.nan
INF = math.inf


def course(
    train: Sequence[float] = (),
    held: Sequence[float] = (),
    *,
    epochs: float | None = None,
    metrics: Mapping[str, Sequence[float]] | None = None,
    gradient: Sequence[float] = (),
    rate: Sequence[float] = (),
    held_rows: int | None = None,
    reward: bool = False,
    **more: Any,
) -> Course:
    """A course.

    Args:
        train: training losses, evenly over the run.
        held: evaluation losses, evenly over the run, the last at its end.
        epochs: in all; None: one an evaluation, and one if there is none.
        metrics: metric → its value at each evaluation.
        gradient: norms, beside the training losses.
        rate: learning rates, beside the training losses.
        held_rows: rows of an evaluation.
        reward: whether rewards are logged.
        **more: other fields of ``Course``.
    """
    epochs = float(len(held) or 1) if epochs is None else epochs
    total = 100 * max(len(train), len(held), len(gradient), len(rate), 1)
    logged: dict[float, dict[str, float]] = {}
    columns: dict[str, Sequence[float]] = {
        "loss": train, "grad_norm": gradient, "learning_rate": rate, "eval_loss": held,
        **{f"eval_{name}": values for name, values in (metrics or {}).items()},
        "reward": [0.5] * len(train) if reward else (),
    }  # fmt: skip
    for name, values in columns.items():
        for n, value in enumerate(values, start=1):
            step = total * n / len(values)
            row = logged.setdefault(step, {"step": step, "epoch": epochs * step / total})
            row[name] = value
            if held_rows and name == "eval_loss":
                row |= {"eval_runtime": 1.0, "eval_samples_per_second": float(held_rows)}
    made = of_log([logged[step] for step in sorted(logged)])
    return replace(made, last_step=total, last_epoch=epochs, **more)


def ours(made: Course, **settings: Any) -> Course:
    """The same, run by kunren with these settings (``epochs=4`` is ``train.epochs``)."""
    return replace(made, ours=True, settings={f"train.{k}": v for k, v in settings.items()})


def encoder(made: Course, model: str = "m") -> Course:
    """The same, of an encoder that is tuned whole: its usual learning rate is 1e-4."""
    known = {"model.family": "encoder", "model.id": model, "tuning.kind": "full"}
    return replace(made, settings={**made.settings, **known})


def falling(start: float, end: float, count: int = 40, noise: float = 0.0) -> list[float]:
    """Losses that fall fast at first, with the scatter of batches."""
    chance = random.Random(count)
    return [
        end + (start - end) * math.exp(-4 * n / max(count - 1, 1)) + chance.gauss(0, noise)
        for n in range(count)
    ]


def level(value: float, count: int = 40, noise: float = 0.0) -> list[float]:
    """Losses that do not move, with the scatter of batches."""
    chance = random.Random(count + 1)
    return [value + chance.gauss(0, noise) for _ in range(count)]


HEALTHY = course(
    falling(2.4, 1.1, 60, 0.06), (1.52, 1.34, 1.27, 1.25, 1.24, 1.245), epochs=2, held_rows=400
)
"""A language model after two epochs, with noisy batches and an end that rises by a hair."""
