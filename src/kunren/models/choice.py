"""From scores over a closed set of labels to predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kunren.types import Item, Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def most_probable(
    items: Sequence[Item], labels: Sequence[str], scores: NDArray[np.float64]
) -> list[Prediction]:
    """The best label of each item, with the probabilities of all: scores normalised over the set.

    Args:
        items: what was asked.
        labels: the closed set.
        scores: log-probabilities, up to one constant an item: [items, labels].
    """
    return predictions(items, labels, shares(scores, multi_label=False))


def shares(scores: NDArray[np.float64], multi_label: bool) -> NDArray[np.float64]:
    """Probabilities from scores [items, labels]: sigmoids of labels that stand for themselves."""
    from scipy.special import expit, softmax

    found: NDArray[np.float64] = expit(scores) if multi_label else softmax(scores, axis=1)
    return found


def predictions(
    items: Sequence[Item], labels: Sequence[str], probabilities: NDArray[np.float64]
) -> list[Prediction]:
    """The most probable label of each item, with the probabilities of all: [items, labels]."""
    return [
        Prediction(
            item_id=item.id,
            labels=(labels[int(row.argmax())],),
            probability=float(row.max()),
            probabilities=tuple(float(p) for p in row),
        )
        for item, row in zip(items, probabilities, strict=True)
    ]
