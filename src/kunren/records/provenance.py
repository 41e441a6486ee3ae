"""``manifest.json``: what a run was made from, and with what, so that it can be made again.

Nothing in it tells who or where: no absolute paths, host or user names, no environment variables.
"""

from __future__ import annotations

import hashlib
import os
import platform
import statistics
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any

from kunren import __version__
from kunren.errors import InputError, Problem
from kunren.records import files
from kunren.types import Item, Where

SCHEMA = 1

PACKAGES = (
    "accelerate",
    "emoji",
    "fugashi",
    "gguf",
    "matplotlib",
    "numpy",
    "peft",
    "pyarrow",
    "pydantic",
    "sacrebleu",
    "safetensors",
    "scikit-learn",
    "scipy",
    "sentencepiece",
    "tokenizers",
    "torch",
    "transformers",
    "unidic-lite",
)
"""Packages whose version can change a number of the record."""

WEIGHTS = (".safetensors", ".gguf", ".bin")

SOURCES = (
    "config.yaml", "eval_metrics.json", "predictions.jsonl", "train_log.csv", "check.json",
    "guards.json", "repair.json",
)  # fmt: skip
"""Files that a record is made from, and that nothing changes after the run."""

_NOT_HASHED = {"manifest.json", "status.json", "summary.md"}


def manifest(
    *,
    seeds: Mapping[str, int | Sequence[int]],
    data: Mapping[str, Any],
    model: Mapping[str, Any],
    training: Mapping[str, Any],
    timings: Mapping[str, float],
    accelerators: Sequence[str] = (),
    repository: Path | None = None,
) -> dict[str, Any]:
    """The content of ``manifest.json``, but for the artefacts' hashes.

    Args:
        seeds: what was seeded → seed, or seeds where it was done several times.
        data: from ``data_facts``.
        model: from ``model_facts``.
        training: how training went: ``best_epoch``, ``epochs_done``, ``stopped_early``,
            ``rows_per_second`` and what else the caller knows; numbers and strings.
        timings: stage → seconds.
        accelerators: names of the GPUs in use, as torch gives them.
        repository: a folder of the experiment; its git commit is recorded if it has one.
    """
    return {
        "schema": SCHEMA,
        "kunren": __version__,
        "git": None if repository is None else git_state(repository),
        "python": platform.python_version(),
        "packages": _versions(),
        "machine": machine(accelerators),
        "seeds": dict(seeds),
        "data": dict(data),
        "model": dict(model),
        "training": dict(training),
        "timings": {stage: round(seconds, 2) for stage, seconds in timings.items()},
    }


def data_facts(
    read: Mapping[str, Path],
    splits: Mapping[str, Sequence[Item]],
    labels: Sequence[str],
    filters: Mapping[str, Any] | None = None,
    overlaps: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the manifest says of the data.

    Args:
        read: role ("train", "validation", "test") → the file it was read from.
        splits: "train", "validation", "test" → its items.
        labels: the closed set; empty where answers are free text.
        filters: what the label filters took out, as plain JSON; None: there are none.
        overlaps: what held-out rows have in common with training rows, as plain JSON by split;
            None: that was not looked for.

    Returns:
        ``files`` (name, size, SHA-256), ``rows``, ``items``, ``labels`` (rows that have each),
        ``sets`` (where items have labels: how many in all, how many different, and their mean
        number an item; also of "all" splits), ``lengths`` of questions and answers in characters,
        ``turns`` (answers a row → rows) of each split, ``filters``, ``overlaps``, and
        ``fingerprint``, a hash of which row is in which split.
    """
    counted = {
        name: Counter(label for item in items for label in item.labels)
        for name, items in splits.items()
    }
    everything = [item for items in splits.values() for item in items]
    return {
        "files": dict(zip(read, file_facts(list(read.values())), strict=True)),
        "rows": {name: len({item.row_id for item in items}) for name, items in splits.items()},
        "items": {name: len(items) for name, items in splits.items()},
        "labels": {
            label: {name: counts[label] for name, counts in counted.items()} for label in labels
        },
        "sets": {name: _set_facts(items) for name, items in {**splits, "all": everything}.items()},
        "lengths": {
            name: {
                "question": _spread([len(item.text) for item in items]),
                "answer": _spread([len(item.answer) for item in items]),
            }
            for name, items in splits.items()
        },
        "turns": {name: _turns(items) for name, items in splits.items()},
        "filters": None if filters is None else dict(filters),
        "overlaps": None if overlaps is None else dict(overlaps),
        "fingerprint": split_fingerprint(splits),
    }


def file_facts(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of each file."""
    return [
        {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)} for path in paths
    ]


