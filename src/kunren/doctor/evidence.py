"""What rules look at, by the names that their parameters have, and what they find."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kunren.messages import text
from kunren.records import trainlog
from kunren.records.facts import Facts
from kunren.records.folder import State
from kunren.records.predictions import Answer, Predicted
from kunren.records.trainlog import Epoch

Severity = Literal["info", "warning", "critical"]
"""critical: do not use this result; warning: look before you use it; info: worth knowing."""


class Missing(Exception):  # noqa: N818  (not an error: a rule is skipped)
    """Evidence that a rule needs is not there.

    Attributes:
        reason: why, in the user's language.
    """

    def __init__(self, name: str, /, **fields: object) -> None:
        self.reason = text(f"doctor.missing-{name}", **fields)
        super().__init__(self.reason)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found.

    Attributes:
        severity: see ``Severity``.
        message: what, how sure, and what to do, in the user's language.
        evidence: the numbers it rests on.
        fix: ``{"set": {"train.epochs": 8}}``, a change of the config; None where none mends it.
    """

    severity: Severity
    message: str
    evidence: Mapping[str, Any]
    fix: Mapping[str, Any] | None = field(default=None)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A test item with the answer of one system."""

    row: Predicted
    answer: Answer


def _config(facts: Facts) -> Mapping[str, Any]:
    if facts.config is None:
        raise Missing("config")
    return facts.config


def _metrics(facts: Facts) -> Mapping[str, Any]:
    if facts.metrics is None:
        raise Missing("metrics")
    return facts.metrics


def _answered(facts: Facts, part: Literal["label", "generated"], missing: str) -> list[Evaluated]:
    """Test items for which the tuned model's answer has ``part``."""
    if facts.predictions is None:
        raise Missing("predictions")
    found = [
        Evaluated(row, answer)
        for row in facts.predictions
        if (answer := row.systems.get("tuned")) is not None and getattr(answer, part) is not None
    ]
    if not found:
        raise Missing(missing)
    return found


def _tuned(facts: Facts) -> list[Evaluated]:
    """Test items that the tuned model answered with a label."""
    return _answered(facts, "label", "tuned")


def _generated(facts: Facts) -> list[Evaluated]:
    """Test items that the tuned model answered freely."""
    return _answered(facts, "generated", "generated")


def _logged(facts: Facts) -> Sequence[Mapping[str, float | None]]:
    """Rows of the training log; none if training was stopped before it could be written."""
    return facts.log or ()


def _epochs(facts: Facts) -> list[Epoch]:
    """Epochs with a finite evaluation loss."""
    if not facts.log:
        raise Missing("log")
    found = [
        epoch
        for epoch in trainlog.by_epoch(facts.log)
        if math.isfinite(epoch.evaluation.get("eval_loss", math.nan))
    ]
    if not found:
        raise Missing("evaluations")
    return found


def _training(facts: Facts) -> Mapping[str, Any]:
    """What the manifest says of how training went."""
    if facts.manifest is None:
        raise Missing("manifest")
    said: Mapping[str, Any] = facts.manifest.get("training", {})
    return said


def _state(facts: Facts) -> State:
    return facts.state


EVIDENCE: dict[str, Callable[[Facts], Any]] = {
    "config": _config,
    "metrics": _metrics,
    "tuned": _tuned,
    "generated": _generated,
    "logged": _logged,
    "epochs": _epochs,
    "training": _training,
    "state": _state,
}
"""Name of a rule's parameter → how it is got from a run folder; may raise ``Missing``."""
