"""Metrics of one label an item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kunren.evaluation import calibration, counts, ordinal
from kunren.evaluation.metric import (
    OUTSIDE,
    Floats,
    Indices,
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

TOP_K = (3, 5)
"""How many of the most probable labels gold is looked for among."""

Said = Callable[[Prediction, Space], int]
"""Index of the label that a prediction is read as, ``OUTSIDE`` where it is none."""


def _label(prediction: Prediction, space: Space) -> int:
    return OUTSIDE if prediction.label is None else space.find(prediction.label)


def _generated(prediction: Prediction, space: Space) -> int:
    return space.find(prediction.generated or "")


def _gold(items: Sequence[Item], space: Space) -> Indices:
    return np.asarray([space.index[answer_key(i.labels[0])] for i in items], dtype=np.int64)


def _said(predictions: Sequence[Prediction], space: Space, said: Said = _label) -> Indices:
    return np.asarray([said(prediction, space) for prediction in predictions], dtype=np.int64)


def _pairs(items: Sequence[Item], predictions: Sequence[Prediction], space: Space) -> Indices:
    """Gold and predicted label of each item, [n, 2]."""
    return np.stack([_gold(items, space), _said(predictions, space)], axis=-1)


def _written(items: Sequence[Item], predictions: Sequence[Prediction], space: Space) -> Indices:
    """The same of what was generated."""
    return np.stack([_gold(items, space), _said(predictions, space, _generated)], axis=-1)


def _correct(pairs: Indices, _: Space) -> Floats:
    return scores(pairs[:, 0] == pairs[:, 1])


def _outside(pairs: Indices, _: Space) -> Floats:
    return scores(pairs[:, 1] == OUTSIDE)


def _counts(pairs: Indices, labels: int) -> Statistics:
    answered = [[] if n == OUTSIDE else [n] for n in pairs[:, 1].tolist()]
    return counts.label_counts(pairs[:, :1].tolist(), answered, labels)


def _label_counts(pairs: Indices, space: Space) -> Statistics:
    return _counts(pairs, len(space.names))


def _has_probabilities(_: Item, prediction: Prediction, space: Space) -> bool:
    return bool(space.labels) and len(prediction.probabilities) == len(space.labels)


def _ranks(items: Sequence[Item], predictions: Sequence[Prediction], space: Space) -> Floats:
    """How many labels come before gold by probability; of equals those earlier in the set do."""
    said = np.array([p.probabilities for p in predictions]).reshape(-1, len(space.labels))
    gold = _gold(items, space)
    known = gold < len(space.labels)
    place = np.where(known, gold, 0)[:, None]
    of_gold = np.take_along_axis(said, place, axis=1)
    before = (said == of_gold) & (np.arange(len(space.labels)) < place)
    return np.where(known, ((said > of_gold) | before).sum(axis=1), np.inf)


def _among(most: int) -> Callable[[Floats, Space], Floats]:
    def derive(ranks: Floats, _: Space) -> Floats:
        return scores(ranks < most)

    return derive


def _has_confidence(item: Item, prediction: Prediction, space: Space) -> bool:
    return has_labels(item, prediction, space) and prediction.probability is not None


def _confidence(items: Sequence[Item], predictions: Sequence[Prediction], space: Space) -> Floats:
    """Confidence of each answer, and 1 where it is right, [n, 2]."""
    sure = np.array([p.probability for p in predictions], dtype=np.float64)
    pairs = _pairs(items, predictions, space)
    return np.stack([sure, pairs[:, 0] == pairs[:, 1]], axis=-1)


def in_bins(found: Floats, _: Space) -> Floats:
    """What ``calibration.ece`` and ``calibration.table`` are made from."""
    return calibration.in_bins(found[:, 0], found[:, 1])


_FREE = ("read:generated", "match:exact")
"""An answer counts as a label only if it is exactly one (see ``answer_key``)."""

_MACRO = ("absent-from-gold:left-out", "decode:closed-set")

METRICS = by_name(
    Metric(
        "accuracy", "share", "higher", "hit", ("decode:closed-set",), has_labels, _pairs, ratio,
        perfect=1.0, derive=_correct,
    ),
    Metric(
        "macro_f1", "share", "higher", "corpus", _MACRO, has_labels, _pairs, counts.macro_f1,
        perfect=1.0, derive=_label_counts,
    ),
    Metric(
        "balanced_accuracy", "share", "higher", "corpus", _MACRO, has_labels, _pairs,
        counts.balanced_accuracy, perfect=1.0, derive=_label_counts,
    ),
    Metric(
        "mcc", "coefficient", "higher", "corpus", ("outside:one-more-class", "decode:closed-set"),
        has_labels, _pairs, counts.mcc, perfect=1.0, derive=_label_counts,
    ),
    *(
        Metric(
            f"top{k}_accuracy", "share", "higher", "hit", ("ties:label-order",),
            _has_probabilities, _ranks, ratio, "no-probabilities", 1.0, derive=_among(k),
        )
        for k in TOP_K
    ),
    Metric(
        "ece", "share", "lower", "corpus", (f"bins:{calibration.BINS}", "interval:(lo,hi]"),
        _has_confidence, _confidence, calibration.ece, "no-probabilities", 0.0, derive=in_bins,
    ),
    Metric(
        "confidence_gap", "share", None, "free", ("confidence-minus-correct",), _has_confidence,
        _confidence, ratio, "no-probabilities", 0.0, derive=calibration.gap,
    ),
    Metric(
        "out_of_set_rate", "share", "lower", "hit", _FREE, has_text, _written, ratio,
        "does-not-generate", 0.0, derive=_outside,
    ),
    Metric(
        "generated_accuracy", "share", "higher", "hit", _FREE, has_text, _written, ratio,
        "does-not-generate", 1.0, derive=_correct,
    ),
)  # fmt: skip

KIND = Kind(
    metrics=METRICS,
    primary="accuracy",
    right="accuracy",
    headline=("accuracy", "macro_f1", "out_of_set_rate"),
    compared=("accuracy", "macro_f1"),
    validation=("accuracy", "macro_f1"),
)


def of_space(space: Space) -> Kind:
    """The metrics that mean something for these labels.

    Top-k accuracy where there are more labels than k. Of labels that are paths also accuracy and
    macro-F1 at each upper level: an item counts at the levels that its gold label has; a prediction
    whose own path is shorter is wrong there. The other metrics are of the whole path alone. Of
    labels in an order (``ordinal``) also how far off answers are.
    """
    trivial = {f"top{k}_accuracy" for k in TOP_K if len(space.labels) <= k}
    metrics = [metric for name, metric in METRICS.items() if name not in trivial]
    added = [_at_level(depth) for depth in range(len(space.levels))]
    upper = tuple(accuracy.name for accuracy, _ in added)
    accuracy, macro, *others = metrics
    found: tuple[Metric, ...] = (
        accuracy,
        *(a for a, _ in added),
        macro,
        *(f1 for _, f1 in added),
        *others,
    )
    places = ordinal.order(space.names)
    ordered = () if places is None else ordinal.metrics(places)
    found = (*found, *ordered)
    named = tuple(metric.name for metric in ordered)
    headline = ("accuracy", *upper, "macro_f1", *named, "out_of_set_rate")
    compared = ("accuracy", *upper, "macro_f1")
    return Kind(by_name(*found), "accuracy", "accuracy", headline, compared, KIND.validation)


def _at_level(depth: int) -> tuple[Metric, Metric]:
    def reads(item: Item, prediction: Prediction, space: Space) -> bool:
        known = space.levels[depth].ancestor[space.gold(item)[0]] != OUTSIDE
        return bool(known) and prediction.labels is not None

    def ancestors(
        items: Sequence[Item], predictions: Sequence[Prediction], space: Space
    ) -> Indices:
        # One place more, so that OUTSIDE, which is -1, leads to itself.
        ancestor = np.append(space.levels[depth].ancestor, OUTSIDE)
        return np.asarray(ancestor[_pairs(items, predictions, space)])

    def tally(pairs: Indices, space: Space) -> Statistics:
        return _counts(pairs, len(space.levels[depth].names))

    level = (f"level:{depth + 1}",)
    return (
        Metric(
            f"accuracy_level{depth + 1}", "share", "higher", "hit", (*level, "decode:closed-set"),
            reads, ancestors, ratio, "no-such-level", 1.0, derive=_correct,
        ),
        Metric(
            f"macro_f1_level{depth + 1}", "share", "higher", "corpus", (*level, *_MACRO), reads,
            ancestors, counts.macro_f1, "no-such-level", 1.0, derive=tally,
        ),
    )  # fmt: skip


def confusion(
    items: Sequence[Item], predictions: Sequence[Prediction], space: Space
) -> list[dict[str, Any]]:
    """The non-empty cells of the confusion matrix, by label order; predicted None: no label."""
    pairs, found = np.unique(_pairs(items, predictions, space), axis=0, return_counts=True)
    return [
        {
            "gold": space.names[gold],
            "predicted": None if answer == OUTSIDE else space.names[answer],
            "count": int(count),
        }
        for (gold, answer), count in zip(pairs, found, strict=True)
    ]
