"""One run as it is compared with others, whichever program wrote its folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kunren.evaluation.metric import Unit
from kunren.evaluation.score import KINDS
from kunren.records.predictions import Answer, Predicted
from kunren.tasks import Answers

SPEED = "rows_per_second"
"""Rows predicted a second; measured, not scored, but compared like a metric."""

VALIDATION_LOSS = "validation_loss"
"""The loss on the validation rows at the epoch whose weights were kept."""

DIVERSITY = "diversity"
"""Share of predicted labels outside the five commonest ones, as seed 000 has it."""

_BESIDE: Mapping[str, tuple[Unit, str]] = {
    SPEED: ("count", "higher"),
    VALIDATION_LOSS: ("count", "lower"),
    DIVERSITY: ("share", "higher"),
}
"""What is compared beside the metrics of a kind of answers: unit, and which way is better."""


@dataclass(frozen=True, slots=True)
class Rival:
    """The best trivial method of a run, and whether the run's model was shown to beat it."""

    system: str
    value: float
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What a run folder says of its tuned model.

    Attributes:
        name: the folder's name, unique among what is compared.
        layout: name of the layout that the folder has (see ``layouts.LAYOUTS``).
        answers: what an answer is.
        settings: dotted key → value, under kunren's keys where they mean the same.
        rows: "train", "validation", "test", "all" → rows; without what is not known.
        label_count: how many labels there are to choose from; None: not known, or free text.
        labels: the closed set; empty where it is not known.
        frequent: the most frequent labels of its unfiltered data, which diversity refers to.
        scores: metric → its score as ``eval_metrics.json`` has one; a value may be None.
        described: metric → ``unit`` and ``better``, as the run itself says.
        primary: the metric that the run's verdict rests on.
        rival: the best trivial baseline by that metric; None: none was scored.
        items: test items with the tuned model's answers, of every seed it was trained with;
            possibly only a sample.
        whole: whether ``items`` are all the test items.
        template: the prompt template, which stands around the items' texts.
        bootstrap: resamples and seed that the run itself used.
        machine: what predicted; None: not known. Speeds of two machines are not compared.
        missing: what the folder lacks, in words.
        warnings: what is wrong with what it has, in words.
        checks: what was recomputed and found right, in words.
    """

    name: str
    layout: str
    answers: Answers
    settings: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    label_count: int | None = None
    labels: tuple[str, ...] = ()
    frequent: tuple[str, ...] = ()
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    described: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    primary: str = ""
    rival: Rival | None = None
    items: Sequence[Predicted] = ()
    whole: bool = False
    template: str = "{text}"
    bootstrap: Mapping[str, int] = field(default_factory=dict)
    machine: str | None = None
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()

    def value(self, metric: str) -> float | None:
        """The value of a metric, or None."""
        found = self.scores.get(metric, {}).get("value")
        return None if found is None or not math.isfinite(found) else float(found)

    def interval(self, metric: str) -> tuple[float, float] | None:
        """The 95 % interval of a metric, or None."""
        found = self.scores.get(metric, {}).get("ci95")
        return None if found is None else (float(found[0]), float(found[1]))

    def unit(self, metric: str) -> Unit:
        """What the values of a metric are."""
        if metric in self.described:
            said: Unit = self.described[metric].get("unit", "share")
            return said
        known = KINDS[self.answers].metrics.get(metric)
        return known.unit if known else _BESIDE.get(metric, ("share", ""))[0]

    def better(self, metric: str) -> str | None:
        """``higher`` or ``lower``; None: neither as such."""
        if metric in self.described:
            said: str | None = self.described[metric].get("better")
            return said
        known = KINDS[self.answers].metrics.get(metric)
        return known.better if known else (_BESIDE.get(metric, ("", ""))[1] or None)

    @property
    def rows_per_label(self) -> float | None:
        """Rows of all splits for each label of the closed set: seed 000's 件/絵文字."""
        rows = self.rows.get("all")
        return rows / self.label_count if rows is not None and self.label_count else None


def answer_of(row: Predicted) -> Answer | None:
    """What the tuned model answered to an item."""
    return row.systems.get("tuned")


def measured(value: float | None, reason: str | None = None, n_scored: int = 0) -> dict[str, Any]:
    """A score that has neither interval nor signature."""
    return {
        "value": value,
        "ci95": None,
        "n_scored": n_scored,
        "n_unscored": 0,
        "signature": None,
        "reason": reason,
    }
