"""Several trainings of one experiment: folds of cross-validation, and seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kunren.evaluation.metric import Metric
from kunren.evaluation.systems import System, Test
from kunren.types import Prediction


@dataclass(frozen=True, slots=True)
class Round:
    """One training, and what its model said to its own test items.

    Attributes:
        fold: number of the fold whose rows it was tested on, from 1; None: there are no folds.
        seed: of the training.
        said: the tuned model's predictions.
    """

    fold: int | None
    seed: int
    said: Sequence[Prediction]


def repetitions(rounds: Sequence[Round]) -> list[list[Prediction]]:
    """The predictions of each seed for all test items, its folds put together."""
    by_seed: dict[int, list[Prediction]] = {}
    for each in rounds:
        by_seed.setdefault(each.seed, []).extend(each.said)
    return list(by_seed.values())


def described(rounds: Sequence[Round], metrics: Mapping[str, Metric], test: Test) -> dict[str, Any]:
    """What ``eval_metrics.json`` says of several rounds; nothing of a single one.

    Returns:
        ``rounds``: of each its fold, seed, number of test rows and values (None: undefined);
        ``spread``: of each metric mean, sample standard deviation, least and greatest value over
        the rounds that have one. Folds have different rows and seeds the same, so the spread over
        folds holds that of the rows too.
    """
    if len(rounds) < 2:
        return {}
    told = [_of_round(each, metrics, test) for each in rounds]
    spread = {}
    for name in metrics:
        values = [value for each in told if (value := each["values"][name]) is not None]
        if len(values) > 1:
            spread[name] = {
                "mean": statistics.fmean(values),
                "sd": statistics.stdev(values),
                "min": min(values),
                "max": max(values),
                "rounds": len(values),
            }
    return {"rounds": told, "spread": spread}


def _of_round(each: Round, metrics: Mapping[str, Metric], test: Test) -> dict[str, Any]:
    system = System("", each.said, test)
    asked = {prediction.item_id for prediction in each.said}
    rows = {item.row_id for item in test.items if item.id in asked}
    return {
        "fold": each.fold,
        "seed": each.seed,
        "rows": len(rows),
        "values": {name: _value(system, metric, test) for name, metric in metrics.items()},
    }


def _value(system: System, metric: Metric, test: Test) -> float | None:
    if metric.lacks or not system.table(metric).places.size:
        return None
    value = float(metric.value(system.table(metric).found.sum(axis=0), test.space))
    return None if np.isnan(value) else value
