"""The peer, finetune-doctor: what it is given of a run, and which of its findings name a fault.

It reads the history of the Hugging Face Trainer, ``trainer_state.json``, in an output folder with
checkpoints, and nothing else. Of an experiment of kunren it is given the same log in that form: a
row for each step, one for each evaluation with all metrics, a checkpoint folder for each
evaluation, and the metric that decided. Where a guard stopped training, the step that it stopped at
follows with its NaN, as a Trainer without the guard would have logged it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kunren.records.facts import read_facts

VERSION = "0.2.2"

INSTALL = f"pip install finetune-doctor=={VERSION}"

NAMES: Mapping[str, tuple[str, ...]] = {
    "no-evaluation": ("no_eval",),
    "few-evaluations": ("no_eval",),
    "overfitting": ("overfitting",),
    "best-not-kept": ("overfitting",),
    "loss-metric-disagreement": ("metric_disagreement",),
    "non-finite": ("loss_degenerate", "gradients"),
    "zero-loss": ("loss_degenerate", "gradients"),
    "empty-loss-mask": ("loss_degenerate", "gradients"),
    "not-learning": ("not_learning",),
    "learning-rate": ("not_learning", "loss_spikes", "gradients"),
    "exploding": ("not_learning", "loss_spikes"),
    "loss-spikes": ("loss_spikes", "gradients"),
    "loss-scaling": ("eval_below_train", "loss_spikes"),
    "dead-tail": ("lr_schedule", "stopped_improving"),
    "too-perfect": ("eval_below_train",),
    "split-leakage": ("eval_below_train",),
    "duplicate-rows": ("eval_below_train",),
    "near-duplicates": ("eval_below_train",),
    "fp16-new-tokens": ("gradients", "loss_degenerate"),
    "long-warmup": ("not_learning",),
}
"""Slug of a fault → checks of the peer that name it, in whatever words; generously read: its
"eval below train" names leaks and duplicates as one of the causes, its "not learning" the learning
rate. A slug that is not here is of what the log of training does not tell."""


def version() -> str | None:
    """The peer's version; None: it is not installed."""
    try:
        importlib.import_module("finetune_doctor")
        return importlib.metadata.version("finetune-doctor")
    except ImportError:
        return None


def ask(folder: Path) -> list[dict[str, str]] | None:
    """What the peer finds in a folder of the Trainer's, ``check`` and ``severity`` of each.

    None where it is not installed.
    """
    try:
        peer: Any = importlib.import_module("finetune_doctor")
    except ImportError:
        return None
    found = peer.diagnose(peer.load(str(folder))).findings
    return [
        {"check": one.check, "severity": one.severity.name.lower(), "title": one.title}
        for one in found
    ]


def names(found: Sequence[Mapping[str, str]], slugs: Sequence[str]) -> list[str]:
    """Those of its findings that name a fault."""
    wanted = {check for slug in slugs for check in NAMES.get(slug, ())}
    return [one["check"] for one in found if one["check"] in wanted]


def write_state(run: Path, folder: Path, stopped: bool) -> Path:
    """Write the log of a run of kunren as the Trainer would have.

    Args:
        run: the run folder.
        folder: where to; made.
        stopped: whether a guard ended it.
    """
    facts = read_facts(run)
    config: Mapping[str, Any] = facts.config or {}
    history: list[dict[str, Any]] = []
    evaluated: list[dict[str, Any]] = []
    for row in facts.log or ():
        where = {"epoch": row["epoch"], "step": row["step"]}
        train = {k: v for k in ("loss", "learning_rate") if (v := row.get(k)) is not None}
        norm = row.get("grad_norm")
        history.append({**where, **train, "grad_norm": math.inf if norm is None else norm})
        scores = {k: v for k, v in row.items() if k.startswith("eval_") and v is not None}
        if scores:
            evaluated.append({**where, **scores})
            history.append(evaluated[-1])
    last = history[-1] if history else {"epoch": 0.0, "step": 0}
    if stopped:
        step = int(last["step"]) + 1
        nan = {"loss": math.nan, "grad_norm": math.nan, "learning_rate": last.get("learning_rate")}
        history.append({"epoch": last["epoch"], "step": step, **nan})
    epochs = config.get("train", {}).get("epochs", 1)
    done = float(last["epoch"] or 0.0)
    state = {
        "global_step": int(history[-1]["step"]) if history else 0,
        "epoch": done,
        "num_train_epochs": epochs,
        "max_steps": round(int(last["step"]) / done * epochs) if done else None,
        "log_history": history,
        **_best(evaluated, config.get("train", {}).get("metric"), folder),
    }
    for one in evaluated:
        _dump(folder / f"checkpoint-{one['step']:g}", state | {"global_step": int(one["step"])})
    _dump(folder, state)
    return folder


def _best(
    evaluated: Sequence[Mapping[str, Any]], metric: str | None, folder: Path
) -> dict[str, Any]:
    key = f"eval_{metric or 'loss'}"
    known = [one for one in evaluated if key in one]
    if not known:
        return {}
    best = (min if metric in (None, "loss") else max)(known, key=lambda one: float(one[key]))
    return {
        "best_metric": best[key],
        "best_global_step": int(best["step"]),
        "best_model_checkpoint": str(folder / f"checkpoint-{best['step']:g}"),
    }


def _dump(folder: Path, state: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")
