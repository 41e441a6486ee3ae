"""What is kept of training: the log, what was best, when to stop, and the checkpoints."""
# ruff: noqa: ARG002 - the Trainer passes all it has to every callback

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from kunren.config.schema import EarlyStopping, TrainConfig, sign
from kunren.errors import KunrenError, Problem
from kunren.messages import text
from kunren.progress import Task
from kunren.training import checkpoint
from kunren.training.checkpoint import Point, Row
from kunren.training.guards import FiniteGuard
from kunren.training.loss import Loss
from kunren.training.watch import Watch

_COLUMNS = ("epoch", "eval_loss", "learning_rate", "loss", "step", "grad_norm", "rows_per_second")

Evaluate = Callable[[PreTrainedModel], Mapping[str, float | None]]
"""Task metrics of the model on the validation rows; None where one could not be computed."""


class Recorder(TrainerCallback):
    """Writes the log, decides what is best and when to stop, and saves."""

    def __init__(
        self,
        trainer: Trainer,
        model: PreTrainedModel,
        loss: Loss,
        guard: FiniteGuard,
        config: TrainConfig,
        folder: Path,
        bar: Task,
        evaluate: Evaluate | None,
        watch: Watch | None = None,
    ) -> None:
        self._trainer = trainer
        self._model = model
        self._loss = loss
        self._guard = guard
        self._config = config
        self._folder = folder
        self._bar = bar
        self._evaluate = evaluate
        self._watch = watch
        self._rows: list[Row] = []
        self._began = self._step_began = time.perf_counter()
        self.point = Point(step=0, rows=(), values=(), seconds=0.0, seen=0)
        self.stopped = False

    def restore(self, point: Point) -> None:
        """Stand where a checkpoint stands."""
        self.point = point
        self._rows = list(point.rows)
        if self._watch is not None:
            self._watch.restore(point.rows, point.step)
        if self._loss.scale is not None and point.scale is not None:
            self._loss.scale.restore(point.scale)
        self.stopped = self._should_stop()
        self._bar.advance(point.step)

    def best(self) -> tuple[float, int, float | None]:
        """(epoch, step, value) of the best evaluation.

        The latest of equals: on few validation rows a share has few values, so ties are common,
        and the later weights have settled further under the falling learning rate.
        """
        return max(self.point.values, key=lambda value: (self._score(value[2]), value[1]))

    def _score(self, value: float | None) -> float:
        """The chosen metric such that higher is better; what could not be computed is worst."""
        if value is None:
            return -math.inf
        return sign(self._config.metric) * value

    def _should_stop(self) -> bool:
        early = self._config.early_stopping
        scores = [self._score(value) for _, _, value in self.point.values]
        return early is not None and _exhausted(scores, early)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the clock of the first step; a later one begins where the one before ended."""
        self._step_began = time.perf_counter()

    def on_log(  # type: ignore[override]
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float],
        **_: Any,
    ) -> None:
        """One row a step."""
        if "loss" not in logs:
            return
        now = time.perf_counter()
        seconds, self._step_began = now - self._step_began, now
        size = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        norm = self._guard.grad_norm
        row: Row = {
            "epoch": state.epoch,
            "learning_rate": logs["learning_rate"],
            "loss": logs["loss"],
            "step": state.global_step,
            "grad_norm": norm if math.isfinite(norm) else None,
            "rows_per_second": size / seconds,
        }
        if scale := self._loss.scale:
            row |= {"loss_scale": scale.factor, "skipped_steps": scale.skipped}
        self._rows.append(row)
        if self._watch is not None:
            self._watch.step(row)
        self._bar.advance()
        self._bar.note(text("train.loss", loss=logs["loss"]))

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """What the loss has seen so far was training."""
        self._loss.start()

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Complete the epoch's row, decide, and save."""
        # The Trainer's own mean weighs batches alike; this one counts every label token once.
        totals = self._trainer.accelerator.reduce(self._loss.totals().to(args.device), "sum")
        metrics: dict[str, float | None] = {
            "loss": float(totals[0] / totals[1]) if totals[1] else None
        }
        if self._evaluate is not None:
            self._model.train(False)
            with torch.no_grad():
                metrics |= self._evaluate(self._model)
        epoch = float(state.epoch or 0)
        self._rows[-1] |= {f"eval_{name}": value for name, value in metrics.items()}
        value = (epoch, state.global_step, self._chosen(metrics))
        self.point = Point(
            step=state.global_step,
            rows=tuple(self._rows),
            values=(*self.point.values, value),
            seconds=self.point.seconds + time.perf_counter() - self._began,
            seen=round(epoch * len(self._trainer.train_dataset)),  # type: ignore[arg-type]
            scale=self._loss.scale.state() if self._loss.scale else None,
        )
        self._began = time.perf_counter()
        optimizer, scheduler = self._trainer.optimizer, self._trainer.lr_scheduler
        if args.should_save and optimizer is not None and scheduler is not None:
            checkpoint.save(
                self._folder, self._model, optimizer, scheduler, state, self.point, self.best()[1]
            )
        self.stopped = self._should_stop()
        control.should_training_stop = control.should_training_stop or self.stopped

    def _chosen(self, metrics: Mapping[str, float | None]) -> float | None:
        """Value of the metric that decides; None where it could not be computed."""
        metric = self._config.metric
        if metric is None or metric not in metrics:
            raise metric_missing(metric, metrics)
        value = metrics[metric]
        return value if value is not None and math.isfinite(value) else None


def metric_missing(metric: str | None, known: Iterable[str]) -> KunrenError:
    """The metric that decides is not measured."""
    said: dict[str, object] = {"metric": metric, "names": ", ".join(sorted(known))}
    return KunrenError(Problem("train.metric-missing", fields=said))


def _exhausted(scores: Sequence[float], early: EarlyStopping) -> bool:
    """Whether the last ``patience`` evaluations brought no improvement over ``min_delta``.

    Never, where the patience was left open.
    """
    best, since = None, 0
    for score in scores:
        if best is None or score > best + early.min_delta:
            best, since = score, 0
        else:
            since += 1
    return early.patience is not None and since >= early.patience


def rectangular(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The same columns in every row, in their order."""
    extra = sorted({name for row in rows for name in row} - set(_COLUMNS))
    return tuple({name: row.get(name) for name in (*_COLUMNS, *extra)} for row in rows)
