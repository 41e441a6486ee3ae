"""Trains a tiny model in forked children that kill themselves; prints what they end with.

Run as a script: ``killed_run.py FOLDER EVENT...``. The n-th child sends itself SIGKILL at its
EVENT-th event (an optimiser step, or any step of writing or removing a checkpoint); the last one
runs to its end and prints a JSON object.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny  # type: ignore[import-not-found]
import torch

from kunren.config.schema import TrainConfig, TuningConfig
from kunren.progress import Silent
from kunren.training import checkpoint
from kunren.training.fit import fit
from kunren.training.optimizer import MasterAdamW


def kill_at(event: int) -> None:
    seen = 0

    def counted(inner: Callable[..., Any]) -> Callable[..., Any]:
        def outer(*args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == event:
                os.kill(os.getpid(), signal.SIGKILL)
            return inner(*args, **kwargs)

        return outer

    for owner, name in (
        (MasterAdamW, "step"),
        (checkpoint, "save_file"),
        (torch, "save"),
        (Path, "replace"),
        (shutil, "rmtree"),
    ):
        setattr(owner, name, counted(getattr(owner, name)))


def run(folder: Path) -> None:
    model = tiny.gemma(torch.bfloat16)
    model.config.attention_dropout = 0.1
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.1  # so that the random state matters
    config = TrainConfig(
        epochs=4, learning_rate=1e-2, batch_size=4, gradient_accumulation=2, metric="loss"
    )
    fitted = fit(
        model,
        "causal",
        tiny.PAD,
        tiny.rows(22),
        tiny.rows(6, seed=1),
        config,
        TuningConfig(),
        folder,
        resume=True,
        progress=Silent(),
    )
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().float().numpy().tobytes())
    history = [{k: v for k, v in row.items() if k != "rows_per_second"} for row in fitted.history]
    print(
        json.dumps(
            {
                "weights": digest.hexdigest(),
                "history": history,
                "best": [fitted.best_epoch, fitted.best_step, fitted.best_value],
                "left": sorted(p.name for p in folder.iterdir()),
            }
        ),
        flush=True,
    )


def main() -> None:
    torch.set_num_threads(1)  # a forked child has no other threads
    folder = Path(sys.argv[1])
    for event in [*map(int, sys.argv[2:]), 0]:
        child = os.fork()
        if child == 0:
            if event:
                kill_at(event)
            run(folder)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if event and not os.WIFSIGNALED(status):
            sys.exit(f"the child of event {event} was not killed")
        if not event and status:
            sys.exit(f"the last child failed: {status}")


if __name__ == "__main__":
    main()
