"""Checkpoints that a kill at any moment leaves whole.

A checkpoint folder is in the Trainer's own layout, so that the Trainer resumes from it, but holds
only the weights that move. It is written under another name and renamed when complete: a folder
``checkpoint-N`` is whole. The weights of the best evaluation lie beside it as
``best-N.safetensors``, where N is the step. Only the newest checkpoint and the best weights stay.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainerState

_WRITING = ".writing-"
_PROGRESS = "kunren.json"

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


def newest(folder: Path) -> tuple[Path, Point] | None:
    """The newest whole checkpoint in ``folder`` and where it stands."""
    whole = [p for p in folder.glob("checkpoint-*") if p.name.removeprefix("checkpoint-").isdigit()]
    if not whole:
        return None
    path = max(whole, key=lambda p: int(p.name.removeprefix("checkpoint-")))
    held = json.loads((path / _PROGRESS).read_text(encoding="utf-8"))
    held["rows"] = tuple(held["rows"])
    held["values"] = tuple((e, s, v) for e, s, v in held["values"])
    return path, Point(**held)


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
    """Write the checkpoint of ``point``, then remove what it makes superfluous."""
    weights = {n: p.detach().contiguous() for n, p in model.named_parameters() if p.requires_grad}
    if best_step == point.step:
        partial = folder / f"{_WRITING}best"
        save_file(weights, partial)
        partial.replace(_best(folder, best_step))
    path = folder / f"checkpoint-{point.step}"
    partial = folder / f"{_WRITING}{path.name}"
    partial.mkdir()
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    torch.save(optimizer.state_dict(), partial / "optimizer.pt")
    torch.save(scheduler.state_dict(), partial / "scheduler.pt")
    torch.save(_random_states(), partial / "rng_state.pth")
    state.save_to_json(str(partial / "trainer_state.json"))
    (partial / _PROGRESS).write_text(json.dumps(asdict(point)), encoding="utf-8")
    partial.replace(path)
    kept = {path, _best(folder, best_step)}
    for old in [*folder.glob("checkpoint-*"), *folder.glob("best-*.safetensors")]:
        if old not in kept:
            _remove(old)


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
