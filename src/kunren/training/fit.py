"""Training: the only module that knows ``transformers.Trainer``.

The Trainer is used as it is. Batches come in by a collator, the loss by ``compute_loss_func``, the
update by an optimiser, everything else by callbacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import Dataset
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainingArguments

from kunren.config.schema import TrainConfig, TuningConfig
from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.models.quiet import quiet
from kunren.progress import Progress
from kunren.training import checkpoint
from kunren.training.checkpoint import Point, Row
from kunren.training.guards import FiniteGuard
from kunren.training.kernels import fast_cpu
from kunren.training.objective import Request, objective
from kunren.training.optimizer import MasterAdamW
from kunren.training.rates import learning_rate
from kunren.training.recorder import Evaluate, Recorder, metric_missing, rectangular
from kunren.training.scaling import LossScale, autocast_fp16
from kunren.training.steps import per_epoch
from kunren.training.watch import Watch
from kunren.types import AnyExample


@dataclass(frozen=True)
class Fitted:
    """How training went.

    Attributes:
        best_epoch: epoch of the evaluation whose weights the model now has.
        best_step: its step.
        best_value: its value of the chosen metric; None where it could not be computed.
        steps: optimiser steps done.
        history: rows of ``train_log.csv``: columns epoch, eval_loss, learning_rate, loss, step,
            grad_norm (before clipping), rows_per_second, eval_<metric>, and in fp16 training
            loss_scale and skipped_steps (in all) after the step; None where there is none.
        seconds: training time with evaluations, over all resumptions.
        rows_per_second: rows trained a second of that time.
        stopped_early: whether early stopping ended it.
    """

    best_epoch: float
    best_step: int
    best_value: float | None
    steps: int
    history: tuple[Row, ...]
    seconds: float
    rows_per_second: float
    stopped_early: bool


def fit(
    model: PreTrainedModel,
    family: str,
    pad_token_id: int,
    train: Sequence[AnyExample],
    validation: Sequence[AnyExample],
    config: TrainConfig,
    tuning: TuningConfig,
    folder: Path,
    *,
    resume: bool,
    progress: Progress,
    evaluate: Evaluate | None = None,
    class_weights: Sequence[float] | None = None,
    levels: Sequence[Sequence[int]] | None = None,
    watch: Watch | None = None,
) -> Fitted:
    """Train ``model`` and leave it with the weights of its best evaluation.

    Args:
        model: with ``requires_grad`` set on the weights that move; bf16 or float32, float32 for
            ``precision: fp16``.
        family: its key in ``models.FAMILIES``; decides how rows become batches, and the loss.
        pad_token_id: fills batches up; never attended to, never counted.
        train: training rows, as the family encodes them.
        validation: rows for the loss after each epoch, which is always the plain one.
        config: how to train; its metric is resolved.
        tuning: decides the learning rate where ``config`` does not.
        folder: for checkpoints; nothing else may live there.
        resume: go on from the newest whole checkpoint, if there is one.
        progress: shown one bar, in steps.
        evaluate: task metrics of the model, called after each epoch; needed where
            ``config.metric`` is not the loss.
        class_weights: encoder: how much each of the head's labels counts.
        levels: encoder: for each upper level of a hierarchy the ancestor's number of each of the
            head's labels; used where ``config.loss.level_weight`` is not 0.
        watch: told of each step.

    Raises:
        InputError: all weights are 0, or fp16 is asked for in several processes.
        KunrenError: ``config.metric`` is not among what is measured.
        TrainingStopped: the loss or a gradient is not finite; in fp16, gradients keep overflowing.
    """
    if evaluate is None and config.metric != "loss":
        raise metric_missing(config.metric, ["loss"])
    args = _arguments(config, family, tuning, folder)
    device, fp16 = args.device, config.precision == "fp16"
    if fp16 and args.world_size > 1:
        raise InputError(Problem("train.fp16-several-processes"))
    fast = device.type == "cpu" and not fp16
    shared = config.prefix_sharing
    asked = Request(
        model, pad_token_id, train, config.loss, class_weights, levels or (), shared, fast
    )
    made = objective(family, asked)
    made.loss.scale = LossScale() if fp16 else None
    found = _newest(folder, resume, progress)
    optimizer = MasterAdamW(
        [(name, p) for name, p in model.named_parameters() if p.requires_grad],
        lr=args.learning_rate,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        take_gradients=args.world_size == 1,
    )
    guard = FiniteGuard(model, train, made.loss, optimizer)
    trainer = Trainer(
        model,
        args,
        data_collator=made.collator,
        train_dataset=_Numbered(made.train),
        eval_dataset=_Numbered(validation),
        compute_loss_func=made.loss,
        optimizers=(optimizer, None),
        callbacks=[guard],
    )
    trainer.remove_callback(PrinterCallback)
    steps = config.epochs * per_epoch(len(trainer.get_train_dataloader()), config)
    with progress.stage(text("train.stage"), steps) as bar:
        record = Recorder(trainer, model, made.loss, guard, config, folder, bar, evaluate, watch)
        if found:
            progress.say(text("train.resumed", step=found[1].step))
            record.restore(found[1])
        trainer.add_callback(record)
        try:
            if not (record.stopped or record.point.step >= steps):
                with _forwards(model, device, fast, fp16), quiet():
                    trainer.train(resume_from_checkpoint=str(found[0]) if found else None)
        finally:
            guard.detach()
            optimizer.detach()
    checkpoint.load_best(folder, model, record.best()[1])
    if record.stopped and config.early_stopping:
        progress.say(
            text(
                "train.stopped-early",
                metric=config.metric,
                patience=config.early_stopping.patience,
                epoch=record.point.values[-1][0],
            )
        )
    return _fitted(record)


def _newest(folder: Path, resume: bool, progress: Progress) -> tuple[Path, Point] | None:
    """The checkpoint to go on from; without ``resume`` those that are there are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    if not resume:
        checkpoint.discard_all(folder)
        return None
    for name in checkpoint.discard_unfinished(folder):
        progress.say(text("train.unfinished-checkpoint", name=name))
    whole, damaged = checkpoint.newest(folder)
    for one in damaged:
        progress.say(text("train.damaged-checkpoint", name=one.checkpoint, file=one.file))
    if damaged and whole is None:
        progress.say(text("train.no-whole-checkpoint"))
    return whole


