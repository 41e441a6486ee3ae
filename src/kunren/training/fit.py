"""Training: the only module that knows ``transformers.Trainer``.

The Trainer is used as it is. Batches come in by a collator, the loss by ``compute_loss_func``, the
update by an optimiser, everything else by callbacks.
"""
# ruff: noqa: ARG002 - the Trainer passes all it has to every callback

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from kunren.config.schema import EarlyStopping, TrainConfig, TuningConfig
from kunren.messages import text
from kunren.models.quiet import quiet
from kunren.progress import Progress, Task
from kunren.training import checkpoint
from kunren.training.checkpoint import Point, Row
from kunren.training.collate import Collator
from kunren.training.guards import FiniteGuard
from kunren.training.kernels import fast_cpu
from kunren.training.loss import LabelLoss
from kunren.training.optimizer import MasterAdamW
from kunren.types import Example

LEARNING_RATES = {"full": 3e-5, "lora": 5e-4}
"""Peak learning rate by kind of tuning, where the config names none."""

_COLUMNS = ("epoch", "eval_loss", "learning_rate", "loss", "step", "grad_norm", "rows_per_second")

Evaluate = Callable[[PreTrainedModel], dict[str, float]]


@dataclass(frozen=True)
class Fitted:
    """How training went.

    Attributes:
        best_epoch: epoch of the evaluation whose weights the model now has.
        best_step: its step.
        best_value: its value of the chosen metric.
        steps: optimiser steps done.
        history: rows of ``train_log.csv``: columns epoch, eval_loss, learning_rate, loss, step,
            grad_norm (before clipping), rows_per_second, eval_<metric>; None where there is none.
        seconds: training time with evaluations, over all resumptions.
        rows_per_second: rows trained a second of that time.
        stopped_early: whether early stopping ended it.
    """

    best_epoch: float
    best_step: int
    best_value: float
    steps: int
    history: tuple[Row, ...]
    seconds: float
    rows_per_second: float
    stopped_early: bool


def fit(
    model: PreTrainedModel,
    pad_token_id: int,
    train: Sequence[Example],
    validation: Sequence[Example],
    config: TrainConfig,
    tuning: TuningConfig,
    folder: Path,
    *,
    resume: bool,
    progress: Progress,
    evaluate: Evaluate | None = None,
) -> Fitted:
    """Train ``model`` and leave it with the weights of its best evaluation.

    Args:
        model: with ``requires_grad`` set on the weights that move; bf16 or float32.
        pad_token_id: fills packed sequences up where that is faster; never attended to.
        train: training rows.
        validation: rows for the loss after each epoch.
        config: how to train.
        tuning: decides the learning rate where ``config`` does not.
        folder: for checkpoints; nothing else may live there.
        resume: go on from the newest whole checkpoint, if there is one.
        progress: shown one bar, in steps.
        evaluate: task metrics of the model, called after each epoch; needed where
            ``config.metric`` is not the loss.

    Raises:
        TrainingStopped: the loss or a gradient is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = None
    if resume:
        for name in checkpoint.discard_unfinished(folder):
            progress.say(text("train.unfinished-checkpoint", name=name))
        found = checkpoint.newest(folder)
    else:
        checkpoint.discard_all(folder)
    args = _arguments(config, tuning, folder)
    loss = LabelLoss()
    optimizer = MasterAdamW(
        [(name, p) for name, p in model.named_parameters() if p.requires_grad],
        lr=args.learning_rate,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        take_gradients=args.world_size == 1,
    )
    guard = FiniteGuard(model, train, loss, optimizer)
    on_cpu = args.device.type == "cpu"
    trainer = Trainer(
        model,
        args,
        data_collator=Collator(
            model.config,
            share_prefix=config.prefix_sharing,
            fill_with=pad_token_id,
            multiple_of=16 if on_cpu else 1,
            with_blocks=on_cpu,
        ),
        train_dataset=_Numbered(train),
        eval_dataset=_Numbered(validation),
        compute_loss_func=loss,
        optimizers=(optimizer, None),
        callbacks=[guard],
    )
    trainer.remove_callback(PrinterCallback)
    steps = len(trainer.get_train_dataloader())
    steps = config.epochs * -(-steps // config.gradient_accumulation)
    with progress.stage(text("train.stage"), steps) as bar:
        record = _Recorder(trainer, model, loss, guard, config, folder, bar, evaluate)
        if found:
            progress.say(text("train.resumed", step=found[1].step))
            record.restore(found[1])
        trainer.add_callback(record)
        try:
            if not (record.stopped or record.point.step >= steps):
                with fast_cpu(model, args.device), quiet():
                    trainer.train(resume_from_checkpoint=str(found[0]) if found else None)
        finally:
            guard.detach()
            optimizer.detach()
    best = record.best()
    checkpoint.load_best(folder, model, best[1])
    if record.stopped and config.early_stopping:
        progress.say(
            text(
                "train.stopped-early",
                metric=config.metric,
                patience=config.early_stopping.patience,
                epoch=record.point.values[-1][0],
            )
        )
    point = record.point
    return Fitted(
        best_epoch=best[0],
        best_step=best[1],
        best_value=best[2],
        steps=point.step,
        history=_rectangular(point.rows),
        seconds=point.seconds,
        rows_per_second=point.seen / point.seconds,
        stopped_early=record.stopped,
    )


def _arguments(config: TrainConfig, tuning: TuningConfig, folder: Path) -> TrainingArguments:
    schedule = config.schedule
    args = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate or LEARNING_RATES[tuning.kind],
        lr_scheduler_type="constant_with_warmup" if schedule == "constant" else schedule,
        warmup_steps=config.warmup,
        max_grad_norm=config.max_grad_norm,
        seed=config.seed,
        data_seed=config.seed,
        eval_strategy="epoch",
        save_strategy="no",  # ours are atomic: see checkpoint.py
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    if args.n_gpu > 1:
        # Several GPUs of one process would be torch.nn.DataParallel, which cuts a batch along its
        # first dimension; a packed one has but one. Several GPUs: one process each (accelerate).
        args._n_gpu = 1
    if args.world_size == 1:
        args.max_grad_norm = 0.0  # the optimiser clips
    return args


class _Numbered(Dataset[tuple[int, Example]]):
    """Examples together with their numbers."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, number: int) -> tuple[int, Example]:
        return number, self._examples[number]


