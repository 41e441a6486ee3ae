"""Metrics of a set of labels an item.

A wrong answer is a wrong answer: what was written beside the labels of the closed set counts in all
that compares an answer with the gold set (Jaccard, precision, F1, exact match), each different
piece once. In all that describes which labels are used (diversity, entropy, coverage) only valid
labels count, each once: a system that writes garbage, or one label ten times, does not look diverse
for it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import scipy
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


def _length_error(_: Floats, said: Floats, gold: Floats) -> Floats:
    return said - gold


def _share(above: Floats, below: Floats, of_none: float | NDArray[np.bool_]) -> Floats:
    """The quotient, ``of_none`` where there is nothing to divide by."""
    return np.asarray(np.where(below == 0, of_none, above / np.where(below == 0, 1.0, below)))


def _each(score: Score) -> Callable[[Statistics, Space], Floats]:
    def derive(counted: Statistics, _: Space) -> Floats:
        return scores(score(*counts.sizes(counted).T))

    return derive


def label_counts(
    items: Sequence[Item], predictions: Sequence[Prediction], space: Space
) -> Statistics:
    """Hits, answers and gold rows of each label, see ``counts.label_counts``."""
    return counts.label_counts(
        [space.gold(item) for item in items],
        [answered(prediction, space) for prediction in predictions],
        len(space.names),
    )


def outside(item: Item, prediction: Prediction, space: Space) -> int:
    """How many different pieces of an answer are no label of the closed set.

    Punctuation beside other pieces is none; alone it is one. A gold label outside the closed set is
    missed by every system, and costs no more where it is written.
    """
    pieces = {answer_key(said) for said in prediction.labels or () if space.find(said) == OUTSIDE}
    pieces |= {answer_key(piece) for piece in prediction.invalid}
    pieces -= {answer_key(label) for label in item.labels}
    worded = sum(not all(unicodedata.category(c)[0] in "PZC" for c in one) for one in pieces)
    return worded if worded or answered(prediction, space) else len(pieces)


def answer_counts(
    items: Sequence[Item], predictions: Sequence[Prediction], space: Space
) -> Statistics:
    """The same as ``label_counts``, with what is no label as one more label, which is never gold.

    As often as the answer holds different pieces of that kind.
    """
    counted = label_counts(items, predictions, space)
    beside = scipy.sparse.csr_array(
        np.array(
            [[outside(i, p, space)] for i, p in zip(items, predictions, strict=True)],
            dtype=np.float64,
        ).reshape(-1, 1)
    )
    never = scipy.sparse.csr_array(beside.shape)
    labels = len(space.names)
    hit, said, gold = (counted[:, n * labels : (n + 1) * labels] for n in range(3))
    return scipy.sparse.hstack([hit, never, said, beside, gold, never], format="csr")


def _outside_any(items: Sequence[Item], predictions: Sequence[Prediction], space: Space) -> Floats:
    pairs = zip(items, predictions, strict=True)
    found = np.array([[float(outside(i, p, space) > 0)] for i, p in pairs]).reshape(-1, 1)
    return np.hstack([found, np.ones_like(found)])


def _reads_diversity(item: Item, prediction: Prediction, space: Space) -> bool:
    """Whether there are labels, and it is known which ones are the most frequent."""
    return bool(space.frequent) and has_labels(item, prediction, space)


def _invalid(_: Sequence[Item], predictions: Sequence[Prediction], __: Space) -> Floats:
    return np.array(
        [[len(p.invalid), len(p.invalid) + len(p.labels or ())] for p in predictions],
        dtype=np.float64,
    ).reshape(-1, 2)


_ALL = ("outside-the-set:counted",)
_ROWS = ("mean-of-items", "both-empty:1", "one-empty:0", *_ALL)
_VALID = ("labels:valid-only",)
_DIVERSITY = ("outside:5-most-frequent-unfiltered", "repeated:once-an-answer", *_VALID)
_MACRO = ("absent-from-gold:left-out", *_VALID)

METRICS = by_name(
    Metric(
        "jaccard", "share", "higher", "bounded", _ROWS, has_labels, answer_counts, ratio,
        perfect=1.0, derive=_each(_jaccard), version=2,
    ),
    Metric(
        "precision", "share", "higher", "bounded", _ROWS, has_labels, answer_counts, ratio,
        perfect=1.0, derive=_each(_precision), version=2,
    ),
    Metric(
        "recall", "share", "higher", "bounded", _ROWS, has_labels, answer_counts, ratio,
        perfect=1.0, derive=_each(_recall), version=2,
    ),
    Metric(
        "f1", "share", "higher", "bounded", _ROWS, has_labels, answer_counts, ratio,
        perfect=1.0, derive=_each(_f1), version=2,
    ),
    Metric(
        "micro_f1", "share", "higher", "corpus", _ALL, has_labels, answer_counts, counts.micro_f1,
        perfect=1.0, version=2,
    ),
    Metric(
        "macro_f1", "share", "higher", "corpus", _MACRO, has_labels, label_counts, counts.macro_f1,
        perfect=1.0,
    ),
    Metric(
        "exact_match", "share", "higher", "hit", _ALL, has_labels, answer_counts, ratio,
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
        "length_error", "count", None, "free", ("predicted-minus-gold", *_ALL), has_labels,
        answer_counts, ratio, perfect=0.0, derive=_each(_length_error), version=2,
    ),
    Metric(
        "outside_rate", "share", "lower", "corpus", ("of:items",), has_labels, _outside_any, ratio,
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
    headline=("jaccard", "micro_f1", "exact_match", "outside_rate", "diversity", "top1_share"),
    compared=("jaccard", "micro_f1", "macro_f1"),
    validation=("jaccard", "micro_f1", "macro_f1", "exact_match", "top1_share"),
)
