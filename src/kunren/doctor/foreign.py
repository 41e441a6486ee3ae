"""Runs that other tools made, read for the doctor.

Known are the Hugging Face Trainer's output (``trainer_state.json``, checkpoints, a model card), a
CSV of losses, what a training printed, seed 000's folder (see ``records.foreign``), and a saved
model or adapter with its tokenizer. What else lies beside them is read where it tells something
that a rule can use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kunren.doctor import saved
from kunren.doctor.course import Course, of_log
from kunren.doctor.others import told_by_answers
from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.records import foreign, losses_csv, printed_log, sample, trainer, trainlog
from kunren.records.folder import STATUS_FILE
from kunren.records.trainer import CHECKPOINT, Beside, State, positive
from kunren.types import Where

_EARLY = 1e-6
"""How much of an epoch may be missing at the end of one."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A run of another tool.

    Attributes:
        course: of its training; empty where nothing was logged.
        notes: how it was read, in the user's language.
        told: other evidence, by name.
        logged: whether there is a log of its training.
    """

    course: Course
    notes: tuple[str, ...]
    told: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    logged: bool = True


def is_ours(path: Path) -> bool:
    """Whether a path is a run folder of kunren."""
    return path.is_dir() and (path / STATUS_FILE).is_file()


def read(path: Path) -> Foreign:
    """Read a run that another tool made.

    Raises:
        InputError: it does not exist, holds nothing known, or what it holds is broken.
    """
    found = _folder(path) if path.is_dir() else _file(path)
    if "saved" not in found.told:
        return found
    files = " / ".join(saved.files(path if path.is_dir() else path.parent))
    return replace(found, notes=(*found.notes, text("doctor.read-model", files=files)))


def _file(path: Path) -> Foreign:
    if not path.exists():
        raise InputError(Problem("doctor.no-path", Where(str(path))))
    match path.suffix.lower():
        case ".json":
            return _state(trainer.read_state(path), saved.told(path.parent))
        case ".csv" | ".tsv":
            return _csv(path, saved.told(path.parent))
        case ".md" if (table := trainer.beside(path.parent).table) is not None:
            return _card(path.parent, table, saved.told(path.parent))
        case suffix if suffix in printed_log.SUFFIXES and (printed := printed_log.read(path)):
            return _printed(path, printed)
        case _:
            raise InputError(Problem("doctor.unknown-file", Where(str(path))))


def _folder(path: Path) -> Foreign:
    """A folder by the best that it has: a state, a log, a model card, or only a model."""
    model = saved.told(path)
    state = trainer.newest(path)
    if state is not None:
        return _state(state, model)
    log = path / trainlog.NAME
    tables = [log] if log.is_file() else sorted([*path.glob("*.csv"), *path.glob("*.tsv")])
    if len(tables) == 1:
        return _csv(tables[0], model)
    if not tables and (table := trainer.beside(path).table) is not None:
        return _card(path, table, model)
    logs = [] if tables else sorted([*path.glob("*.log"), *path.glob("trainer_log.jsonl")])
    if len(logs) == 1 and (printed := printed_log.read(logs[0])) is not None:
        return _printed(logs[0], printed)
    answered = None if tables else _answered(path)
    notes, told = (answered.notes, answered.told) if answered else ((), {})
    if notes or model:
        return Foreign(Course(), tuple(notes), {**told, **model}, logged=False)
    code = "doctor.many-tables" if tables else "doctor.nothing-known"
    named = " / ".join(table.name for table in tables)
    raise InputError(Problem(code, Where(str(path)), {"files": named}))


def _state(state: State, model: Mapping[str, Callable[[], Any]]) -> Foreign:
    folder = state.path.parent
    course = _with(_of_state(state), trainer.beside(folder))
    notes = [trainer.read_note(state, len(course.evaluations))]
    if course.reward:
        notes.append(text("doctor.read-reward"))
    answered = _answered(folder)
    if answered is None:
        return Foreign(course, tuple(notes), model)
    course = replace(course, settings={**_of_flat(answered.flat).settings, **course.settings})
    return Foreign(course, (*notes, *answered.notes), {**answered.told, **model})


def _of_state(state: State) -> Course:
    said, rows = state.said, state.rows
    course = of_log(rows)
    step = positive(said.get("global_step"))
    kept = CHECKPOINT.search(str(said.get("best_model_checkpoint") or "").replace("\\", "/"))
    best = float(kept.group(1)) if kept else None
    return replace(
        course,
        last_step=max(course.last_step if rows else 0.0, step or 0.0),
        last_epoch=positive(said.get("epoch")) or course.last_epoch,
        planned_steps=positive(said.get("max_steps")),
        rows=_rows(said, rows, step),
        best_step=best,
        kept_step=_repeated(rows, best),
        judged_by=_judged_by(course, best, positive(said.get("best_metric"))),
    )


def _rows(
    said: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], step: float | None
) -> float | None:
    """Training rows, about: from the speed of the whole run, else from batches an epoch."""
    epochs = positive(said.get("num_train_epochs"))
    done = positive(said.get("epoch"))
    for row in reversed(rows):
        speed, time = (positive(row.get(f"train_{n}")) for n in ("samples_per_second", "runtime"))
        if speed and time and epochs:
            return float(round(speed * time / epochs))
    batch = positive(said.get("train_batch_size"))
    return float(round(batch * step / done)) if batch and step and done else None


def _repeated(rows: Sequence[Mapping[str, Any]], best: float | None) -> float | None:
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


def _with(course: Course, beside: Beside) -> Course:
    """The course with what lies beside it."""
    return replace(
        course,
        labels=course.labels or saved.labels(beside.config),
        vocabulary=course.vocabulary or saved.vocabulary(beside.config),
        rows=beside.train_rows or course.rows,
        evaluation_rows=beside.evaluation_rows or course.evaluation_rows,
        settings={**course.settings, **beside.settings},
    )


def _card(
    folder: Path, table: losses_csv.Losses, model: Mapping[str, Callable[[], Any]]
) -> Foreign:
    """A model card: its table of evaluations, where nothing else was kept."""
    return Foreign(_with(of_log(table.rows), trainer.beside(folder)), tuple(table.notes), model)


def _printed(path: Path, printed: losses_csv.Losses) -> Foreign:
    """What a training printed."""
    course = _with(of_log(printed.rows), trainer.beside(path.parent))
    return Foreign(course, tuple(printed.notes), saved.told(path.parent))


def _csv(path: Path, model: Mapping[str, Callable[[], Any]]) -> Foreign:
    answered = _answered(path.parent)
    if answered is None:
        losses = losses_csv.read(path)
        course = _with(of_log(losses.rows), trainer.beside(path.parent))
        return Foreign(course, tuple(losses.notes), model)
    flat = answered.flat
    if path.name != trainlog.NAME:
        losses = losses_csv.read(path)
        flat = replace(flat, log=losses.rows, notes=losses.notes)
    course = _with(_of_flat(flat), trainer.beside(path.parent))
    return Foreign(course, (*flat.notes, *answered.notes), {**answered.told, **model})


@dataclass(frozen=True, slots=True)
class _Answered:
    """What seed 000's program left: all of it, what was read beside the log, and evidence."""

    flat: foreign.Flat
    notes: Sequence[str]
    told: Mapping[str, Callable[[], Any]]