def _set_facts(items: Sequence[Item]) -> dict[str, Any] | None:
    counts = Counter(label for item in items for label in item.labels)
    if not counts:
        return None
    return {
        "total": counts.total(),
        "different": len(counts),
        "mean": counts.total() / len(items),
    }


def _spread(lengths: Sequence[int]) -> dict[str, float] | None:
    """Least, median, mean and greatest; None of nothing."""
    if not lengths:
        return None
    return {
        "min": min(lengths),
        "median": statistics.median(lengths),
        "mean": statistics.fmean(lengths),
        "max": max(lengths),
    }


def _turns(items: Sequence[Item]) -> dict[str, int]:
    of_rows = Counter(item.row_id for item in items)
    return {str(turns): rows for turns, rows in sorted(Counter(of_rows.values()).items())}


def split_fingerprint(splits: Mapping[str, Sequence[Item]]) -> str:
    """A hash of which row stands in which split, whatever the order."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        rows = sorted({item.row_id for item in splits[name]})
        digest.update("\x1f".join((name, *rows)).encode("utf-8") + b"\x1e")
    return digest.hexdigest()


def model_facts(
    id_: str, folder: Path, *, parameters: int, trainable: int, revision: str | None = None
) -> dict[str, Any]:
    """What the manifest says of the model that training began with.

    Args:
        id_: ``model.id`` of the config; of an absolute path only the last part is kept.
        folder: the local folder that it was loaded from.
        parameters: how many weights it has.
        trainable: how many of them move.
        revision: of the hub.
    """
    found = sorted(p for p in folder.iterdir() if p.suffix in WEIGHTS or p.name == "config.json")
    return {
        "id": PurePath(id_).name if PurePath(id_).is_absolute() else id_,
        "revision": revision,
        "parameters": parameters,
        "trainable": trainable,
        "sha256": {path.name: sha256(path) for path in found},
    }


def artefacts(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of each file of a finished record, by its path within the folder.

    Left out: the manifest itself, the status, ``work/``, and ``summary.md``, which the user may
    write into.
    """
    found = sorted(p for p in folder.rglob("*") if p.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in found}
    return {
        name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for name, path in names.items()
        if name not in _NOT_HASHED and not name.startswith(("work/", "."))
    }


def check_sources(folder: Path) -> None:
    """See that the files that a record is made from are those that the run ended with.

    Raises:
        InputError: some have gone or been changed; all are named.
    """
    path = folder / "manifest.json"
    kept = files.read_object(path).get("artefacts") if path.is_file() else {}
    problems = [] if path.is_file() else [Problem("record.gone-file", Where(str(path)))]
    for name in SOURCES:
        source, known = folder / name, (kept or {}).get(name)
        if known is None:
            continue
        if not source.is_file():
            problems.append(Problem("record.gone-file", Where(str(source))))
        elif sha256(source) != known["sha256"]:
            problems.append(Problem("record.changed-file", Where(str(source))))
    if problems:
        raise InputError(problems)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of the repository that ``folder`` is in, and whether files differ from it.

    None without a repository, a commit, or git.
    """
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain")
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": bool(changed)}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True, check=True, text=True, timeout=10,
    )  # fmt: skip
    return done.stdout.strip()


def machine(accelerators: Sequence[str] = ()) -> dict[str, Any]:
    """System, processor, cores, memory and accelerators; no names of host or user."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_bytes": _memory(),
        "accelerators": list(accelerators),
    }


def _processor() -> str | None:
    described = Path("/proc/cpuinfo")
    if described.is_file():
        for line in described.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