@contextmanager
def _forwards(
    model: PreTrainedModel, device: torch.device, fast: bool, fp16: bool
) -> Iterator[None]:
    """The forward passes of training: with fast kernels, in float16, or as they are."""
    with ExitStack() as stack:
        if fast:
            stack.enter_context(fast_cpu(model, device))
        if fp16:
            stack.enter_context(autocast_fp16(model, device))
        yield


def _fitted(record: Recorder) -> Fitted:
    point, best = record.point, record.best()
    return Fitted(
        best_epoch=best[0],
        best_step=best[1],
        best_value=best[2],
        steps=point.step,
        history=rectangular(point.rows),
        seconds=point.seconds,
        rows_per_second=point.seen / point.seconds,
        stopped_early=record.stopped,
    )


def _arguments(
    config: TrainConfig, family: str, tuning: TuningConfig, folder: Path
) -> TrainingArguments:
    schedule = config.schedule
    args = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate or learning_rate(family, tuning.kind),
        lr_scheduler_type="constant_with_warmup" if schedule == "constant" else schedule,
        warmup_steps=config.warmup,  # below 1 the Trainer takes it as a share, too
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


class _Numbered(Dataset[tuple[int, AnyExample]]):
    """Examples together with their numbers."""

    def __init__(self, examples: Sequence[AnyExample]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, number: int) -> tuple[int, AnyExample]:
        return number, self._examples[number]
