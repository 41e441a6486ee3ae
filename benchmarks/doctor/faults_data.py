"""Faults of the rows and of how they are split: all can be known before training."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.doctor.build import experiment
from benchmarks.doctor.case import Experiment, Fault
from benchmarks.doctor.rows import TOPICS, even, posts, with_emoji


def duplicates(folder: Path) -> Experiment:
    rows = even(440)
    return experiment(folder, rows + rows[:150])


def leakage(folder: Path) -> Experiment:
    rows = even(480)
    sides = {"train": rows[:330], "validation": rows[330:400], "test": rows[400:]}
    copied = [row | {"text": row["text"] + "。"} for row in sides["train"][:60]]
    return experiment(folder, sides | {"test": [*sides["test"][:60], *copied]})


def conflicts(folder: Path) -> Experiment:
    rows, names = even(440), list(TOPICS)
    other = [row | {"label": names[names.index(row["label"]) - 1]} for row in rows[:60]]
    return experiment(folder, rows + other)


def sparkles(folder: Path) -> Experiment:
    """As seed 001: one emoji in a fifth of all answers, more than four times the second."""
    chance, many = random.Random(1), [chr(0x1F34A + n) for n in range(16)]
    rows = even(500, noise=0.0)
    for row in rows:
        first = next(n for n, w in enumerate(TOPICS[row["label"]]) if w in row["text"])
        told = many[4 * list(TOPICS).index(row["label"]) + first % 4]
        row["label"] = told + ("✨" if chance.random() < 0.35 else "")
    return experiment(folder, rows, task={"kind": "tag", "labels": {"kind": "emoji"}})


def evenly(folder: Path) -> Experiment:
    """As seed 002: 25 labels, ten rows of each, made up for the purpose."""
    rows = [
        {"text": f"{post['text']}{word}", "label": word}
        for word in (word for told in TOPICS.values() for word in told[:7])
        for post in posts({"料理": 5, "天気": 5}, len(word))
    ]
    return experiment(folder, rows, train={"epochs": 3})


def low_density(folder: Path) -> Experiment:
    rows = even(240, noise=0.0)
    for row in rows:
        row["label"] = next(w for w in TOPICS[row["label"]] if w in row["text"])
    return experiment(folder, rows, train={"epochs": 3})


def filtered(folder: Path) -> Experiment:
    rows = posts({"料理": 90, "天気": 80, "運動": 500, "乗り物": 400})
    labels = {"allow": ["料理", "天気"]}
    return experiment(folder, rows, task={"labels": labels})


def garbled(folder: Path) -> Experiment:
    rows = even(440)
    for row in rows[::12]:
        row["text"] = row["text"].encode().decode("cp932", errors="ignore")
    return experiment(folder, rows)


def blank(folder: Path) -> Experiment:
    rows = even(440)
    for n, row in enumerate(rows[::15]):
        row["text"] = ("…", "@taro", "https://example.com/a", "。。")[n % 4] + "。" * (n // 4)
    return experiment(folder, rows)


def emoji_left(folder: Path) -> Experiment:
    rows = with_emoji(even(440))
    for row in rows[::2]:
        row["text"] += row["label"]
    return experiment(folder, rows, task={"labels": {"kind": "emoji"}})


def unseen(folder: Path) -> Experiment:
    rows = even(480, noise=0.0)
    known = [row for row in rows if row["label"] != "乗り物"]
    new = [row for row in rows if row["label"] == "乗り物"]
    test = known[:60] + new[:40]
    sides = {"train": known[140:], "validation": known[60:140], "test": test}
    return experiment(folder, sides)


CASES: tuple[Fault, ...] = (
    Fault("duplicate rows", "150 of 600 rows are copies", ("duplicate-rows",), "before",
          duplicates),
    Fault("leakage", "half of the test rows are training rows with a 。 added",
          ("split-leakage",), "before", leakage),
    Fault("conflicting labels", "60 texts a second time with another label",
          ("conflicting-labels",), "before", conflicts),
    Fault("dominant label", "✨ in a third of the sets, 4 times the second (seed 001)",
          ("dominant-label",), "before", sparkles),
    Fault("even counts", "28 labels, exactly 10 rows each (seed 002)",
          ("even-labels",), "before", evenly),
    Fault("low density", "64 labels for 250 rows (seed 000)",
          ("low-density",), "before", low_density),
    Fault("filtered away", "the label filter leaves 16 % of the rows (seed 000)",
          ("low-filter-rate",), "before", filtered),
    Fault("garbled text", "UTF-8 read as Shift_JIS in every 12th row",
          ("garbled-text",), "before", garbled),
    Fault("empty texts", "every 15th text is a link, a name or dots",
          ("empty-text",), "before", blank),
    Fault("emoji in the input", "the label stands in every second text (seed 001)",
          ("emoji-in-text",), "before", emoji_left),
    Fault("unseen labels", "40 % of the test rows have a label that is not trained",
          ("unseen-labels",), "before", unseen),
)  # fmt: skip
