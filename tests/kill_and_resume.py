"""Kill a run at random moments, resume it each time, compare with the undisturbed run.

A process of its own: it imports everything once and forks a child for every run, so that ten kills
take seconds. ``test_experiment.py`` calls it; by hand: ``python kill_and_resume.py CONFIG OUTPUT``.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Before torch is imported: a forked child must not wait for threads that only its parent had.
os.environ["OMP_NUM_THREADS"] = "1"

import matplotlib.pyplot
import sklearn.linear_model
import torch
import transformers.trainer

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.forked import ask_forked_process

from kunren import experiment
from kunren.doctor import engine
from kunren.models import adapter, verify
from kunren.progress import Silent
from kunren.records.folder import Run
from kunren.report import render
from kunren.training import fit

verify._ask_fresh_process = ask_forked_process
WARM = (matplotlib, sklearn, transformers, adapter, engine, render, fit)


def in_child(work: Callable[[], object], seconds: float | None) -> bool:
    """Do ``work`` in a forked child, killed after ``seconds``; whether it came to its end."""
    child = os.fork()
    if not child:
        torch.set_num_threads(1)
        try:
            work()
        except BaseException as error:
            print(repr(error), error, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("the run failed")
    return os.WIFEXITED(status)


def metrics(run: Path) -> object:
    found: dict[str, object] = json.loads((run / "eval_metrics.json").read_text(encoding="utf-8"))
    return found["systems"], found["paired"], found["prompted"]


def settled(run: Path) -> str:
    """The run's status, once what the killed process had forked is gone too and lets go of it."""
    for _ in range(100):
        status = Run.open(run).state.status
        if status != "running":
            break
        time.sleep(0.1)
    return status


def main(config: Path, output: Path, kills: int) -> None:
    def begin(folder: Path) -> Callable[[], object]:
        return lambda: experiment.run(config, (), folder, Silent())

    begun = time.monotonic()
    in_child(begin(output / "whole"), None)
    length = time.monotonic() - begun
    (whole,) = (output / "whole").iterdir()
    moments = random.Random(7)
    for number in range(kills):
        folder = output / f"killed-{number}"
        in_child(begin(folder), moments.uniform(0.02, 1.0) * length)
        runs = (
            [p for p in folder.iterdir() if not p.name.startswith(".")] if folder.exists() else []
        )
        if not runs:
            continue  # before the run began: nothing to resume
        (run,) = runs
        stage = json.loads((run / "status.json").read_text())["stage"]
        while (status := settled(run)) != "finished":
            assert status == "interrupted", status
            # Half of those that go on are killed a second time.
            again = moments.uniform(0.02, 1.0) * length if moments.random() < 0.5 else None
            in_child(lambda run=run: experiment.resume(run, Silent()), again)  # type: ignore[misc]
        same = metrics(run) == metrics(whole)
        print(f"killed in {stage}: {'same' if same else 'DIFFERENT'}", flush=True)
        assert same
        weights = "model/model.safetensors"
        assert (run / weights).read_bytes() == (whole / weights).read_bytes()
    print("all the same")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 10)
