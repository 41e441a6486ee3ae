"""What the course of training tells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kunren.doctor.evidence import Finding, Missing
from kunren.messages import text
from kunren.records.folder import State
from kunren.records.trainlog import Epoch

MIN_EVALUATIONS = 3
"""Fewer points than this make no curve."""

RISE = 0.05
"""Rise of the evaluation loss over its minimum, as a share of it, that counts as overfitting."""

GAIN = 0.03
"""Fall of the evaluation loss in the last epoch, as a share of it, that counts as improving."""

LARGE_GAIN = 0.10
"""Fall in the last epoch above which the run was clearly cut short."""


def non_finite(
    state: State, logged: Sequence[Mapping[str, float | None]], config: Mapping[str, Any]
) -> Finding | None:
    """A loss that is NaN or infinite, or a run that a guard stopped for it.

    Every number after it is worthless. A single infinite gradient norm beside finite losses is no
    such thing: it is how the scaler of fp16 works.
    """
    stopped = any("non-finite" in code for code in state.codes)
    if not stopped and not logged:
        raise Missing("log")
    bad = next(
        (
            row
            for row in logged
            for name in ("loss", "eval_loss")
            if (value := row.get(name)) is not None and not math.isfinite(value)
        ),
        None,
    )
    if not stopped and bad is None:
        return None
    step = int(bad["step"] or 0) if bad is not None and bad.get("step") is not None else None
    train = config.get("train", {})
    patch: dict[str, Any] = {}
    if train.get("learning_rate") is not None:
        patch["train.learning_rate"] = train["learning_rate"] / 10
    if train.get("precision") != "fp32":
        patch["train.precision"] = "fp32"
    said = text("doctor.non-finite-at", step=step) if step is not None else state.error
    return Finding(
        "critical",
        text("doctor.non-finite", said=said or ""),
        {"step": step, "stopped_by_guard": stopped, "error": state.error},
        {"set": patch} if patch else None,
    )


def overfitting(
    epochs: Sequence[Epoch], training: Mapping[str, Any], chosen_by: str
) -> Finding | None:
    """The evaluation loss rises well above its minimum while the training loss goes on falling.

    Fires on curves of three points too, but only if no later evaluation comes back to the minimum,
    and if the rise is larger than the curve's own jumps before the minimum. Where the best
    checkpoint was kept the result itself is not harmed.
    """
    losses = _losses(epochs)
    best = min(range(len(losses)), key=losses.__getitem__)
    if best == len(losses) - 1:
        return None
    after = losses[best + 1 :]
    rise = after[-1] / losses[best] - 1
    jumps = [max(0.0, losses[n + 1] - losses[n]) for n in range(best)]
    steady = min(after) > losses[best] and after[-1] - losses[best] > max(jumps, default=0.0)
    if rise < RISE or not steady or not _still_learning(epochs, best):
        return None
    number = epochs[best].number
    kept = training.get("best_epoch")
    kind = "lost" if kept is None else "kept" if round(kept) == number else "other"
    return Finding(
        "warning" if kept is None else "info",
        text(
            f"doctor.overfitting-{kind}",
            epoch=number,
            kept=None if kept is None else round(kept),
            metric=chosen_by,
            low=losses[best],
            last=epochs[-1].number,
            high=after[-1],
            rise=100 * rise,
        ),
        {"best_epoch": number, "eval_loss": losses, "rise": rise, "kept_epoch": kept},
        {"set": {"train.epochs": number}} if number > 1 else None,
    )


def still_improving(
    epochs: Sequence[Epoch], training: Mapping[str, Any], config: Mapping[str, Any]
) -> Finding | None:
    """The evaluation loss still falls markedly in the last epoch: training ended too soon."""
    losses = _losses(epochs)
    if training.get("stopped_early") or losses[-1] > min(losses):
        return None
    gain = 1 - losses[-1] / losses[-2]
    if gain < GAIN:
        return None
    done = epochs[-1].number
    planned = int(config.get("train", {}).get("epochs", done))
    if done < planned:
        return None
    return Finding(
        "warning" if gain >= LARGE_GAIN else "info",
        text(
            "doctor.still-improving",
            epoch=done,
            before=losses[-2],
            after=losses[-1],
            gain=100 * gain,
            more=2 * done,
        ),
        {"epochs": done, "eval_loss": losses, "last_gain": gain},
        {"set": {"train.epochs": 2 * done}},
    )


def _losses(epochs: Sequence[Epoch]) -> list[float]:
    if len(epochs) < MIN_EVALUATIONS:
        raise Missing("curve", count=len(epochs), needed=MIN_EVALUATIONS)
    return [epoch.evaluation["eval_loss"] for epoch in epochs]


def _still_learning(epochs: Sequence[Epoch], best: int) -> bool:
    then, now = epochs[best].loss, epochs[-1].loss
    return then is None or now is None or now < then
