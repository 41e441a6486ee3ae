"""Metrics of one label an item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kunren.evaluation import counts
from kunren.evaluation.metric import (
    OUTSIDE,
    Floats,
    Indices,
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

Said = Callable[[Prediction, Space], int]
"""Index of the label that a prediction is read as, ``OUTSIDE`` where it is none."""


def _label(prediction: Prediction, space: Space) -> int:
    return OUTSIDE if prediction.label is None else space.find(prediction.label)


def _generated(prediction: Prediction, space: Space) -> int:
    return space.find(prediction.generated or "")


def _gold(items: Sequence[Item], space: Space) -> Indices:
    return np.asarray([space.gold(item)[0] for item in items], dtype=np.int64)


def _said(predictions: Sequence[Prediction], space: Space, said: Said = _label) -> Indices:
    return np.asarray([said(prediction, space) for prediction in predictions], dtype=np.int64)


def _correct(items: Sequence[Item], predictions: Sequence[Prediction], space: Space) -> Floats:
    return scores(_gold(items, space) == _said(predictions, space))


def _generated_correct(
    items: Sequence[Item], predictions: Sequence[Prediction], space: Space
) -> Floats:
    return scores(_gold(items, space) == _said(predictions, space, _generated))


def _outside(_: Sequence[Item], predictions: Sequence[Prediction], space: Space) -> Floats:
    return scores(_said(predictions, space, _generated) == OUTSIDE)


def _counts(gold: Indices, said: Indices, labels: int) -> Statistics:
    answered = [[] if n == OUTSIDE else [int(n)] for n in said]
    return counts.label_counts([[int(n)] for n in gold], answered, labels)


def _label_counts(
    items: Sequence[Item], predictions: Sequence[Prediction], space: Space
) -> Statistics:
    return _counts(_gold(items, space), _said(predictions, space), len(space.names))


_FREE = ("read:generated", "match:exact")
"""An answer counts as a label only if it is exactly one (see ``answer_key``)."""

_MACRO = ("absent-from-gold:left-out", "decode:closed-set")

METRICS = by_name(
    Metric(
        "accuracy", "share", "higher", "hit", ("decode:closed-set",), has_labels, _correct, ratio,
        perfect=1.0,
    ),
    Metric(
        "macro_f1", "share", "higher", "corpus", _MACRO, has_labels, _label_counts,
        counts.macro_f1, perfect=1.0,
    ),
    Metric(
        "out_of_set_rate", "share", "lower", "hit", _FREE, has_text, _outside, ratio,
        "does-not-generate", 0.0,
    ),
    Metric(
        "generated_accuracy", "share", "higher", "hit", _FREE, has_text, _generated_correct, ratio,
        "does-not-generate", 1.0,
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


def with_levels(levels: int) -> Kind:
    """The metrics of labels that are paths: also accuracy and macro-F1 at each upper level.

    An item counts at the levels that its gold label has; a prediction whose own path is shorter is
    wrong there.
    """
    if not levels:
        return KIND
    added = [_at_level(depth) for depth in range(levels)]
    upper = tuple(accuracy.name for accuracy, _ in added)
    accuracy, macro, *written = METRICS.values()
    found = (accuracy, *(a for a, _ in added), macro, *(f1 for _, f1 in added), *written)
    headline = ("accuracy", *upper, "macro_f1", "out_of_set_rate")
    compared = ("accuracy", *upper, "macro_f1")
    return Kind(by_name(*found), "accuracy", "accuracy", headline, compared, KIND.validation)


def _at_level(depth: int) -> tuple[Metric, Metric]:
    def reads(item: Item, prediction: Prediction, space: Space) -> bool:
        known = space.levels[depth].ancestor[space.gold(item)[0]] != OUTSIDE
        return bool(known) and prediction.labels is not None

    def ancestors(
        items: Sequence[Item], predictions: Sequence[Prediction], space: Space
    ) -> tuple[Indices, Indices]:
        # One place more, so that OUTSIDE, which is -1, leads to itself.
        ancestor = np.append(space.levels[depth].ancestor, OUTSIDE)
        return ancestor[_gold(items, space)], ancestor[_said(predictions, space)]

    def correct(items: Sequence[Item], predictions: Sequence[Prediction], space: Space) -> Floats:
        gold, said = ancestors(items, predictions, space)
        return scores(gold == said)

    def tally(items: Sequence[Item], predictions: Sequence[Prediction], space: Space) -> Statistics:
        return _counts(*ancestors(items, predictions, space), len(space.levels[depth].names))

    level = (f"level:{depth + 1}",)
    return (
        Metric(
            f"accuracy_level{depth + 1}", "share", "higher", "hit", (*level, "decode:closed-set"),
            reads, correct, ratio, "no-such-level", 1.0,
        ),
        Metric(
            f"macro_f1_level{depth + 1}", "share", "higher", "corpus", (*level, *_MACRO), reads,
            tally, counts.macro_f1, "no-such-level", 1.0,
        ),
    )  # fmt: skip


def confusion(
    items: Sequence[Item], predictions: Sequence[Prediction], space: Space
) -> list[dict[str, Any]]:
    """The non-empty cells of the confusion matrix, by label order; predicted None: no label."""
    pairs, found = np.unique(
        np.stack([_gold(items, space), _said(predictions, space)], axis=1),
        axis=0,
        return_counts=True,
    )
    return [
        {
            "gold": space.names[gold],
            "predicted": None if answer == OUTSIDE else space.names[answer],
            "count": int(count),
        }
        for (gold, answer), count in zip(pairs, found, strict=True)
    ]
