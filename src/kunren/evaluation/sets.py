"""Metrics of a set of labels an item.

Where answers are compared with gold, whatever was answered counts, each once: a label outside the
closed set, or a text that is none, is a wrong label, so that garbage beside right labels costs, and
garbage alone is no empty set. Where labels are counted by themselves (macro-F1, diversity and its
like) only valid ones do: a system that writes garbage, or one label ten times, does not look
diverse for it. ``out_of_set_rate`` says in how many items anything was outside.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from kunren.evaluation import counts
from kunren.evaluation.metric import (
    OUTSIDE,
    Floats,
    Kind,
    Metric,
    Space,
    Statistics,
    answer_key,
    by_name,
    has_labels,
    has_text,
    ratio,
    scores,
)
from kunren.types import Item, Prediction

Score = Callable[[Floats, Floats, Floats], Floats]
"""(hits, predicted labels, gold labels) of items, each [n] → their scores, [n]."""


def answered(prediction: Prediction, space: Space) -> list[int]:
    """Indices of the valid labels of a prediction, each once, in their order."""
    found = dict.fromkeys(map(space.find, prediction.labels or ()))
    return [n for n in found if n != OUTSIDE]


def outside(item: Item, prediction: Prediction, space: Space) -> list[str]:
    """What a prediction has that is no label of the closed set, each once.

    Punctuation beside labels is no answer; alone it is one, and a wrong one. A gold label outside
    the closed set is missed by everyone, and not counted a second time where it was answered.
    """
    said = (*prediction.invalid, *(p for p in prediction.labels or () if space.find(p) == OUTSIDE))
    asked = set(map(answer_key, item.labels))
    found = [piece for piece in dict.fromkeys(map(answer_key, said)) if piece not in asked]
    worded = [
        piece for piece in found if not all(unicodedata.category(c)[0] in "PZC" for c in piece)
    ]
    return worded if worded or answered(prediction, space) else found


def _jaccard(hit: Floats, said: Floats, gold: Floats) -> Floats:
    return _share(hit, said + gold - hit, 1.0)


def _precision(hit: Floats, said: Floats, gold: Floats) -> Floats:
    return _share(hit, said, gold == 0)


def _recall(hit: Floats, said: Floats, gold: Floats) -> Floats:
    return _share(hit, gold, said == 0)


def _f1(hit: Floats, said: Floats, gold: Floats) -> Floats:
    return _share(2 * hit, said + gold, 1.0)


def _exact(hit: Floats, said: Floats, gold: Floats) -> Floats:
    return np.asarray((hit == said) & (said == gold), dtype=np.float64)


def _share(above: Floats, below: Floats, of_none: float | NDArray[np.bool_]) -> Floats:
    """The quotient, ``of_none`` where there is nothing to divide by."""
    return np.asarray(np.where(below == 0, of_none, above / np.where(below == 0, 1.0, below)))


def _each(score: Score) -> Callable[[Floats, Space], Floats]:
    def derive(compared: Floats, _: Space) -> Floats:
        return scores(score(*compared.T))

    return derive


def _compared(items: Sequence[Item], predictions: Sequence[Prediction], space: Space) -> Statistics:
    """Hits, all that was answered, and gold labels of each item, [n, 3]."""
    found = []
    for item, prediction in zip(items, predictions, strict=True):
        gold, said = space.gold(item), answered(prediction, space)
        wrong = len(outside(item, prediction, space))
        found.append((len(set(gold).intersection(said)), len(said) + wrong, len(gold)))
    return np.array(found, dtype=np.float64).reshape(-1, 3)


def _micro_f1(sums: Floats, _: Space) -> Floats:
    """F1 of all labels of all items taken together."""
    hit, said, gold = (sums[..., n] for n in range(3))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2 * hit / (said + gold))


def _length_errors(counted: Statistics, _: Space) -> Floats:
    _hit, said, gold = counts.sizes(counted).T
    return scores(said - gold)


def _outside(items: Sequence[Item], predictions: Sequence[Prediction], space: Space) -> Floats:
    pairs = zip(items, predictions, strict=True)
    return scores([bool(outside(item, prediction, space)) for item, prediction in pairs])


def label_counts(
    items: Sequence[Item], predictions: Sequence[Prediction], space: Space
) -> Statistics:
    """Hits, answers and gold rows of each label, see ``counts.label_counts``."""
    return counts.label_counts(
        [space.gold(item) for item in items],
        [answered(prediction, space) for prediction in predictions],
        len(space.names),
    )


def _reads_diversity(item: Item, prediction: Prediction, space: Space) -> bool:
    """Whether there are labels, and it is known which ones are the most frequent."""
    return bool(space.frequent) and has_labels(item, prediction, space)


def _invalid(_: Sequence[Item], predictions: Sequence[Prediction], __: Space) -> Floats:
    return np.array(
        [[len(p.invalid), len(p.invalid) + len(p.labels or ())] for p in predictions],
        dtype=np.float64,
    ).reshape(-1, 2)


_ALL = ("outside:wrong",)
_ROWS = ("mean-of-items", "both-empty:1", "one-empty:0", *_ALL)
_VALID = ("labels:valid-only",)
_DIVERSITY = ("outside:5-most-frequent-unfiltered", "repeated:once-an-answer", *_VALID)
_MACRO = ("absent-from-gold:left-out", *_VALID)

METRICS = by_name(
    Metric(
        "jaccard", "share", "higher", "bounded", _ROWS, has_labels, _compared, ratio,
        perfect=1.0, derive=_each(_jaccard), version=2,
    ),
    Metric(
        "precision", "share", "higher", "bounded", _ROWS, has_labels, _compared, ratio,
        perfect=1.0, derive=_each(_precision), version=2,
    ),
    Metric(
        "recall", "share", "higher", "bounded", _ROWS, has_labels, _compared, ratio,
        perfect=1.0, derive=_each(_recall), version=2,
    ),
    Metric(
        "f1", "share", "higher", "bounded", _ROWS, has_labels, _compared, ratio,
        perfect=1.0, derive=_each(_f1), version=2,
    ),
    Metric(
        "micro_f1", "share", "higher", "corpus", _ALL, has_labels, _compared, _micro_f1,
        perfect=1.0, version=2,
    ),
    Metric(
        "macro_f1", "share", "higher", "corpus", _MACRO, has_labels, label_counts, counts.macro_f1,
        perfect=1.0,
    ),
    Metric(
        "exact_match", "share", "higher", "hit", _ALL, has_labels, _compared, ratio,
        perfect=1.0, derive=_each(_exact), version=2,
    ),
    Metric(
        "diversity", "share", "higher", "corpus", _DIVERSITY, _reads_diversity, label_counts,
        counts.diversity, "no-frequent",
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
        label_counts, ratio, perfect=0.0, derive=_length_errors,
    ),
    Metric(
        "out_of_set_rate", "share", "lower", "hit", ("of:items",), has_labels, _outside, ratio,
        perfect=0.0,
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
    headline=("jaccard", "micro_f1", "exact_match", "out_of_set_rate", "diversity", "top1_share"),
    compared=("jaccard", "micro_f1", "macro_f1"),
    validation=("jaccard", "micro_f1", "macro_f1", "exact_match", "top1_share"),
)
