"""Run folders of the program of seed 000's author, for sets of emoji.

They hold ``config.yaml`` with flat keys, ``eval_metrics.json`` with a number a key,
``train_log.csv``, twenty rows of predictions and ``summary.md``. Both the comparison and the doctor
read them here. What such a folder does not say is missing here too; nothing is guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.records import files, losses_csv, sample, trainer, trainlog
from kunren.records.entry import DIVERSITY, VALIDATION_LOSS, Entry, measured
from kunren.types import Where

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
    "top_n": "task.labels.top",
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

MARKS: Sequence[Sequence[str]] = (
    ("eval_metrics.json",),
    ("config.yaml", "train_log.csv"),
    ("config.yaml", "predictions_sample.jsonl"),
)
"""One of these sets of files is there."""

_NO_SETTING = {
    "experiment_name", "experiment_type", "timestamp", "gpu_name", "logging_steps", "unique_emojis",
    "use_focal_loss", "use_top100_filter", *ROWS,
}  # fmt: skip

_KEYS = {*SETTINGS, *ROWS}

_SIGNATURES: Mapping[str, str] = {
    DIVERSITY: "diversity|jmoji|outside:5-most-frequent|repeated:each-time",
}
"""How it computes what goes by the name of a metric of ours and is computed differently. Of 424
answers with five emoji each it counts 2,088 labels; each once, there are far fewer."""

_BROKEN = (
    ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError,
)  # fmt: skip
"""What readers raise for a file that is not what its name says."""

CONFIG = "config.yaml"
SCORES = "eval_metrics.json"
SUMMARY = "summary.md"

_TOP = re.compile(r"(?:^|[_-])top[_-]?(\d+)(?![\d.])", re.IGNORECASE)
_KEPT = re.compile(r"- Best Checkpoint: .*checkpoint-(\d+)/?")
_FINAL = re.compile(r"- Final Eval Loss: (\S+)")


@dataclass(frozen=True, slots=True)
class Flat:
    """What such a folder says.

    Attributes:
        path: the folder.
        config: ``config.yaml`` as it is; None: there is none.
        scores: metric → its score, under our names; None: there are none.
        log: rows under the Trainer's names; None: there is no log.
        notes: how the log was read, in the user's language.
        odd: cells of the log that are no numbers.
        sample: answers; None: there are none.
        best_step: of the checkpoint that was recorded as the best.
        final_loss: evaluation loss of the weights that were kept.
        settings: dotted key → value, under our keys where they mean the same.
    """

    path: Path
    config: Mapping[str, Any] | None = None
    scores: Mapping[str, Mapping[str, Any]] | None = None
    log: Sequence[Mapping[str, float]] | None = None
    notes: Sequence[str] = ()
    odd: Sequence[str] = ()
    sample: sample.Sample | None = None
    best_step: float | None = None
    final_loss: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether config or scores have a name that only this program gives them."""
        return bool(_KEYS & set(self.config or {}) or self.scores)

    @property
    def rows(self) -> dict[str, int]:
        """Our name of a split → its rows; "all" for their sum."""
        return {ours: n for its, ours in ROWS.items() if (n := self.count(its))}

    def count(self, key: str) -> int | None:
        """A whole number of the config."""
        value = (self.config or {}).get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def _named_top(folder: Path) -> dict[str, Any]:
    """How many labels were kept, where the folder is called by it (``v3_top100_20251212``)."""
    named = _TOP.search(folder.resolve().name)
    return {"task.labels.top": int(named.group(1))} if named else {}


def is_flat(folder: Path) -> bool:
    """Whether a folder may have this layout, by the names of its files."""
    return any(all((folder / name).is_file() for name in names) for names in MARKS)


def read(folder: Path) -> Flat:
    """All that such a folder says.

    Raises:
        InputError: a file of it is broken (all of them are named).
    """
    problems: list[Problem] = []

    def tried(name: str, reader: Callable[[Path], Any]) -> Any:
        path = folder / name
        if not path.is_file():
            return None
        try:
            return reader(path)
        except InputError as error:
            detail = " ".join(text(one.code, **one.fields) for one in error.problems)
        except _BROKEN as error:
            detail = " ".join(f"{type(error).__name__}: {error}".split())
        problems.append(Problem("record.broken-file", Where(str(path)), {"detail": detail}))
        return None

    config = tried(CONFIG, _read_config)
    scores = tried(SCORES, _read_metrics)
    losses = tried(trainlog.NAME, losses_csv.read)
    answers = tried(sample.NAME, sample.read)
    best_step, final_loss = tried(SUMMARY, _read_summary) or (None, None)
    if problems:
        raise InputError(problems)
    log = None if losses is None else losses.rows
    if log is None and (state := trainer.newest(folder)) is not None:
        log = [{k: v for k, v in row.items() if _is_number(v)} for row in state.rows]
    return Flat(
        path=folder,
        config=config,
        scores=scores,
        log=log,
        notes=() if losses is None else losses.notes,
        odd=() if losses is None else losses.odd,
        sample=answers,
        best_step=best_step,
        final_loss=final_loss,
        settings=_named_top(folder) | _settings(config or {}),
    )


def read_flat(folder: Path) -> Entry:
    """A run folder of seed 000's layout, for a comparison.

    Raises:
        InputError: a file of it is broken (all of them are named), or it is of no known layout.
    """
    flat = read(folder)
    if flat.odd:
        where = Where(str(folder / trainlog.NAME))
        raise InputError(Problem("record.broken-file", where, {"detail": flat.odd[0]}))
    if not flat.known:
        raise InputError(Problem("compare.unknown-layout", Where(str(folder))))
    answers = flat.sample or sample.Sample()
    parts = {
        CONFIG: flat.config,
        SCORES: flat.scores,
        trainlog.NAME: flat.log,
        sample.NAME: flat.sample,
    }
    lacking = [name for name, content in parts.items() if content is None]
    found = dict(flat.scores or {})
    kept = _kept_loss(flat)
    if kept is not None:
        found[VALIDATION_LOSS] = measured(kept)
    return Entry(
        name=folder.resolve().name,
        layout="jmoji",
        answers="set",
        settings=flat.settings,
        rows=flat.rows,
        label_count=flat.count("unique_emojis"),
        scores=found,
        primary="jaccard",
        items=answers.rows,
        machine=(flat.config or {}).get("gpu_name"),
        missing=tuple(text("compare.lacks-file", file=name) for name in lacking),
        warnings=tuple(answers.warnings),
        checks=tuple(answers.checks),
    )


def _kept_loss(flat: Flat) -> float | None:
    """The evaluation loss of the kept weights: the least that is logged, or what was noted."""
    epochs = trainlog.by_epoch(flat.log or ())
    kept = trainlog.best_epoch(epochs, "loss")
    losses = {epoch.number: epoch.evaluation.get("eval_loss") for epoch in epochs}
    return flat.final_loss if kept is None else losses[kept]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_config(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError(text("compare.not-a-mapping"))
    return content


def _read_summary(path: Path) -> tuple[float | None, float | None]:
    """The step of the best checkpoint and the loss of its weights."""
    step = loss = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if named := _KEPT.fullmatch(line.strip()):
            step = float(named.group(1))
        elif named := _FINAL.fullmatch(line.strip()):
            try:
                loss = float(named.group(1))
            except ValueError:
                continue
    return step, loss


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
        score = measured(value if known else None, reason, scored)
        found[ours] = score | {"signature": _SIGNATURES.get(ours)}
    return found


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
