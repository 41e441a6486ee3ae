"""Runs whose numbers are those of nothing learnt: they are compared, and never recommended.

A model that writes garbage or one answer to everything can look varied, or quick, and stands on a
Pareto front for it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from statistics import fmean, stdev

from kunren.evaluation.told import number
from kunren.messages import text
from kunren.records.entry import Entry
from kunren.records.predictions import Predicted

GARBAGE = 0.5
"""Share of answers that hold no label from which on a model does not answer what is asked."""

SURE = 1.64
"""Standard errors by which a run must be below the constant answer: few rows may be kept."""

FEW = 10
"""Answers below which nothing is said of them as a whole."""


def why_worthless(entry: Entry) -> str | None:
    """Why a run is to be recommended for nothing, in words; None: nothing speaks against it."""
    value = entry.value(entry.primary)
    if value is not None and value <= 0:
        return text("compare.worthless-zero")
    if entry.rival is not None and entry.rival.verdict == "worse":
        worse = number(entry.rival.value, entry.unit(entry.primary))
        return text("compare.worthless-trivial", value=worse)
    answers = [row.systems["tuned"] for row in entry.items if "tuned" in row.systems]
    if len(answers) >= FEW and entry.answers != "text":
        said = [one for one in answers if one.labels is not None or one.generated is not None]
        wild = sum(not one.labels and bool((one.generated or "").strip()) for one in said)
        if said and wild >= GARBAGE * len(said):
            return text("compare.worthless-garbage", count=wild, of=len(said))
        blank = sum(not one.labels and not (one.generated or "").strip() for one in said)
        asked = sum(bool(row.gold_labels) for row in entry.items)
        if said and asked and blank >= GARBAGE * len(said):
            return text("compare.worthless-empty", count=blank, of=len(said))
    if entry.answers == "set" and len(answers) >= FEW and value is not None:
        constant, error = _constant(entry.items)
        if value < constant - SURE * error:
            return text("compare.worthless-constant", constant=f"{100 * constant:.1f} %")
    return None


def _constant(items: Iterable[Predicted]) -> tuple[float, float]:
    """The Jaccard of the best single label as the answer to everything, and its standard error."""
    golds = [set(row.gold_labels) for row in items]
    counted: Counter[str] = Counter(label for gold in golds for label in gold)
    if not counted:
        return 0.0, 0.0
    best = counted.most_common(1)[0][0]
    scores = [1 / len(gold) if best in gold else 0.0 for gold in golds]
    return fmean(scores), stdev(scores) / math.sqrt(len(scores))
