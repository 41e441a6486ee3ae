"""What the answers of a run tell that another tool made, as the rules ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kunren.doctor.evidence import EVIDENCE
from kunren.records.facts import Facts
from kunren.records.folder import State
from kunren.records.predictions import Predicted
from kunren.tasks import Answers

_TOLD = (
    "answers",
    "settings",
    "metrics",
    "tuned",
    "single",
    "labelled",
    "texts",
    "written",
    "turns",
)
"""Evidence that answers and scores alone give. ``generated`` is not among it: which answers are
outside the label set is not known where the set is not."""

_PRIMARY: Mapping[Answers, str] = {"label": "accuracy", "set": "jaccard", "text": "chrf"}


def told_by_answers(
    answers: Answers,
    rows: Sequence[Predicted],
    scores: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Callable[[], Any]]:
    """Evidence by name, for ``Evidence``; each source may raise ``Missing`` as for a run of ours.

    Args:
        answers: what an answer is.
        rows: items with the answers of the system "tuned", possibly only a sample; empty: none.
        scores: metric → ``{"value", …}`` of the tuned model; empty: none.
        settings: dotted key → value, under our keys.
    """
    counts = [n for score in scores.values() if (n := score.get("n_scored"))]
    metrics: dict[str, Any] = {
        "answers": answers,
        "rows": max(counts, default=len(rows)),
        "labels": [],
        "primary": _PRIMARY[answers],
        "systems": {"tuned": dict(scores)} if scores else {},
        "paired": [],
    }
    facts = Facts(
        path=Path(),
        state=State("finished", "", "", "", 0),
        config=_nested(settings or {}),
        manifest=None,
        log=None,
        metrics=metrics,
        predictions=rows or None,
        findings=None,
        task=None,
    )
    return {name: partial(EVIDENCE[name], facts) for name in _TOLD}


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``{"train.epochs": 3}`` → ``{"train": {"epochs": 3}}``; a name without a dot is not ours."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        *above, last = key.split(".")
        place = found
        for part in above:
            place = place.setdefault(part, {})
        if above:
            place[last] = value
    return found
