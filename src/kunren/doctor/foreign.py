"""Runs that other tools made, read for the doctor.

Known are the Hugging Face Trainer's ``trainer_state.json`` (a file, or in an output or checkpoint
folder), a CSV of losses, and seed 000's folder, which is such a CSV with a flat ``config.yaml``
beside it. What else lies beside them is read where it tells something that a rule can use. Nothing
is unpickled: ``training_args.bin`` is left alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from kunren.doctor import losses_csv, sample
from kunren.doctor.course import Course, of_log
from kunren.doctor.evidence import Evaluated
from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.records import trainlog
from kunren.records.folder import STATUS_FILE
from kunren.types import Where

STATE = "trainer_state.json"

_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_CARD = re.compile(r"^- (gradient_accumulation_steps|learning_rate|label_smoothing_factor): (\S+)$")

_ARGUMENTS: Mapping[str, str] = {
    "gradient_accumulation_steps": "train.gradient_accumulation",
    "learning_rate": "train.learning_rate",
    "label_smoothing_factor": "train.loss.label_smoothing",
}
"""The Trainer's name of a setting → ours."""

_FLAT: Mapping[str, str] = {
    "learning_rate": "train.learning_rate",
    "label_smoothing": "train.loss.label_smoothing",
    "focal_gamma": "train.loss.focal_gamma",
    "num_epochs": "train.epochs",
}
"""Seed 000's name of a setting → ours."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A run of another tool.

    Attributes:
        course: of its training.
        notes: how it was read, in the user's language.
        sets: answers that are sets of labels, where some were kept.
    """

    course: Course
    notes: tuple[str, ...]
    sets: Sequence[Evaluated] = ()


def is_ours(path: Path) -> bool:
    """Whether a path is a run folder of kunren."""
    return path.is_dir() and (path / STATUS_FILE).is_file()


def read(path: Path) -> Foreign:
    """Read a run that another tool made.

    Raises:
        InputError: it does not exist, holds nothing known, or what it holds is broken.
    """
    if not path.exists():
        raise InputError(Problem("doctor.no-path", Where(str(path))))
    if path.is_file():
        readers: Mapping[str, Callable[[Path], Foreign]] = {
            ".json": _state, ".csv": _csv, ".tsv": _csv,
        }  # fmt: skip
        reader = readers.get(path.suffix.lower())
        if reader is None:
            raise InputError(Problem("doctor.unknown-file", Where(str(path))))
        return reader(path)
    states = [path / STATE, *(folder / STATE for folder in _checkpoints(path))]
    found = [state for state in states if state.is_file()]
    if found:
        return _newest(found)
    log = path / trainlog.NAME
    tables = [log] if log.is_file() else sorted(path.glob("*.csv"))
    if len(tables) != 1:
        code = "doctor.many-tables" if tables else "doctor.nothing-known"
        named = " / ".join(table.name for table in tables)
        raise InputError(Problem(code, Where(str(path)), {"files": named}))
    return _csv(tables[0])


def _checkpoints(folder: Path) -> list[Path]:
    """Checkpoint folders, the newest first."""
    numbered = [
        (int(named.group(1)), one)
        for one in folder.iterdir()
        if one.is_dir() and (named := _CHECKPOINT.fullmatch(one.name))
    ]
    return [one for _, one in sorted(numbered, reverse=True)]


def _newest(states: list[Path]) -> Foreign:
    """The state that has come furthest: of an output folder its own, or its newest checkpoint's."""
    first = _state(states[0])
    if len(states) == 1 or states[0].parent.name.startswith("checkpoint-"):
        return first
    second = _state(states[1])
    return first if first.course.last_step >= second.course.last_step else second


def _state(path: Path) -> Foreign:
    state = _json(path)
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise InputError(Problem("doctor.no-history", Where(str(path))))
    rows = [row for row in history if isinstance(row, dict)]
    course = of_log(rows)
    step = _plain(state.get("global_step"))
    kept = _CHECKPOINT.search(str(state.get("best_model_checkpoint") or "").replace("\\", "/"))
    best = float(kept.group(1)) if kept else None
    course = replace(
        course,
        last_step=max(course.last_step if rows else 0.0, step or 0.0),
        last_epoch=_plain(state.get("epoch")) or course.last_epoch,
        planned_steps=_plain(state.get("max_steps")),
        rows=_rows(state, rows, step),
        best_step=best,
        kept_step=_repeated(rows, best),
        judged_by=_judged_by(course, best, _plain(state.get("best_metric"))),
    )
    course = _beside(course, path.parent)
    fields = {"file": path.name, "entries": len(rows), "evaluations": len(course.evaluations)}
    notes = [text("doctor.read-state", **fields)]
    if course.reward:
        notes.append(text("doctor.read-reward"))
    return Foreign(course, tuple(notes))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        detail = " ".join(str(error).split())
        raise InputError(
            Problem("doctor.broken-json", Where(str(path)), {"detail": detail})
        ) from None


