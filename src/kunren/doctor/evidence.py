"""What rules look at, by the names that their parameters have, and what they find."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kunren.doctor.course import Course, of_run
from kunren.evaluation.told import metric_name
from kunren.messages import text
from kunren.records import files, trainlog
from kunren.records.facts import Facts
from kunren.records.folder import State
from kunren.records.predictions import Answer, Predicted
from kunren.records.trainlog import Epoch

LONG_CHAT = 3
"""From this turn on a chat is long enough to see whether its answers still change."""

Severity = Literal["info", "warning", "critical"]
"""critical: do not use this result; warning: look before you use it; info: worth knowing."""


class Missing(Exception):  # noqa: N818  (not an error: a rule is skipped)
    """Evidence that a rule needs is not there.

    Attributes:
        kind: what is missing, such as "log"; the name of its message.
        reason: why, in the user's language.
    """

    def __init__(self, name: str, /, **fields: object) -> None:
        self.kind = name
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

    @property
    def said(self) -> tuple[str, ...]:
        """What was answered, in a form that can be compared: labels, or the text."""
        if self.answer.labels is not None:
            return self.answer.labels
        return ((self.answer.generated or "").strip(),)

    @property
    def gold(self) -> tuple[str, ...]:
        """What should have been answered, in the same form."""
        if self.answer.labels is not None:
            return self.row.gold_labels
        return self.row.gold_labels or (self.row.gold.strip(),)


def _config(facts: Facts) -> Mapping[str, Any]:
    if facts.config is None:
        raise Missing("config")
    return facts.config


def _settings(facts: Facts) -> Mapping[str, Any]:
    """The config, empty where there is none: for the patch of a finding that stands without it."""
    return facts.config or {}


def _added(facts: Facts) -> int:
    """How many tokens were added to the vocabulary."""
    if facts.manifest is None:
        raise Missing("manifest")
    told = (facts.manifest.get("model") or {}).get("added_tokens") or {}
    return int(told.get("count", 0))


def _adapter(facts: Facts) -> Mapping[str, Any]:
    """PEFT's own description of the saved adapter."""
    path = facts.path / "model" / "adapter_config.json"
    if not path.is_file():
        raise Missing("adapter")
    said: Mapping[str, Any] = files.read_json(path)
    return said


def _metrics(facts: Facts) -> Mapping[str, Any]:
    if facts.metrics is None:
        raise Missing("metrics")
    return facts.metrics


def _answered(facts: Facts, part: Literal["labels", "generated"], missing: str) -> list[Evaluated]:
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
    """Test items that the tuned model answered, in whatever way the task asks for."""
    return _answered(facts, "generated" if facts.answers == "text" else "labels", "tuned")


def _single(facts: Facts) -> list[Evaluated]:
    """The same where an answer is one label."""
    if facts.answers != "label":
        raise Missing("single-label")
    return _tuned(facts)


def _generated(facts: Facts) -> list[Evaluated]:
    """Test items of a closed set of labels that the tuned model answered freely."""
    if facts.answers == "text":
        raise Missing("labels")
    return _answered(facts, "generated", "generated")


def _labelled(facts: Facts) -> list[Evaluated]:
    """Test items of a closed set of labels that the tuned model answered."""
    if facts.answers == "text":
        raise Missing("labels")
    return _tuned(facts)


def _texts(facts: Facts) -> list[Evaluated]:
    """Test items that the tuned model answered with free text."""
    if facts.answers != "text":
        raise Missing("free-text")
    return _tuned(facts)


def _written(facts: Facts) -> list[Evaluated]:
    """Test items that the tuned model wrote an answer to, whatever the task."""
    return _answered(facts, "generated", "generated")


def _answers(facts: Facts) -> str:
    return facts.answers


def _turns(facts: Facts) -> list[list[Evaluated]]:
    """The chats with at least three answers, each a list of its test items in their order."""
    chats: dict[str, list[Evaluated]] = {}
    for item in _tuned(facts):
        chats.setdefault(item.row.row_id, []).append(item)
    found = [chat for chat in chats.values() if len(chat) >= LONG_CHAT]
    if not found:
        raise Missing("turns", turns=LONG_CHAT)
    return found


def _chosen_by(facts: Facts) -> str:
    """The metric that decided on the checkpoint, as the user knows it."""
    return text("doctor.by-loss") if facts.judged_by == "loss" else metric_name(facts.judged_by)


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


def _leanings(facts: Facts) -> Sequence[Mapping[str, Any]]:
    """How the answers to the validation rows leaned at each evaluation of training."""
    found: Sequence[Mapping[str, Any]] = (facts.guards or {}).get("answers", ())
    if not found:
        raise Missing("leanings")
    return found


def _trained_labels(facts: Facts) -> Mapping[str, int]:
    """Label → training rows that have it."""
    if facts.manifest is None:
        raise Missing("manifest")
    counts = facts.manifest.get("data", {}).get("labels", {})
    if not counts:
        raise Missing("labels")
    return {label: count.get("train", 0) for label, count in counts.items()}


def _state(facts: Facts) -> State:
    return facts.state


def _course(facts: Facts) -> Course:
    """The course of training; an empty one where a guard stopped it before it could be logged.

    The number of labels is that of a closed set of which a text has one: where there are several,
    chance is not one over their number.
    """
    if not facts.log and not facts.state.codes:
        raise Missing("log")
    manifest = facts.manifest or {}
    data = manifest.get("data", {})
    labels = (facts.metrics or data).get("labels") if facts.answers == "label" else None
    rows = data.get("rows", {})
    return of_run(
        facts.log or (),
        facts.config or {},
        manifest.get("training", {}),
        facts.judged_by,
        rows,
        len(labels) if labels else None,
    )


EVIDENCE: dict[str, Callable[[Facts], Any]] = {
    "config": _config,
    "settings": _settings,
    "added": _added,
    "adapter": _adapter,
    "metrics": _metrics,
    "answers": _answers,
    "tuned": _tuned,
    "single": _single,
    "generated": _generated,
    "labelled": _labelled,
    "texts": _texts,
    "written": _written,
    "turns": _turns,
    "chosen_by": _chosen_by,
    "logged": _logged,
    "epochs": _epochs,
    "training": _training,
    "state": _state,
    "course": _course,
    "leanings": _leanings,
    "trained_labels": _trained_labels,
}
"""Name of a rule's parameter → how it is got from a run folder; may raise ``Missing``."""
