"""Runs of the Hugging Face Trainer: what it leaves behind, and the faults that it lets happen.

A bag of words with a linear layer learns the topics of posts; it is as small as can be, so that
hundreds of steps take a second. All that is looked at is what the Trainer wrote itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.doctor.rows import TOPICS, Row
from sklearn.metrics import f1_score
from torch import nn
from torch.utils.data import Dataset
from transformers import (
    PreTrainedConfig,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from kunren.models.quiet import quiet

_BUCKETS = 4096


class BagConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Of ``Bag``."""

    model_type = "bag"


class Bag(PreTrainedModel):  # type: ignore[no-untyped-call]
    """A classifier over the characters and pairs of characters of a text."""

    config_class = BagConfig

    def __init__(self, config: BagConfig) -> None:
        super().__init__(config)
        self.bag = nn.EmbeddingBag(_BUCKETS, 32, mode="mean")
        self.head = nn.Linear(32, config.num_labels or 2)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor | None = None) -> Any:
        """Logits, and the loss where labels are given."""
        logits = self.head(self.bag(input_ids))
        found = {"logits": logits}
        if labels is not None:
            found["loss"] = nn.functional.cross_entropy(logits, labels)
        return found


class Posts(Dataset[dict[str, Any]]):
    """Posts as numbers of their characters and pairs of them."""

    def __init__(self, rows: Sequence[Row], labels: Sequence[str] = tuple(TOPICS)) -> None:
        self._rows = [(_numbers(row["text"]), labels.index(row["label"])) for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> dict[str, Any]:
        ids, label = self._rows[number]
        return {"input_ids": ids, "labels": label}


def _numbers(said: str, size: int = 40) -> list[int]:
    pairs = [said[n : n + 3] for n in range(len(said) - 2)]
    found = [sum(ord(c) * 31**n for n, c in enumerate(pair)) % (_BUCKETS - 1) for pair in pairs]
    return (found + [_BUCKETS - 1] * size)[:size]


Loss = Callable[..., torch.Tensor]


@dataclass(frozen=True, slots=True)
class Job:
    """What is trained and how.

    Attributes:
        train: training rows.
        held: evaluation rows; None: none are looked at.
        arguments: of the Trainer, beside those that all have.
        loss: in place of the model's.
        trainer: a class of its own.
    """

    train: Sequence[Row]
    held: Sequence[Row] | None
    arguments: Mapping[str, Any]
    loss: Loss | None = None
    trainer: type[Trainer] = Trainer


def train(folder: Path, job: Job) -> Path:
    """Train, and return the output folder with the checkpoints that the Trainer kept."""
    torch.manual_seed(0)
    output = folder / "output"
    watched = {} if job.held is None else {"eval_strategy": "epoch", "save_strategy": "epoch"}
    arguments: dict[str, Any] = {
        "num_train_epochs": 5, "learning_rate": 0.02, "per_device_train_batch_size": 16,
        "logging_steps": 1, "save_strategy": "no", "report_to": "none", "disable_tqdm": True,
        "use_cpu": True, "seed": 0, "save_only_model": True, "label_names": ["labels"],
        "dataloader_pin_memory": False,
    }  # fmt: skip
    args = TrainingArguments(output_dir=str(output), **(arguments | watched | dict(job.arguments)))
    config = BagConfig(num_labels=len(TOPICS))  # type: ignore[call-arg]
    with quiet():
        trainer = job.trainer(
            Bag(config),
            args,
            train_dataset=Posts(job.train),
            eval_dataset=None if job.held is None else Posts(job.held),
            compute_metrics=_scores,
            compute_loss_func=job.loss,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        if args.load_best_model_at_end:
            trainer.evaluate()
        trainer.save_state()
    config.save_pretrained(output)
    return output


def _scores(found: Any) -> dict[str, float]:
    said = np.argmax(found.predictions, axis=-1)
    gold = found.label_ids
    return {
        "accuracy": float((said == gold).mean()),
        "f1_macro": float(f1_score(gold, said, average="macro", zero_division=0.0)),
    }


def shuffled(rows: Sequence[Row], seed: int = 0, share: float = 1.0) -> list[Row]:
    """The posts with one another's labels, so that a text tells nothing of its label."""
    chance = random.Random(seed)
    chosen = chance.sample(range(len(rows)), round(share * len(rows)))
    labels = [rows[n]["label"] for n in chosen]
    chance.shuffle(labels)
    given = dict(zip(chosen, labels, strict=True))
    return [row | {"label": given.get(n, row["label"])} for n, row in enumerate(rows)]