class _Recorder(TrainerCallback):
    """Writes the log, decides what is best and when to stop, and saves."""

    def __init__(
        self,
        trainer: Trainer,
        model: PreTrainedModel,
        loss: LabelLoss,
        guard: FiniteGuard,
        config: TrainConfig,
        folder: Path,
        bar: Task,
        evaluate: Evaluate | None,
    ) -> None:
        self._trainer = trainer
        self._model = model
        self._loss = loss
        self._guard = guard
        self._config = config
        self._folder = folder
        self._bar = bar
        self._evaluate = evaluate
        self._rows: list[Row] = []
        self._began = self._step_began = time.perf_counter()
        self.point = Point(step=0, rows=(), values=(), seconds=0.0, seen=0)
        self.stopped = False

    def restore(self, point: Point) -> None:
        """Stand where a checkpoint stands."""
        self.point = point
        self._rows = list(point.rows)
        self.stopped = self._should_stop()
        self._bar.advance(point.step)

    def best(self) -> tuple[float, int, float]:
        """(epoch, step, value) of the best evaluation.

        The latest of equals: on few validation rows a share has few values, so ties are common,
        and the later weights have settled further under the falling learning rate.
        """
        sign = 1 if self._config.metric == "loss" else -1
        return min(self.point.values, key=lambda value: (sign * value[2], -value[1]))

    def _should_stop(self) -> bool:
        early = self._config.early_stopping
        values = [value for _, _, value in self.point.values]
        return early is not None and _exhausted(values, early, self._config.metric == "loss")

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
        self._rows.append(
            {
                "epoch": state.epoch,
                "learning_rate": logs["learning_rate"],
                "loss": logs["loss"],
                "step": state.global_step,
                "grad_norm": self._guard.grad_norm,
                "rows_per_second": size / seconds,
            }
        )
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
        metrics = {"loss": float(totals[0] / totals[1])}
        if self._evaluate is not None:
            self._model.train(False)
            with torch.no_grad():
                metrics |= self._evaluate(self._model)
        epoch = float(state.epoch or 0)
        self._rows[-1] |= {f"eval_{name}": value for name, value in metrics.items()}
        value = (epoch, state.global_step, metrics[self._config.metric])
        self.point = Point(
            step=state.global_step,
            rows=tuple(self._rows),
            values=(*self.point.values, value),
            seconds=self.point.seconds + time.perf_counter() - self._began,
            seen=round(epoch * len(self._trainer.train_dataset)),  # type: ignore[arg-type]
        )
        self._began = time.perf_counter()
        optimizer, scheduler = self._trainer.optimizer, self._trainer.lr_scheduler
        if args.should_save and optimizer is not None and scheduler is not None:
            checkpoint.save(
                self._folder, self._model, optimizer, scheduler, state, self.point, self.best()[1]
            )
        self.stopped = self._should_stop()
        control.should_training_stop = control.should_training_stop or self.stopped


def _exhausted(values: Sequence[float], early: EarlyStopping, lower_is_better: bool) -> bool:
    """Whether the last ``patience`` evaluations brought no improvement over ``min_delta``."""
    best, since = None, 0
    for value in values:
        score = -value if lower_is_better else value
        if best is None or score > best + early.min_delta:
            best, since = score, 0
        else:
            since += 1
    return since >= early.patience


def _rectangular(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The same columns in every row, in their order."""
    extra = sorted({name for row in rows for name in row} - set(_COLUMNS))
    return tuple({name: row.get(name) for name in (*_COLUMNS, *extra)} for row in rows)
