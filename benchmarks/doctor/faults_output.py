"""Faults that show in what the model answers."""

from __future__ import annotations

from pathlib import Path

from benchmarks.doctor.build import experiment
from benchmarks.doctor.case import Experiment, Fault
from benchmarks.doctor.rows import even, posts, with_emoji

_SAID = {
    "料理": "それはたべもののはなしですね。",
    "天気": "てんきのことをかいています。",
    "運動": "からだをうごかすわだいです。",
    "乗り物": "のりもののおもいででしょう。",
}
_ENGLISH = {
    "料理": "This is about food and cooking.",
    "天気": "This one talks of the weather.",
    "運動": "It is a story of some sport.",
    "乗り物": "It tells of a ride or a trip.",
}


def collapsed(folder: Path) -> Experiment:
    """A model whose embeddings are random and stay so: one answer to everything."""
    rows = with_emoji(even(400))
    return experiment(
        folder, rows, "gemma", task={"labels": {"kind": "emoji"}},
        tuning={"train_embeddings": False}, train={"epochs": 3},
    )  # fmt: skip


def leaning(folder: Path) -> Experiment:
    """Two thirds of one topic's training rows have another's label, which is answered too often."""
    rows = even(480, noise=0.0)
    sides = {"train": rows[:300], "validation": rows[300:370], "test": rows[370:]}
    sports = [row for row in sides["train"] if row["label"] == "運動"]
    for row in sports[: len(sports) * 2 // 3]:
        row["label"] = "天気"
    return experiment(folder, sides, "wide", train={"epochs": 4, "learning_rate": 1e-3})


def hardly_trained(folder: Path) -> Experiment:
    return experiment(folder, even(480), train={"epochs": 1, "learning_rate": 2e-4})


def free_answers(folder: Path) -> Experiment:
    """Labels that the model has to write and has hardly learnt to."""
    train = {"epochs": 1, "learning_rate": 3e-4}
    rows = with_emoji(even(240, short=True))
    return experiment(folder, rows, "gemma", task={"labels": {"kind": "emoji"}}, train=train)


def endless_text(folder: Path) -> Experiment:
    rows = [row | {"label": _SAID[row["label"]]} for row in even(240)]
    train = {"epochs": 1, "learning_rate": 1e-3}
    return experiment(folder, rows, "gemma", task={"kind": "answer"}, train=train)


def in_english(folder: Path) -> Experiment:
    """The training file is of another language than the answers that are wanted."""
    rows = even(480)
    train = [row | {"label": _ENGLISH[row["label"]]} for row in rows[:360]]
    rest = [row | {"label": _SAID[row["label"]]} for row in rows[360:]]
    sides = {"train": train, "validation": rest[:40], "test": rest[40:]}
    settings = {"epochs": 4, "metric": "loss", "early_stopping": None, "schedule": "constant"}
    return experiment(
        folder, sides, "t5", task={"kind": "answer"}, train=settings,
        evaluate={"max_new_tokens": 40},
    )  # fmt: skip


def mostly_one(folder: Path) -> Experiment:
    """92 % of one label: 92 % right without any reading."""
    rows = posts({"料理": 400, "天気": 14, "運動": 12, "乗り物": 10}, noise=0.0)
    return experiment(folder, rows, train={"epochs": 3})


CASES: tuple[Fault, ...] = (
    Fault("mode collapse", "random embeddings that stay frozen", ("mode-collapse",), "during",
          collapsed),
    Fault("soft collapse", "two thirds of a topic's training rows mislabelled",
          ("soft-collapse",), "after", leaning),
    Fault("below trivial", "one epoch at a low rate", ("below-trivial",), "after", hardly_trained),
    Fault("answers outside the set", "emoji that are written freely, and hardly learnt",
          ("out-of-set",), "after", free_answers),
    Fault("answers that never end", "one epoch, and sentences are written",
          ("never-ending-answers",), "after", endless_text),
    Fault("another language", "trained on English answers, asked for Japanese ones",
          ("other-language",), "after", in_english),
    Fault("nearly all one label", "92 % of the rows", ("dominant-label", "majority-trap"), "before",
          mostly_one),
)  # fmt: skip
