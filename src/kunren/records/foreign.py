"""Run folders that other programs wrote.

The one known so far is that of seed 000's author, for sets of emoji: ``config.yaml`` with flat
keys, ``eval_metrics.json`` with a number a key, ``train_log.csv``, twenty rows of predictions.
What such a folder does not say is missing here too; nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from kunren.data.emoji import is_emoji, split_emoji
from kunren.errors import InputError, Problem
from kunren.evaluation.metric import answer_key
from kunren.evaluation.score import judge
from kunren.messages import text
from kunren.records import files, trainlog
from kunren.records.entry import DIVERSITY, VALIDATION_LOSS, Entry, measured
from kunren.records.predictions import Answer, Predicted
from kunren.types import Item, Message, Prediction, Where

METRICS: Mapping[str, str] = {
    "avg_jaccard": "jaccard",
    "micro_f1": "micro_f1",
    "avg_precision": "precision",
    "avg_recall": "recall",
    "avg_f1": "f1",
    "exact_match_rate": "exact_match",
    "diversity_non_top5_ratio": DIVERSITY,
    "diversity_unique_emojis": "unique_labels",
}
"""Its name of a metric → ours, where both mean the same."""

SETTINGS: Mapping[str, str] = {
    "model_name": "model.id",
    "num_epochs": "train.epochs",
    "learning_rate": "train.learning_rate",
    "batch_size": "train.batch_size",
    "weight_decay": "train.weight_decay",
    "warmup_steps": "train.warmup",
    "early_stopping_patience": "train.early_stopping.patience",
    "label_smoothing": "train.loss.label_smoothing",
    "focal_gamma": "train.loss.focal_gamma",
    "data_source": "data.train",
    "train_ratio": "data.split.train",
    "val_ratio": "data.split.validation",
    "test_ratio": "data.split.test",
}
"""Its name of a setting → ours. Others keep their own name."""

ROWS: Mapping[str, str] = {
    "train_samples": "train",
    "val_samples": "validation",
    "test_samples": "test",
    "total_samples": "all",
}

_NO_SETTING = {
    "experiment_name", "experiment_type", "timestamp", "gpu_name", "logging_steps", "unique_emojis",
    "use_focal_loss", "use_top100_filter", *ROWS,
}  # fmt: skip

_KEYS = {*SETTINGS, *ROWS}

SAMPLE = "predictions_sample.jsonl"

_AGREES = 1e-6
"""How far a stored Jaccard may be from ours and be the same number, written shorter."""

_NAMED = 10
"""Rows that a warning names."""


def read_flat(folder: Path) -> Entry:
    """A run folder of seed 000's layout.

    Raises:
        InputError: a file of it is broken (all of them are named), or it is of no known layout.
    """
    problems: list[Problem] = []

    def read(name: str, reader: Callable[[Path], Any]) -> Any:
        path = folder / name
        if not path.is_file():
            return None
        try:
            return reader(path)
        except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
            detail = " ".join(f"{type(error).__name__}: {error}".split())
            problems.append(Problem("record.broken-file", Where(str(path)), {"detail": detail}))
            return None

    config = read("config.yaml", _read_config)
    scores = read("eval_metrics.json", _read_metrics)
    log = read(trainlog.NAME, trainlog.read_log)
    sample = read(SAMPLE, _read_sample)
    if problems:
        raise InputError(problems)
    if not (config and _KEYS & set(config)) and not (scores and set(scores)):
        raise InputError(Problem("compare.unknown-layout", Where(str(folder))))
    rows, warnings, checks = sample or ((), (), ())
    parts = {
        "config.yaml": config,
        "eval_metrics.json": scores,
        "train_log.csv": log,
        SAMPLE: sample,
    }
    lacking = [name for name, content in parts.items() if content is None]
    config = config or {}
    epochs = trainlog.by_epoch(log or ())
    kept = trainlog.best_epoch(epochs, "loss")
    found = dict(scores or {})
    if kept is not None:
        losses = {epoch.number: epoch.evaluation.get("eval_loss") for epoch in epochs}
        found[VALIDATION_LOSS] = measured(losses[kept])
    return Entry(
        name=folder.resolve().name,
        layout="jmoji",
        answers="set",
        settings=_settings(config),
        rows={ours: count for its, ours in ROWS.items() if (count := _count(config, its))},
        label_count=_count(config, "unique_emojis"),
        scores=found,
        primary="jaccard",
        items=rows,
        machine=config.get("gpu_name"),
        missing=tuple(text("compare.lacks-file", file=name) for name in lacking),
        warnings=tuple(warnings),
        checks=tuple(checks),
    )


def _read_config(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError(text("compare.not-a-mapping"))
    return content


def _read_metrics(path: Path) -> dict[str, dict[str, Any]]:
    content = files.read_json(path)
    if not isinstance(content, dict):
        raise TypeError(text("compare.not-a-mapping"))
    count = content.get("num_samples")
    scored = count if isinstance(count, int) else 0
    found = {}
    for its, ours in METRICS.items():
        if its not in content:
            continue
        value = content[its]
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise TypeError(f"{its}: {value!r}")
        known = value is not None and math.isfinite(value)
        reason = text("compare.no-stored-interval" if known else "compare.no-stored-value")
        found[ours] = measured(value if known else None, reason, scored)
    return found


def _count(config: Mapping[str, Any], key: str) -> int | None:
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Its settings under our keys.

    ``focal_gamma`` counts only where ``use_focal_loss`` says so: it is written in either case.
    """
    found = {
        str(SETTINGS.get(key, key)): _plain(value)
        for key, value in config.items()
        if key not in _NO_SETTING
    }
    if config.get("use_focal_loss") is False:
        found["train.loss.focal_gamma"] = 0.0
    if config.get("use_top100_filter") is True:
        found["task.labels.top"] = 100
    return found


