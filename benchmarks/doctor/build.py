"""From rows and settings to a small experiment in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.doctor import rows as made_rows
from benchmarks.doctor.case import Experiment
from benchmarks.doctor.models import model
from benchmarks.doctor.rows import Row

FAMILY = {
    "bert": "encoder",
    "wide": "encoder",
    "t5": "seq2seq",
    "gemma": "causal",
    "llama": "causal",
}

_SPLIT = {"train": 0.6, "validation": 0.15, "test": 0.25}

Settings = Mapping[str, Any]


def experiment(
    folder: Path,
    rows: Sequence[Row] | Mapping[str, Sequence[Row]],
    kind: str | Path = "bert",
    *,
    task: Settings | None = None,
    data: Settings | None = None,
    tuning: Settings | None = None,
    train: Settings | None = None,
    evaluate: Settings | None = None,
    family: str | None = None,
) -> Experiment:
    """Write an experiment's YAML and rows.

    Args:
        folder: where to.
        rows: all rows; or those of each side, under ``train``, ``validation`` and ``test``.
        kind: of tiny model, see ``models.model``; or a folder with one.
        task: section of the config, likewise the others; what is left out has a small default.
        data: likewise.
        tuning: likewise.
        train: likewise.
        evaluate: likewise.
        family: of a model in a folder.
    """
    sides = rows if isinstance(rows, Mapping) else {"train": rows}
    files = {side: f"{side}.jsonl" for side in sides}
    for side, some in sides.items():
        made_rows.write(folder / files[side], some)
    of = FAMILY[kind] if isinstance(kind, str) else family
    config: dict[str, Any] = {
        "name": "tiny",
        "task": {"kind": "classify", **(task or {})},
        "data": {**files, "split": _SPLIT, **(data or {})},
        "model": {"id": str(model(kind) if isinstance(kind, str) else kind), "family": of},
        "tuning": tuning
        or ({"train_embeddings": True} if of == "encoder" and isinstance(kind, str) else {}),
        "train": {"epochs": 4, "learning_rate": 3e-3, "batch_size": 8, "max_length": 128}
        | dict(train or {}),
        "evaluate": {"bootstrap": 200, **(evaluate or {})},
    }
    config["model"] |= config["task"].pop("model", {})
    path = folder / "tiny.yaml"
    path.write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")  # JSON is YAML
    return Experiment(path)