def _plain(value: object) -> float | None:
    """A positive number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return None
    return float(value)


def _rows(state: Mapping[str, Any], rows: list[dict[str, Any]], step: float | None) -> float | None:
    """Training rows, about: from the speed of the whole run, else from batches an epoch."""
    epochs = _plain(state.get("num_train_epochs"))
    done = _plain(state.get("epoch"))
    for row in reversed(rows):
        speed, time = (_plain(row.get(f"train_{n}")) for n in ("samples_per_second", "runtime"))
        if speed and time and epochs:
            return float(round(speed * time / epochs))
    batch = _plain(state.get("train_batch_size"))
    return float(round(batch * step / done)) if batch and step and done else None


def _repeated(rows: list[dict[str, Any]], best: float | None) -> float | None:
    """The best step if its weights were loaded at the end.

    A Trainer that did so and then evaluates logs that evaluation's loss a second time, at the last
    step.
    """
    losses = [(row.get("step"), row["eval_loss"]) for row in rows if "eval_loss" in row]
    if best is None or len(losses) < 2 or losses[-1][0] != losses[-2][0]:
        return None
    then = next((loss for step, loss in losses if step == best), None)
    same = isinstance(then, float) and math.isclose(then, losses[-1][1], rel_tol=1e-3)
    return best if same else None


def _judged_by(course: Course, best: float | None, value: float | None) -> str | None:
    """The metric whose value at the best step is the recorded best one."""
    at = next((one for one in course.evaluations if one.step == best), None)
    if at is None or value is None:
        return None
    same = [name for name, v in at.values.items() if math.isclose(v, value, rel_tol=1e-9)]
    return "loss" if "loss" in same else next(iter(same), None)


def _beside(course: Course, folder: Path) -> Course:
    """What ``config.json``, arguments in JSON and a model card say that lie beside the state.

    Of a checkpoint also those in the folder above.
    """
    folders = [folder, folder.parent] if folder.name.startswith("checkpoint-") else [folder]
    labels, vocabulary = course.labels, course.vocabulary
    settings: dict[str, Any] = {}
    for where in folders:
        config = _mapping(where / "config.json")
        labels = labels or _labels(config)
        vocabulary = vocabulary or _vocabulary(config)
        for name in ("training_args.json", "args.json", "hparams.json"):
            settings = _arguments(_mapping(where / name)) | settings
        settings = _arguments(_card(where / "README.md")) | settings
        if (where / "adapter_config.json").is_file():
            settings["tuning.kind"] = "lora"
    return replace(course, labels=labels, vocabulary=vocabulary, settings=settings)


def _mapping(path: Path) -> Mapping[str, Any]:
    """A JSON object beside the state; empty where it is not there or cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _labels(config: Mapping[str, Any]) -> int | None:
    names = config.get("id2label")
    if isinstance(names, dict) and len(names) > 1:
        return len(names)
    kinds = config.get("architectures")
    classifies = isinstance(kinds, list) and any("SequenceClassif" in str(k) for k in kinds)
    return 2 if classifies and not names else None  # two labels are the default, and not written


def _vocabulary(config: Mapping[str, Any]) -> int | None:
    kinds = config.get("architectures")
    writes = isinstance(kinds, list) and any(
        part in str(kind) for kind in kinds for part in ("CausalLM", "ConditionalGeneration", "LMH")
    )
    size = config.get("vocab_size")
    return size if writes and isinstance(size, int) and size > 1 else None


def _arguments(found: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        ours: v for its, ours in _ARGUMENTS.items() if (v := _plain(found.get(its)))
    }
    for kind in ("fp16", "bf16"):
        if found.get(kind) is True:
            settings["train.precision"] = kind
    return settings


def _card(path: Path) -> Mapping[str, Any]:
    """Settings in a model card that the Trainer wrote."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    found: dict[str, float | bool] = {}
    for line in lines:
        if named := _CARD.match(line.strip()):
            try:
                found[named.group(1)] = float(named.group(2))
            except ValueError:
                continue
        elif line.startswith("- mixed_precision_training: Native AMP"):
            found["fp16"] = True
    return found


def _csv(path: Path) -> Foreign:
    rows, notes = losses_csv.read(path)
    course = of_log(rows)
    config = path.parent / "config.yaml"
    if config.is_file():
        course = _flat(course, config)
    answers = sample.read(path.parent)
    if answers:
        notes.append(text("doctor.read-sample", file=sample.NAME, rows=len(answers)))
    return Foreign(course, tuple(notes), answers)


def _flat(course: Course, path: Path) -> Course:
    """Settings of seed 000's ``config.yaml``."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return course
    if not isinstance(found, dict):
        return course
    settings = {ours: v for its, ours in _FLAT.items() if (v := _plain(found.get(its)))}
    if found.get("use_focal_loss") is False:
        settings.pop("train.loss.focal_gamma", None)
    return replace(course, rows=_plain(found.get("train_samples")), settings=settings)
