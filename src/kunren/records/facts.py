"""A run folder read back: what reports and diagnoses are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kunren.config.document import parse
from kunren.config.schema import LOWER_IS_BETTER
from kunren.errors import InputError, Problem
from kunren.records import files, guards, predictions, task_file, trainlog
from kunren.records.folder import Run, State
from kunren.records.predictions import Predicted
from kunren.tasks import Answers

_ANSWERS: Mapping[str, Answers] = {"classify": "label", "tag": "set", "answer": "text"}
_JUDGED_BY: Mapping[Answers, str] = {"label": "accuracy", "set": "jaccard", "text": "loss"}


@dataclass(frozen=True, slots=True)
class Facts:
    """The files of one run folder; None or empty where a file is not there (yet).

    Attributes:
        path: the run folder.
        state: how far the run is.
        config: ``config.yaml``.
        manifest: ``manifest.json``.
        log: rows of ``train_log.csv``.
        metrics: ``eval_metrics.json``.
        predictions: rows of ``predictions.jsonl``.
        findings: ``findings.json``.
        task: what was asked of the saved model.
        guards: ``guards.json``, what was told while training ran.
        repair: ``repair.json``, how ``kunren run --fix`` came to this run.
    """

    path: Path
    state: State
    config: Mapping[str, Any] | None
    manifest: Mapping[str, Any] | None
    log: Sequence[Mapping[str, float | None]] | None
    metrics: Mapping[str, Any] | None
    predictions: Sequence[Predicted] | None
    findings: Mapping[str, Any] | None
    task: Mapping[str, Any] | None
    guards: Mapping[str, Any] | None = None
    repair: Mapping[str, Any] | None = None

    @property
    def answers(self) -> Answers:
        """What an answer of this run is; of an unfinished run by its config."""
        if self.metrics is not None and "answers" in self.metrics:
            said: Answers = self.metrics["answers"]
            return said
        return _ANSWERS[(self.config or {}).get("task", {}).get("kind", "classify")]

    @property
    def judged_by(self) -> str:
        """The metric that chose the checkpoint: ``train.metric``, or its default."""
        said: str | None = (self.config or {}).get("train", {}).get("metric")
        return said or _JUDGED_BY[self.answers]

    @property
    def lower_is_better(self) -> bool:
        """Whether ``judged_by`` is best when low."""
        return self.judged_by in LOWER_IS_BETTER


def read_facts(folder: Path) -> Facts:
    """Read a run folder.

    Raises:
        InputError: not a run folder, or files of it cannot be read (all of them are named).
    """
    run = Run.open(folder)
    problems: list[Problem] = []

    def read(name: str, reader: Callable[[Path], Any]) -> Any:
        path = folder / name
        if not path.is_file():
            return None
        try:
            return reader(path)
        except InputError as error:
            problems.extend(error.problems)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            problems.extend(files.broken(path, error).problems)
        return None

    facts = Facts(
        path=folder,
        state=run.state,
        config=read("config.yaml", _read_config),
        manifest=read("manifest.json", files.read_object),
        log=read(trainlog.NAME, trainlog.read_log),
        metrics=read("eval_metrics.json", _read_metrics),
        predictions=read(predictions.NAME, predictions.read_predictions),
        findings=read("findings.json", files.read_object),
        task=read(f"model/{task_file.NAME}", files.read_object),
        guards=read(guards.NAME, files.read_object),
        repair=read("repair.json", files.read_object),
    )
    if problems:
        raise InputError(problems)
    return facts


def _read_metrics(path: Path) -> Mapping[str, Any]:
    """The metrics, if every score has what all readers of it ask for.

    Raises:
        InputError: it is no JSON object.
        KeyError: a score lacks its value or its interval.
        TypeError: likewise, or is none.
    """
    metrics = files.read_object(path)
    for scores in metrics["systems"].values():
        for score in scores.values():
            value, ends = score["value"], score["ci95"]
            numbers = [one for one in (value, *(ends or ())) if one is not None]
            if not all(isinstance(one, int | float) for one in numbers) or len(ends or "12") != 2:
                raise TypeError(score)
    return metrics


def _read_config(path: Path) -> Mapping[str, Any]:
    """The config as plain values.

    Raises:
        InputError: it is no YAML, or no mapping.
    """
    document = parse(files.read_text(path), str(path), ())
    if document.problems:
        raise InputError(document.problems)
    if not isinstance(document.value, dict):
        raise files.broken(path, TypeError())
    return document.value
