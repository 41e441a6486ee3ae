"""Faults that show in the course of training: of kunren's own runs and of the Trainer's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from benchmarks.doctor.build import experiment
from benchmarks.doctor.case import Experiment, Fault
from benchmarks.doctor.foreign import Job, shuffled, train
from benchmarks.doctor.rows import Row, even, posts
from torch import nn
from transformers import Trainer


def _sides(count: int, held: int = 150, seed: int = 3) -> tuple[list[Row], list[Row]]:
    rows = even(count + held, seed)
    return rows[:count], rows[count:]


def nan(folder: Path) -> Experiment:
    """Weights that are NaN in a model file, as a broken download or an earlier training leaves."""
    from benchmarks.doctor.models import copy
    from safetensors.torch import load_file, save_file

    broken = copy("bert")
    path = broken / "model.safetensors"
    weights = load_file(path)
    weights[next(name for name in weights if name.endswith("output.dense.weight"))][0, 0] = (
        torch.nan
    )
    save_file(weights, path, metadata={"format": "pt"})
    return experiment(folder, even(300), broken, family="encoder")


def fp16_overflow(folder: Path) -> Experiment:
    """As seed 003: fp16 with a rate that it cannot take."""
    train_ = {"precision": "fp16", "learning_rate": 100.0}
    return experiment(folder, even(300), "gemma", train=train_)


def random_labels(folder: Path) -> Experiment:
    rows = shuffled(posts({"料理": 120, "天気": 120, "運動": 121, "乗り物": 119}, noise=0.0))
    return experiment(folder, rows, train={"learning_rate": 1e-3})


def unfinished(folder: Path) -> Experiment:
    train_ = {"epochs": 3, "learning_rate": 2e-4, "metric": "loss", "schedule": "constant"}
    return experiment(folder, even(320, short=True), "wide", train=train_)


# Of the Trainer's.


def overfitted_short(folder: Path) -> Path:
    """Four evaluations, as seed 000's second training."""
    few, held = _sides(240)
    arguments = {
        "num_train_epochs": 4, "learning_rate": 0.1, "per_device_train_batch_size": 4,
    }  # fmt: skip
    return train(folder, Job(shuffled(few, share=0.7), held, arguments))


def unwatched(folder: Path) -> Path:
    some, _ = _sides(480)
    return train(folder, Job(some, None, {"num_train_epochs": 2}))


def by_heart(folder: Path) -> Path:
    """As seed 005: few rows, very many epochs, no evaluation."""
    some, _ = _sides(60)
    return train(folder, Job(some, None, {"num_train_epochs": 60, "learning_rate": 0.05}))


def hardly_watched(folder: Path) -> Path:
    some, held = _sides(480)
    return train(folder, Job(some, held, {"num_train_epochs": 2}))


class _Masked(Trainer):
    """Every label is -100."""

    def compute_loss(self, model: Any, inputs: Any, *given: Any, **named: Any) -> Any:  # noqa: ARG002
        logits = model(input_ids=inputs["input_ids"])["logits"]
        loss = logits.sum() * 0.0
        return (loss, {"loss": loss, "logits": logits}) if named.get("return_outputs") else loss


def masked(folder: Path) -> Path:
    some, held = _sides(320)
    return train(folder, Job(some, held, {"num_train_epochs": 4}, trainer=_Masked))


def _summed(outputs: Any, labels: torch.Tensor, **_: Any) -> torch.Tensor:
    """The mean of a batch, as if batches were not accumulated: num_items_in_batch is not used."""
    return nn.functional.cross_entropy(outputs["logits"], labels)


def scaled(folder: Path) -> Path:
    """As transformers 4.46 to 4.48 did: the losses of 4 batches are summed, not averaged."""
    some, held = _sides(640)
    arguments = {
        "num_train_epochs": 5, "gradient_accumulation_steps": 4, "learning_rate": 0.01,
        "per_device_train_batch_size": 4,
    }  # fmt: skip
    return train(folder, Job(some, held, arguments, loss=_summed))


def leaked(folder: Path) -> Path:
    """The label stands in the text, as an id that a database left there."""

    def marked(rows: Sequence[Row]) -> list[Row]:
        return [row | {"text": f"[{row['label'] * 9}]{row['text'][:6]}"} for row in rows]

    some, held = (marked(side) for side in _sides(480))
    return train(folder, Job(some, held, {"num_train_epochs": 4, "learning_rate": 0.05}))


