"""The one run that a folder holds further down, or under another name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from kunren.errors import InputError, Problem
from kunren.records.trainer import STATE
from kunren.types import Where

DEPTH = 3
"""Folders below the one that was named in which a state is looked for."""

MOST = 2000
"""Folders that are looked into at most: a home folder is no run."""

_LARGEST = 64 * 2**20
"""Bytes of a JSON file above which it is not read to see whether it is a state."""


def run_in(path: Path) -> Path:
    """The path to read: that of the only run in a folder that has no log of its own.

    Returns:
        The same path where it is a file, has something of a run itself, or holds no run at all.

    Raises:
        InputError: several runs are below it.
    """
    if not path.is_dir() or _has_own(path):
        return path
    renamed = [file for file in sorted(path.glob("*.json")) if _is_state(file)]
    if len(renamed) == 1:
        return renamed[0]
    runs = sorted({*renamed, *(_run_of(state) for state in _states(path))})
    if len(runs) > 1:
        names = " / ".join(str(run.relative_to(path)) for run in runs[:5])
        more = " …" if len(runs) > 5 else ""
        raise InputError(Problem("doctor.many-runs", Where(str(path)), {"runs": names + more}))
    return runs[0] if runs else path


def _has_own(path: Path) -> bool:
    known = (STATE, "checkpoint-*", "*.csv", "*.tsv", "config.json", "adapter_config.json")
    return any(next(path.glob(pattern), None) for pattern in known)


def _is_state(file: Path) -> bool:
    try:
        if file.stat().st_size > _LARGEST:
            return False
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(found.get("log_history"), list)


def _states(path: Path) -> Iterator[Path]:
    for looked, (folder, below, files) in enumerate(os.walk(path)):
        here = Path(folder)
        deep = len(here.relative_to(path).parts) >= DEPTH or looked > MOST
        below[:] = [] if deep else sorted(name for name in below if not name.startswith("."))
        if STATE in files:
            yield here / STATE


def _run_of(state: Path) -> Path:
    """The folder to read for a state: of a checkpoint the one that holds all of them."""
    folder = state.parent
    return folder.parent if folder.name.startswith("checkpoint-") else folder
