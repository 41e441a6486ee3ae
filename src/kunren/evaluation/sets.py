"""Metrics of a set of labels an item.

Only valid labels count as labels, each once: a system that writes garbage, or one label ten times,
does not look diverse for it. What it wrote beside labels is counted by ``invalid_rate`` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kunren.evaluation import counts
from kunren.evaluation.metric import (
    OUTSIDE,
    Floats,
    Kind,
    Metric,
    Space,
    Statistics,
    by_name,
    has_labels,
    has_text,
    ratio,
    scores,
)
from kunren.types import Item, Prediction

Score = Callable[[int, int, int], float]
"""(hits, predicted labels, gold labels) of one item → its score."""


def answered(prediction: Prediction, space: Space) -> list[int]:
    """Indices of the valid labels of a prediction, each once, in their order."""
    found = dict.fromkeys(space.find(label) for label in prediction.labels or ())
    return [n for n in found if n != OUTSIDE]


def _jaccard(hit: int, said: int, gold: int) -> float:
    return hit / (said + gold - hit) if said or gold else 1.0


def _precision(hit: int, said: int, gold: int) -> float:
    return hit / said if said else float(not gold)


def _recall(hit: int, said: int, gold: int) -> float:
    return hit / gold if gold else float(not said)


def _f1(hit: int, said: int, gold: int) -> float:
    return 2 * hit / (said + gold) if said or gold else 1.0


def _exact(hit: int, said: int, gold: int) -> float:
    return float(hit == said == gold)


def _length_error(_: int, said: int, gold: int) -> float:
    return float(said - gold)


def _each(
    score: Score,
) -> Callable[[Sequence[Item], Sequence[Prediction], Space], Floats]:
    def statistics(
        items: Sequence[Item], predictions: Sequence[Prediction], space: Space
    ) -> Floats:
        found = []
        for item, prediction in zip(items, predictions, strict=True):
            gold, said = set(space.gold(item)), set(answered(prediction, space))
            found.append(score(len(gold & said), len(said), len(gold)))
        return scores(found)

    return statistics


def label_counts(
    items: Sequence[Item], predictions: Sequence[Prediction], space: Space
) -> Statistics:
    """Hits, answers and gold rows of each label, see ``counts.label_counts``."""
    return counts.label_counts(
        [space.gold(item) for item in items],
        [answered(prediction, space) for prediction in predictions],
        len(space.names),
    )


def _invalid(_: Sequence[Item], predictions: Sequence[Prediction], __: Space) -> Floats:
    return np.array(
        [[len(p.invalid), len(p.invalid) + len(p.labels or ())] for p in predictions],
        dtype=np.float64,
    ).reshape(-1, 2)


_ROWS = ("mean-of-items", "both-empty:1", "one-empty:0")
_VALID = ("labels:valid-only",)
_MACRO = ("absent-from-gold:left-out", *_VALID)

METRICS = by_name(
    Metric(
        "jaccard", "share", "higher", "bounded", _ROWS, has_labels, _each(_jaccard), ratio,
        perfect=1.0,
    ),
    Metric(
        "precision", "share", "higher", "bounded", _ROWS, has_labels, _each(_precision), ratio,
        perfect=1.0,
    ),
    Metric(
        "recall", "share", "higher", "bounded", _ROWS, has_labels, _each(_recall), ratio,
        perfect=1.0,
    ),
    Metric(
        "f1", "share", "higher", "bounded", _ROWS, has_labels, _each(_f1), ratio, perfect=1.0
    ),
    Metric(
        "micro_f1", "share", "higher", "corpus", _VALID, has_labels, label_counts, counts.micro_f1,
        perfect=1.0,
    ),
    Metric(
        "macro_f1", "share", "higher", "corpus", _MACRO, has_labels, label_counts, counts.macro_f1,
        perfect=1.0,
    ),
    Metric(
        "exact_match", "share", "higher", "hit", _VALID, has_labels, _each(_exact), ratio,
        perfect=1.0,
    ),
    Metric(
        "top1_share", "share", "lower", "corpus", _VALID, has_labels, label_counts,
        counts.top1_share,
    ),
    Metric(
        "unique_labels", "count", "higher", "distinct", _VALID, has_labels, label_counts,
        counts.unique_labels,
    ),
    Metric(
        "coverage", "share", "higher", "distinct", _VALID, has_labels, label_counts,
        counts.coverage,
    ),
    Metric(
        "entropy", "share", "higher", "distinct", ("of:uniform-closed-set", *_VALID), has_labels,
        label_counts, counts.entropy,
    ),
    Metric(
        "length_error", "count", None, "free", ("predicted-minus-gold", *_VALID), has_labels,
        _each(_length_error), ratio, perfect=0.0,
    ),
    Metric(
        "invalid_rate", "share", "lower", "corpus", ("of:generated-pieces",), has_text, _invalid,
        ratio, "does-not-generate", 0.0,
    ),
)  # fmt: skip

KIND = Kind(
    metrics=METRICS,
    primary="jaccard",
    right="exact_match",
    headline=("jaccard", "micro_f1", "exact_match", "top1_share"),
    compared=("jaccard", "micro_f1", "macro_f1"),
    validation=("jaccard", "micro_f1", "macro_f1", "exact_match", "top1_share"),
)
