"""What an experiment tracker is given of a run: settings, curves, final numbers, files."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

from kunren.doctor.remarks import remarks
from kunren.errors import InputError, Problem
from kunren.evaluation.told import verdict_sentence
from kunren.records.facts import Facts, read_facts
from kunren.report.format import clean
from kunren.types import Where

_FILES = ("summary.md", "report.html", "eval_metrics.json", "findings.json", "train_log.csv")
_PATHS = re.compile(r"data\.(train|validation|test)|model\.id")
_KEY = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Content:
    """A finished run, as it is exported.

    Attributes:
        folder: the run folder.
        name: its name.
        identity: tells this run from every other one; the same each time that it is exported.
        settings: every key of the config, dotted, as text. Of absolute paths only the last part:
            they tell who made the run.
        facts: what else a reader would look for: version, commit, rows of each split.
        curves: (step, column of ``train_log.csv`` → value), without empty cells.
        results: ``<system>/<metric>`` → value, with ``…_low`` and ``…_high`` for its 95 % interval.
        verdict: in one sentence; empty where nothing was scored.
        findings: (severity, message) of what the doctor saw.
        files: what goes along, by its path within the folder.
        began: seconds since 1970.
        ended: likewise.
    """

    folder: Path
    name: str
    identity: str
    settings: Mapping[str, str]
    facts: Mapping[str, str]
    curves: Sequence[tuple[int, Mapping[str, float]]]
    results: Mapping[str, float]
    verdict: str
    findings: Sequence[tuple[str, str]]
    files: Sequence[str]
    began: float
    ended: float


def read_content(folder: Path) -> Content:
    """What is exported of a run folder; the folder is only read.

    Raises:
        InputError: not a run folder, a file of it is broken, or the run is not finished.
    """
    facts = read_facts(folder)
    if facts.state.status != "finished":
        said: dict[str, object] = {"stage": facts.state.stage, "path": folder}
        raise InputError(Problem("run.unfinished", Where(str(folder)), said))
    name = folder.resolve().name
    charts = sorted(f"charts/{path.name}" for path in (folder / "charts").glob("*.png"))
    return Content(
        folder=folder,
        name=name,
        identity=hashlib.sha256(f"{name}\0{facts.state.started}".encode()).hexdigest()[:16],
        settings=dict(_settings(facts.config or {})),
        facts=_facts(facts),
        curves=_curves(facts.log or ()),
        results=_results(facts.metrics or {}),
        verdict=clean(verdict_sentence(facts.metrics)) if facts.metrics else "",
        findings=[
            (remark.severity, clean(remark.message))
            for remark in remarks((facts.findings or {}).get("findings", ()))
        ],
        files=[file for file in (*_FILES, *charts) if (folder / file).is_file()],
        began=datetime.fromisoformat(facts.state.started).timestamp(),
        ended=datetime.fromisoformat(facts.state.updated).timestamp(),
    )


def _settings(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The config with dotted keys. Keys that are data, such as labels, stay within their value."""
    for key, value in section.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and all(_KEY.fullmatch(str(k)) for k in value):
            yield from _settings(value, f"{name}.")
        elif isinstance(value, str):
            known = _PATHS.fullmatch(name) and PurePath(value).is_absolute()
            yield name, PurePath(value).name if known else value
        else:
            yield name, json.dumps(value, ensure_ascii=False)


def _facts(facts: Facts) -> dict[str, str]:
    manifest = facts.manifest or {}
    git = manifest.get("git") or {}
    rows: Mapping[str, int] = manifest.get("data", {}).get("rows", {})
    found = {
        "kunren.version": manifest.get("kunren"),
        "kunren.commit": git.get("commit"),
        "kunren.split": manifest.get("data", {}).get("fingerprint"),
        "kunren.best_epoch": manifest.get("training", {}).get("best_epoch"),
        **{f"kunren.rows.{split}": count for split, count in rows.items()},
    }
    return {key: str(value) for key, value in found.items() if value is not None}


def _curves(log: Sequence[Mapping[str, float | None]]) -> list[tuple[int, dict[str, float]]]:
    found = []
    for number, row in enumerate(log, start=1):
        step = row.get("step")
        values = {k: v for k, v in row.items() if v is not None and k != "step"}
        found.append((number if step is None else int(step), values))
    return found


def _results(metrics: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for system, scores in metrics.get("systems", {}).items():
        for metric, score in scores.items():
            if score["value"] is None or not math.isfinite(score["value"]):
                continue
            name = f"{system}/{metric}"
            found[name] = score["value"]
            if score["ci95"] is not None:
                found[f"{name}_low"], found[f"{name}_high"] = score["ci95"]
    return found