def _plain(value: object) -> object:
    """A value that JSON can hold; a date of YAML becomes text."""
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _read_sample(path: Path) -> tuple[list[Predicted], list[str], list[str]]:
    """The sample with our own Jaccard a row; where the stored one is another, where the same."""
    lines = files.read_jsonl(path)
    items, said = [], []
    for number, line in enumerate(lines, start=1):
        name, gold = f"{SAMPLE}:{number}", tuple(_labels(line["gold"]))
        items.append(Item(name, name, (Message("user", line["text"]),), line["gold"], gold))
        said.append(Prediction(name, tuple(_labels(line["pred"])), generated=line["pred"]))
    seen = dict.fromkeys(label for i in items for label in i.labels)
    seen |= dict.fromkeys(label for p in said for label in p.labels or ())
    judged = judge("set", items, said, _apart(seen))
    rows = [
        Predicted(
            id=item.id,
            row_id=item.row_id,
            text=item.text,
            gold=item.answer,
            gold_labels=item.labels,
            systems={
                "tuned": Answer(
                    labels=answer.labels,
                    generated=answer.generated,
                    correct=judged[item.id].correct,
                    score=judged[item.id].score,
                )
            },
        )
        for item, answer in zip(items, said, strict=True)
    ]
    other, unstored = _compared(lines, rows)
    warnings = []
    if other:
        named = text("record.list").join(map(str, other[:_NAMED]))
        named += "…" if len(other) > _NAMED else ""
        fields = {"file": SAMPLE, "count": len(other), "lines": named}
        warnings.append(text("compare.jaccard-differs", **fields))
    if unstored:
        warnings.append(text("compare.jaccard-unstored", file=SAMPLE, count=unstored))
    agreeing = len(rows) - len(other) - unstored
    checks = [text("compare.jaccard-agrees", file=SAMPLE, count=agreeing)] if agreeing else []
    return rows, warnings, checks


def _compared(
    lines: Sequence[Mapping[str, Any]], rows: Sequence[Predicted]
) -> tuple[list[int], int]:
    """Numbers of the lines whose stored Jaccard is not ours, and how many lines have none."""
    stored = [line.get("jaccard") for line in lines]
    ours = [row.systems["tuned"].score for row in rows]
    other = [
        number
        for number, (a, b) in enumerate(zip(stored, ours, strict=True), start=1)
        if a is not None and (b is None or not abs(a - b) <= _AGREES)
    ]
    return other, stored.count(None)


def _labels(said: str) -> list[str]:
    """The labels of a row, each once: emoji however they are joined, else words."""
    pieces = split_emoji(said)
    return list(dict.fromkeys(pieces if all(map(is_emoji, pieces)) else said.split()))


def _apart(seen: Mapping[str, None]) -> list[str]:
    """Labels that are different answers: an emoji with and without its selector is one."""
    return list({answer_key(label): label for label in seen}.values())
