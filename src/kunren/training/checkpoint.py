"""Checkpoints that a kill at any moment leaves whole.

A checkpoint folder is in the Trainer's own layout, so that the Trainer resumes from it, but holds
only the weights that move. It is written under another name, synced, and renamed when complete. The
weights of the best evaluation lie beside it as ``best-N.safetensors``, where N is the step. The two
newest checkpoints stay, with the best weights of each: a disk may damage a file that was whole.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainerState

from kunren.models.disk import writing

_WRITING = ".writing-"
_PROGRESS = "kunren.json"
_KEPT = 2
_WEIGHTS = "model.safetensors"
_PICKLED = ("optimizer.pt", "scheduler.pt", "rng_state.pth")
_STATE = "trainer_state.json"
_BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a JSON file of another shape than ours may raise."""

Row = dict[str, float | int | None]


@dataclass(frozen=True, slots=True)
class Point:
    """Where training stands after an evaluation.

    Attributes:
        step: optimiser steps done.
        rows: the training log so far.
        values: (epoch, step, value of the chosen metric) of each evaluation; None where it could
            not be computed.
        seconds: training time so far, over all runs of the process.
        seen: rows trained so far, counted once an epoch.
        scale: state of the loss scale, in float16 training.
    """

    step: int
    rows: tuple[Row, ...]
    values: tuple[tuple[float, int, float | None], ...]
    seconds: float
    seen: int
    scale: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Damaged:
    """A checkpoint that cannot be gone on from, and the first of its files that is not whole."""

    checkpoint: str
    file: str


def newest(folder: Path) -> tuple[tuple[Path, Point] | None, tuple[Damaged, ...]]:
    """The newest checkpoint that can be gone on from, and where it stands; None: there is none.

    What was damaged on the way there is removed, and told.
    """
    damaged: list[Damaged] = []
    for path in reversed(_checkpoints(folder)):
        file = _damaged_file(path)
        if file is None:
            return (path, _point(path)), tuple(damaged)
        damaged.append(Damaged(path.name, file))
        _remove(path)
    return None, tuple(damaged)


def _checkpoints(folder: Path) -> list[Path]:
    """Checkpoints by name, the oldest first."""
    named = [p for p in folder.glob("checkpoint-*") if p.name.removeprefix("checkpoint-").isdigit()]
    return sorted(named, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def _point(path: Path) -> Point:
    held = _progress(path)
    return Point(
        step=int(held["step"]),
        rows=tuple(held["rows"]),
        values=tuple((e, s, v) for e, s, v in held["values"]),
        seconds=float(held["seconds"]),
        seen=int(held["seen"]),
        scale=held.get("scale"),
    )


def _progress(path: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads((path / _PROGRESS).read_text(encoding="utf-8"))
    return held


def _damaged_file(path: Path) -> str | None:
    """The first file of a checkpoint, or of the best weights it rests on, that is not whole."""
    try:
        _point(path)
        best = _progress(path).get("best")
    except _BROKEN:
        return _PROGRESS
    try:
        TrainerState.load_from_json(str(path / _STATE))
    except _BROKEN:
        return _STATE
    weights = [path / _WEIGHTS, *([] if best is None else [_best(path.parent, int(best))])]
    for file in weights:
        try:
            with safe_open(file, framework="pt") as opened:  # it holds the header against the size
                opened.keys()
        except (OSError, SafetensorError):
            return file.name
    for name in _PICKLED:
        try:
            with zipfile.ZipFile(path / name) as archive:
                whole = archive.testzip() is None
        except (OSError, zipfile.BadZipFile):
            whole = False
        if not whole:
            return name
    return None


def discard_unfinished(folder: Path) -> list[str]:
    """Remove what a kill left half-written; returns the names."""
    names = []
    for path in folder.glob(f"{_WRITING}*"):
        names.append(path.name.removeprefix(_WRITING))
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return names


def discard_all(folder: Path) -> None:
    """Remove every checkpoint, for training anew."""
    discard_unfinished(folder)
    for path in [*folder.glob("checkpoint-*"), *folder.glob("best-*.safetensors")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def save(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
    state: TrainerState,
    point: Point,
    best_step: int,
) -> None:
    """Write the checkpoint of ``point``, then remove what it makes superfluous.

    Raises:
        OSError: it cannot be written.
    """
    with writing(folder):
        _write(folder, model, (optimizer, scheduler), state, point, best_step)
    _keep_newest(folder)


def _write(
    folder: Path,
    model: nn.Module,
    movers: tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler],
    state: TrainerState,
    point: Point,
    best_step: int,
) -> None:
    weights = {n: p.detach().contiguous() for n, p in model.named_parameters() if p.requires_grad}
    if best_step == point.step:
        partial = folder / f"{_WRITING}best"
        save_file(weights, partial)
        _sync(partial)
        partial.replace(_best(folder, best_step))
    path = folder / f"checkpoint-{point.step}"
    partial = folder / f"{_WRITING}{path.name}"
    partial.mkdir()
    save_file(weights, partial / _WEIGHTS, metadata={"format": "pt"})
    states = (*(mover.state_dict() for mover in movers), _random_states())
    for name, held in zip(_PICKLED, states, strict=True):
        torch.save(held, partial / name)
    state.save_to_json(str(partial / _STATE))
    progress = json.dumps(asdict(point) | {"best": best_step})
    (partial / _PROGRESS).write_text(progress, encoding="utf-8")
    for file in (*partial.iterdir(), partial):
        _sync(file)
    partial.replace(path)
    _sync(folder)


def _keep_newest(folder: Path) -> None:
    kept = _checkpoints(folder)[-_KEPT:]
    best = {_best(folder, step) for path in kept if (step := _best_step(path)) is not None}
    for old in [*folder.glob("checkpoint-*"), *folder.glob("best-*.safetensors")]:
        if old not in {*kept, *best}:
            _remove(old)


def _best_step(path: Path) -> int | None:
    try:
        return int(_progress(path)["best"])
    except _BROKEN:
        return None


def _sync(path: Path) -> None:
    """See that what was written is on the disk before a rename says that it is whole."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_best(folder: Path, model: nn.Module, step: int) -> None:
    """Put the weights of the best evaluation into ``model``."""
    _put(model, load_file(_best(folder, step)))


def _put(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in weights.items():
            parameters[name].copy_(weight)


def _remove(path: Path) -> None:
    """Remove a checkpoint so that a kill in between leaves nothing that looks whole."""
    if path.is_dir():
        path = path.rename(path.with_name(f"{_WRITING}{path.name}"))
        shutil.rmtree(path)
    else:
        path.unlink()


def _best(folder: Path, step: int) -> Path:
    return folder / f"best-{step}.safetensors"


def _random_states() -> dict[str, Any]:
    """The generators' states, under the names by which the Trainer restores them."""
    states: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # the generator that libraries use
        "cpu": torch.random.get_rng_state(),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.random.get_rng_state()
    return states