def _answered(folder: Path) -> _Answered | None:
    """What seed 000's program left in a folder: its log, metrics, answers and settings."""
    is_its = foreign.is_flat(folder) or (folder / sample.NAME).is_file()
    if not is_its and not (folder / foreign.CONFIG).is_file():
        return None
    try:
        flat = foreign.read(folder)
    except InputError:
        if is_its:
            raise
        return None  # some config.yaml beside a log
    notes, rows = [], flat.sample.rows if flat.sample else ()
    if flat.sample is not None:
        notes = [text("doctor.read-sample", file=sample.NAME, rows=len(rows))]
        notes += flat.sample.warnings
    if flat.scores:
        notes.append(text("doctor.read-scores", file=foreign.SCORES, count=len(flat.scores)))
    told = told_by_answers("set", rows, flat.scores or {}, flat.settings)
    if flat.known:
        told["config"] = told["settings"]
    return _Answered(flat, notes, told)


def _of_flat(flat: foreign.Flat) -> Course:
    """The course of a run of seed 000's program."""
    course = of_log(flat.log or ())
    at = next((one for one in course.evaluations if one.step == flat.best_step), None)
    least = min((one.loss for one in course.evaluated), default=None)
    kept = at is not None and flat.final_loss is not None and _same(at.loss, flat.final_loss)
    return replace(
        course,
        rows=positive(flat.rows.get("train")),
        evaluation_rows=positive(flat.rows.get("validation")),
        best_step=None if at is None else at.step,
        kept_step=at.step if at is not None and kept else None,
        judged_by="loss" if at is not None and at.loss == least else None,
        stopped_early=_stopped_early(course, flat.settings),
        settings={key: value for key in _SETTINGS if (value := positive(flat.settings.get(key)))},
    )


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-6)


def _stopped_early(course: Course, settings: Mapping[str, Any]) -> bool:
    """Whether it ended before its time, after just as many evaluations as patience was for."""
    losses = [one.loss for one in course.evaluated]
    planned = positive(settings.get("train.epochs"))
    if not losses or planned is None or course.last_epoch is None:
        return False
    waited = len(losses) - 1 - losses.index(min(losses))
    patience = settings.get("train.early_stopping.patience")
    return waited == patience and course.last_epoch < planned - _EARLY


_SETTINGS = (
    "train.learning_rate", "train.loss.label_smoothing", "train.loss.focal_gamma", "train.epochs",
)  # fmt: skip
"""Settings that rules on training look at."""
