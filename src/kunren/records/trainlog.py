"""``train_log.csv``: what was measured during training, one row a step or evaluation."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from kunren.config.schema import sign
from kunren.records import files

NAME = "train_log.csv"
COLUMNS = ("epoch", "eval_loss", "learning_rate", "loss", "step")
"""The columns that come first; ours follow."""

LogRow = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch of training, up to its evaluation.

    Attributes:
        number: of the epoch, from 1.
        loss: mean training loss of its steps; None where none was logged.
        learning_rate: at its last step.
        evaluation: ``eval_…`` columns of the evaluation at its end; empty where there was none.
    """

    number: int
    loss: float | None
    learning_rate: float | None
    evaluation: Mapping[str, float]


def write_log(path: Path, history: Iterable[LogRow]) -> None:
    """Write the history: ``COLUMNS`` first, then the others by name; None is an empty cell."""
    rows = list(history)
    others = sorted({name for row in rows for name in row} - set(COLUMNS))
    files.write_csv(path, rows, [*COLUMNS, *others])


def read_log(path: Path) -> list[dict[str, float | None]]:
    """Read it back; an empty cell is None, ``nan`` and ``inf`` are themselves.

    Raises:
        ValueError: a cell is no number, or no place in the training.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            {name: float(value) if value else None for name, value in row.items()}
            for row in csv.DictReader(file)
        ]
    for row in rows:
        for name in ("epoch", "step"):
            if not math.isfinite(row.get(name) or 0.0):
                raise ValueError(f"{name}: {row[name]}")
    return rows


def by_epoch(history: Sequence[LogRow]) -> list[Epoch]:
    """Gather the steps of each epoch with the evaluation at its end."""
    placed = [row for row in history if row.get("epoch") is not None]
    return [_epoch(number, list(rows)) for number, rows in groupby(placed, _number)]


def _number(row: LogRow) -> int:
    return max(1, math.ceil((row["epoch"] or 0.0) - 1e-6))


def _epoch(number: int, rows: Sequence[LogRow]) -> Epoch:
    losses = [loss for row in rows if (loss := row.get("loss")) is not None]
    rates = [rate for row in rows if (rate := row.get("learning_rate")) is not None]
    evaluation = {
        name: value
        for row in rows
        for name, value in row.items()
        if name.startswith("eval_") and value is not None
    }
    return Epoch(
        number=number,
        loss=sum(losses) / len(losses) if losses else None,
        learning_rate=rates[-1] if rates else None,
        evaluation=evaluation,
    )


def best_epoch(epochs: Sequence[Epoch], metric: str) -> int | None:
    """Number of the epoch with the best evaluation; the latest of equals.

    Args:
        epochs: from ``by_epoch``.
        metric: ``config.train.metric``.
    """
    values = {
        epoch.number: sign(metric) * value
        for epoch in epochs
        if (value := epoch.evaluation.get(f"eval_{metric}")) is not None and math.isfinite(value)
    }
    return max(values, key=lambda number: (values[number], number)) if values else None
