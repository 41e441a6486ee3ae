"""Runs without a fault, of many kinds: what a doctor must not call critical."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from benchmarks.doctor.build import experiment
from benchmarks.doctor.case import Experiment, Healthy
from benchmarks.doctor.foreign import Job, train
from benchmarks.doctor.rows import TOPICS, Row, even, with_emoji
from transformers import Trainer

_EMOJI = {"labels": {"kind": "emoji"}}

_GROUPS = {
    "料理": "くらし/料理",
    "天気": "くらし/天気",
    "運動": "そと/運動",
    "乗り物": "そと/乗り物",
}


_CALM = {"learning_rate": 5e-4, "max_length": 48}


def _clear(count: int) -> list[Row]:
    """Posts of few words that tell their topics without a doubt."""
    return even(count, noise=0.0, short=True)


def _encoder(folder: Path, rows: Sequence[Row], epochs: int = 6, **sections: Any) -> Experiment:
    train = {"epochs": epochs, **_CALM, **sections.pop("train", {})}
    return experiment(folder, rows, "wide", **sections, train=train)


def encoder(folder: Path) -> Experiment:
    return _encoder(folder, _clear(360), train={"early_stopping": None})


def long_with_early_stopping(folder: Path) -> Experiment:
    return _encoder(folder, _clear(320), 20, train={"early_stopping": {"patience": 2}})


def hierarchy(folder: Path) -> Experiment:
    rows = [row | {"label": _GROUPS[row["label"]]} for row in _clear(320)]
    return _encoder(folder, rows, task={"labels": {"hierarchy": "/"}})


def tags(folder: Path) -> Experiment:
    """Sets of emoji: the topic's, and a second one that a word of the post tells."""
    odd = {word for told in TOPICS.values() for word in told[1::2]}
    sets = [
        row | {"label": row["label"] + ("🎉" if any(w in row["text"] for w in odd) else "🌙")}
        for row in with_emoji(_clear(400))
    ]
    return _encoder(folder, sets, 25, task=_EMOJI | {"kind": "tag"})


def weighted(folder: Path) -> Experiment:
    loss = {"class_weights": "balanced", "label_smoothing": 0.1}
    return _encoder(folder, _clear(320), train={"loss": loss})


def folds(folder: Path) -> Experiment:
    return _encoder(folder, _clear(480), 10, evaluate={"cv": 3}, train={"early_stopping": None})


def adapted(folder: Path) -> Experiment:
    settings = {"early_stopping": None, "learning_rate": 2e-3}
    return _encoder(folder, _clear(480), 16, tuning={"kind": "lora"}, train=settings)


def sequence(folder: Path) -> Experiment:
    settings = {"epochs": 12, "early_stopping": None, "learning_rate": 5e-3}
    return experiment(folder, with_emoji(_clear(480)), "t5", task=_EMOJI, train=settings)


# Of the Trainer's.


def _foreign(folder: Path, rows: int, **arguments: Any) -> Path:
    return train(folder, Job(even(rows, 5), even(300, 9), arguments))


def four_evaluations(folder: Path) -> Path:
    return _foreign(folder, 700, num_train_epochs=4)


def twenty_evaluations(folder: Path) -> Path:
    return _foreign(folder, 700, num_train_epochs=20, learning_rate=0.003)


def small_batches(folder: Path) -> Path:
    return _foreign(folder, 500, num_train_epochs=5, per_device_train_batch_size=4,
                    learning_rate=0.01)  # fmt: skip


def best_loaded(folder: Path) -> Path:
    """It overfits in the end, and the best checkpoint is loaded, as it should be."""
    return _foreign(folder, 400, num_train_epochs=8, learning_rate=0.03,
                    load_best_model_at_end=True, metric_for_best_model="accuracy")  # fmt: skip


class Scaled(Trainer):
    """Trains with a loss scale as in fp16: one overflow is skipped, and the scale is lowered."""

    overflow_at = 37

    def training_step(self, model: Any, inputs: Any, *given: Any, **named: Any) -> torch.Tensor:
        """A step; at one of them the scaled gradients are infinite, and the step does nothing."""
        loss: torch.Tensor = super().training_step(model, inputs, *given, **named)
        if self.state.global_step == self.overflow_at:
            for weight in model.parameters():
                if weight.grad is not None:
                    weight.grad.zero_()
            self._overflowed = True
        return loss

    def log(self, logs: dict[str, float], *given: Any, **named: Any) -> None:
        """The norm of the skipped step's gradients was infinite."""
        if "grad_norm" in logs and getattr(self, "_overflowed", False):
            logs["grad_norm"], self._overflowed = math.inf, False
        super().log(logs, *given, **named)


def one_overflow(folder: Path) -> Path:
    job = Job(even(700, 5), even(300, 9), {"num_train_epochs": 5}, trainer=Scaled)
    return train(folder, job)


CASES: tuple[Healthy, ...] = (
    Healthy("encoder", "BERT, one label, 6 epochs", encoder),
    Healthy("early stopping", "BERT, at most 20 epochs", long_with_early_stopping),
    Healthy("hierarchy", "BERT, labels of two levels", hierarchy),
    Healthy("sets", "BERT, sets of emoji", tags),
    Healthy("balanced, smoothed", "BERT, class weights and label smoothing", weighted),
    Healthy("cross-validation", "BERT, 3 folds", folds),
    Healthy("LoRA", "BERT, LoRA", adapted),
    Healthy("encoder-decoder", "T5, emoji", sequence),
    Healthy("Trainer, 4 evaluations", "Trainer, 4 epochs", four_evaluations),
    Healthy("Trainer, 20 evaluations", "Trainer, 20 epochs", twenty_evaluations),
    Healthy("Trainer, small batches", "Trainer, batches of 4, a rough curve", small_batches),
    Healthy("Trainer, best loaded", "Trainer, the best checkpoint is loaded", best_loaded),
    Healthy("Trainer, one overflow", "Trainer, one infinite gradient norm, skipped", one_overflow),
)  # fmt: skip