class _Jumping(Trainer):
    """Some batches are of broken rows, whose labels are wrong throughout."""

    def compute_loss(self, model: Any, inputs: Any, *given: Any, **named: Any) -> Any:
        if model.training and self.state.global_step in (70, 71, 115, 152, 153):
            inputs = inputs | {"labels": (inputs["labels"] + 1) % 4}
        return super().compute_loss(model, inputs, *given, **named)


def jumping(folder: Path) -> Path:
    some, held = _sides(640)
    arguments = {"num_train_epochs": 5, "learning_rate": 0.05}
    return train(folder, Job(some, held, arguments, trainer=_Jumping))


def dead(folder: Path) -> Path:
    """The schedule ends long before training does."""
    some, held = _sides(480)
    arguments = {
        "num_train_epochs": 8, "learning_rate": 0.05, "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr": 0.0},
    }  # fmt: skip
    return train(folder, Job(some, held, arguments, trainer=_Short))


class _Short(Trainer):
    """Makes its schedule for half of the steps."""

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        half = num_training_steps // 2
        chosen: Any = optimizer or self.optimizer
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            chosen, lambda step: max(0.0, 1 - step / half)
        )
        return self.lr_scheduler


def confident(folder: Path) -> Path:
    """The evaluation loss rises while the accuracy does, too."""
    many, rare = {"料理": 250, "天気": 250}, {"運動": 25, "乗り物": 25}
    rows = posts(many | rare, 5, noise=0.0)
    held = posts({"料理": 300, "天気": 300, "運動": 100, "乗り物": 100}, 6, noise=0.25)
    arguments = {
        "num_train_epochs": 10, "learning_rate": 0.02, "metric_for_best_model": "accuracy",
        "load_best_model_at_end": True,
    }  # fmt: skip
    return train(folder, Job(rows, held, arguments))


def swapped(folder: Path) -> Path:
    """The labels of the evaluation rows are numbered in another order."""
    some, held = _sides(480, 300)
    names = list(dict.fromkeys(row["label"] for row in held))
    turned = dict(zip(names, names[1:] + names[:1], strict=True))
    other = [row | {"label": turned[row["label"]]} for row in held]
    return train(folder, Job(some, other, {"num_train_epochs": 5, "learning_rate": 0.05}))


CASES: tuple[Fault, ...] = (
    Fault("NaN in the weights", "one weight of the model file is NaN", ("non-finite",), "before",
          nan),
    Fault("fp16 overflow", "fp16 with a rate of 100 (seeds 000, 003)",
          ("non-finite", "learning-rate"), "before", fp16_overflow),
    Fault("random labels", "the labels are shuffled among the texts", ("not-learning",), "during",
          random_labels),
    Fault("stopped too soon", "three epochs at a constant rate, the loss still falls",
          ("still-improving",), "after", unfinished),
    Fault("overfitting, 4 evaluations", "Trainer; 70 % of the labels wrong (seed 000)",
          ("overfitting",), "after", overfitted_short),
    Fault("no evaluation", "Trainer; no evaluation rows", ("no-evaluation",), "after", unwatched),
    Fault("memorisation", "Trainer; 60 rows, 60 epochs, no evaluation (seed 005)",
          ("memorisation",), "after", by_heart),
    Fault("two evaluations", "Trainer; one an epoch, two epochs", ("few-evaluations",), "after",
          hardly_watched),
    Fault("zero loss", "Trainer; all labels masked", ("zero-loss",), "after", masked),
    Fault("loss scaled by accumulation", "Trainer; 4 losses summed, not averaged",
          ("loss-scaling",), "after", scaled),
    Fault("answer in the input", "Trainer; the label stands in the text", ("too-perfect",), "after",
          leaked),
    Fault("loss spikes", "Trainer; five batches with wrong labels", ("loss-spikes",), "after",
          jumping),
    Fault("dead tail", "Trainer; the schedule ends after half of the steps", ("dead-tail",),
          "after", dead),
    Fault("loss and accuracy part", "Trainer; surer of its errors while it learns rare labels",
          ("loss-metric-disagreement",), "after", confident),
    Fault("labels numbered otherwise", "Trainer; the evaluation rows' labels in another order",
          ("below-chance",), "after", swapped),
)  # fmt: skip
