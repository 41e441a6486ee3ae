"""A run folder read back: what reports and diagnoses are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kunren.errors import InputError, Problem
from kunren.records import files, predictions, trainlog
from kunren.records.folder import Run, State
from kunren.records.predictions import Predicted
from kunren.types import Where


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
    """

    path: Path
    state: State
    config: Mapping[str, Any] | None
    manifest: Mapping[str, Any] | None
    log: Sequence[Mapping[str, float | None]] | None
    metrics: Mapping[str, Any] | None
    predictions: Sequence[Predicted] | None
    findings: Mapping[str, Any] | None


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
        except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            detail = f"{type(error).__name__}: {error}"
            where = Where(str(path))
            problems.append(Problem("record.broken-file", where, {"detail": detail}))
            return None

    facts = Facts(
        path=folder,
        state=run.state,
        config=read("config.yaml", lambda p: yaml.safe_load(p.read_text(encoding="utf-8"))),
        manifest=read("manifest.json", files.read_json),
        log=read(trainlog.NAME, trainlog.read_log),
        metrics=read("eval_metrics.json", files.read_json),
        predictions=read(predictions.NAME, predictions.read_predictions),
        findings=read("findings.json", files.read_json),
    )
    if problems:
        raise InputError(problems)
    return facts
