"""Scoring predictions that were made elsewhere, on the same path as a run's own.

Gold and predictions are read (``data/answers.py``), matched, turned into the labels of a closed
set by the task, and given to ``evaluation.score.evaluate``. The result is what a run has in
``eval_metrics.json``, and beside it what was read and what must be known of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kunren.config.schema import EvaluateConfig, Fields, Labels, TaskConfig
from kunren.data.answers import AnswerFile, load, read_answers
from kunren.data.normalize import is_blank, normalize
from kunren.data.read import capped, read
from kunren.errors import InputError, Problem
from kunren.evaluation.baselines import BASELINES, run_baselines
from kunren.evaluation.score import evaluate
from kunren.evaluation.told import primary, system_name
from kunren.messages import text
from kunren.scoring import gold as golden
from kunren.scoring.gold import LabelKind
from kunren.scoring.systems import Named, System, predictions, read_predictions, systems_of
from kunren.tasks import Task, make_task
from kunren.textfile import excerpt, shown
from kunren.types import Item, Prediction, Row, Where

FEW_ROWS = 20
"""Fewer rows than this show next to nothing; the doctor warns below the same number."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be scored, and how.

    Attributes:
        gold: the file with the gold answers.
        predictions: the files with the predictions; the first is what others are compared with.
        task: what an answer is; its ``labels.kind`` gives way to ``label_kind``. None: it is told
            by how the gold answers are written, and said.
        written: how labels are written, where ``task`` is None.
        label_kind: "auto": emoji where all gold labels are.
        train: a file of training rows, for baselines.
        labels: the closed set; None: the labels of training and gold rows.
        columns: key of ``data.answers.NAMES`` → column.
        evaluate: resamples and seed.
    """

    gold: Path
    predictions: Sequence[Named]
    task: TaskConfig | None
    label_kind: LabelKind = "auto"
    train: Path | None = None
    labels: Sequence[str] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    written: Labels = field(default_factory=Labels)


@dataclass(frozen=True, slots=True)
class _Ready:
    """All that is scored, checked and matched."""

    config: TaskConfig
    task: Task
    gold: AnswerFile
    items: Sequence[Item]
    labels: Sequence[str]
    train: Sequence[Item]
    systems: Sequence[System]
    how_read: Sequence[Problem]


def score(asked: Asked) -> dict[str, Any]:
    """Score all prediction files on the gold rows.

    Returns:
        ``eval_metrics.json`` and beside it ``subject`` (the system that ``paired`` compares with
        the others), ``read`` (files, columns, how they were matched, where the closed set is from)
        and ``notes`` (what must be known of the numbers).

    Raises:
        InputError: with everything that is wrong with the files, at once.
    """
    ready = _ready(asked)
    task, items, labels = ready.task, ready.items, ready.labels
    partial: Counter[str] = Counter()
    said = {one.name: predictions(one, task, items, labels, partial) for one in ready.systems}
    if asked.train is not None:
        said |= run_baselines("all", task.answers, ready.train, (), items, labels)
    subject = ready.systems[0].name
    metrics = evaluate(
        items, labels, said, asked.evaluate, task.answers, task.levels, subject=subject
    )
    for one in ready.systems:
        if one.own is None:
            _sign(metrics["systems"][one.name])
    notes = [
        *(
            text("score.all-empty", name=excerpt(system_name(one.name)), all=len(said[one.name]))
            for one in ready.systems
            if said[one.name] and all(map(_is_empty, said[one.name]))
        ),
        *_notes(metrics, ready, partial, guessed=asked.task is None),
    ]
    return metrics | {"subject": subject, "read": _told(asked, ready), "notes": notes}


def _ready(asked: Asked) -> _Ready:
    parsed, plain = load(asked.gold)
    gold = read_answers(asked.gold, parsed, plain, asked.columns, "gold")
    files = [read_predictions(one, asked.columns) for one in asked.predictions]
    broken = list(gold.problems)
    known: tuple[Row, ...] = ()
    trained: tuple[Problem, ...] = ()
    if asked.train is not None:
        columns = {k: v for k, v in asked.columns.items() if k in Fields.model_fields}
        found = read(asked.train, Fields(**columns))
        known, broken, trained = found.rows, [*broken, *found.problems], found.notes
    if broken:
        _stop([*broken, *(p for file in files for p in file.answers.problems)])
    asked_task = asked.task or TaskConfig(kind=golden.told_kind(gold), labels=asked.written)
    config = golden.with_kind(asked_task, asked.label_kind, gold)
    task = make_task(config)
    rows, closed = golden.rows_of(gold), golden.closed_rows(asked.labels or ())
    broken = golden.problems(task, rows, known, closed)
    items, places = golden.items_of(task, rows, gold)
    train = task.items(task.prepare(known))
    taken = set(BASELINES[task.answers]) if asked.train else set()
    systems, wrong = systems_of(files, items, places, gold.has_ids, taken)
    problems = [*broken, *wrong]
    problems += [] if asked.train is None else _without_text(items, places)
    labels = golden.closed_set(task, closed, (*train, *items))
    if task.answers == "label" and len(labels) < 2:
        problems.append(Problem("score.one-label", Where(gold.path), {"label": "".join(labels)}))
    _stop(problems)
    how_read = [*gold.notes, *trained, *(note for one in files for note in one.answers.notes)]
    return _Ready(config, task, gold, items, labels, train, systems, how_read)


def _stop(problems: Sequence[Problem]) -> None:
    if problems:
        raise InputError(capped(problems))


def _without_text(items: Sequence[Item], places: Sequence[Where]) -> list[Problem]:
    """Gold rows that a baseline could not answer; one problem where none has a text."""
    found = [
        Problem("score.gold-no-text", place)
        for item, place in zip(items, places, strict=True)
        if is_blank(item.text)
    ]
    if found and len(found) == len(items):
        return [Problem("score.gold-no-texts", Where(places[0].path))]
    return found


def _sign(scores: dict[str, dict[str, Any]]) -> None:
    """Say that labels were read off what was written: no model chose among them."""
    for found in scores.values():
        found["signature"] = found["signature"].replace("decode:closed-set", "read:written")


def _told(asked: Asked, ready: _Ready) -> dict[str, Any]:
    """What was read, and how."""
    found = "gold" if asked.train is None else "train-and-gold"
    labelled = ready.task.answers != "text"
    return {
        "gold": {"file": ready.gold.path, "column": ready.gold.column},
        "train": None if asked.train is None else shown(asked.train),
        "labels_from": ("option" if asked.labels else found) if labelled else None,
        "label_kind": ready.config.labels.kind if labelled else None,
        "systems": {
            one.name: {"file": one.file, "column": one.column, "matched_by": one.matched.by}
            for one in ready.systems
        },
    }


def _is_empty(prediction: Prediction) -> bool:
    """Whether nothing was answered: no label, and nothing else either."""
    return not (prediction.labels or prediction.invalid or (prediction.generated or "").strip())


def _notes(
    metrics: Mapping[str, Any], ready: _Ready, partial: Mapping[str, int], *, guessed: bool
) -> list[str]:
    """What must be known of the numbers."""
    items = ready.items
    notes = [str(note) for note in ready.how_read]
    if guessed:
        notes.insert(0, text("score.task-guessed", task=ready.config.kind))
    if metrics["rows"] < FEW_ROWS:
        notes.append(text("score.few-rows", rows=metrics["rows"]))
    for one in ready.systems:
        left_out = metrics["systems"][one.name][primary(metrics)]["n_unscored"]
        said: dict[str, object] = {"name": excerpt(system_name(one.name)), "all": len(items)}
        if left_out:
            notes.append(text("score.unscored", count=left_out, **said))
        if partial.get(one.name):
            notes.append(text("score.partial", count=partial[one.name], **said))
    known = set(ready.labels)
    outside = Counter(label for item in items for label in item.labels if label not in known)
    if outside:
        named = text("score.list").join(excerpt(label) for label in list(outside)[:10])
        notes.append(text("score.gold-outside", count=outside.total(), labels=named))
    asked = {normalize(item.text) for item in ready.train}
    seen = sum(normalize(item.text) in asked for item in items) if asked else 0
    if seen:
        notes.append(text("score.in-train", count=seen, all=len(items)))
    return notes
