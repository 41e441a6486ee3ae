"""Labels that stand in an order, such as stars: how far off an answer is, not only whether.

Answering 4 for 5 stars and answering 1 are both wrong by accuracy. Labels count as ordered where
they are at least three consecutive whole numbers (``1`` to ``5``, ``星3``, ``3点``), or ★ repeated.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from kunren.evaluation.metric import OUTSIDE, Floats, Indices, Metric, Space, has_labels, scores
from kunren.types import Item, Prediction

LEAST = 3
"""Two labels have no order that accuracy does not see."""

_NUMBER = re.compile(r"(?P<before>\D*?)(?P<number>-?\d{1,3})(?P<after>\D*)")
_STARS = re.compile("★+")


def order(names: Sequence[str]) -> tuple[int, ...] | None:
    """The place of each label on its scale; None where the labels are in no order.

    Args:
        names: the closed set, and gold labels outside it.
    """
    plain = [unicodedata.normalize("NFKC", name).strip() for name in names]
    if all(_STARS.fullmatch(name.rstrip("☆")) for name in plain):
        found = [name.count("★") for name in plain]
    else:
        parts = [_NUMBER.fullmatch(name) for name in plain]
        around = {(part["before"], part["after"]) if part else None for part in parts}
        if None in around or len(around) != 1:
            return None
        found = [int(part["number"]) for part in parts if part]
    whole = sorted(found) == list(range(min(found), max(found) + 1)) if found else False
    return tuple(found) if whole and len(found) >= LEAST else None


def metrics(places: Sequence[int]) -> tuple[Metric, Metric]:
    """Mean distance, and Cohen's kappa with quadratic weights, of labels at these places.

    What is no label counts as the label that is farthest from gold.
    """
    scale = np.asarray(places, dtype=np.int64)
    setting = (f"scale:{scale.min()}-{scale.max()}", "outside-the-set:farthest")

    def placed(items: Sequence[Item], predictions: Sequence[Prediction], space: Space) -> Indices:
        """Place of the gold label and of the answer, [n, 2]."""
        gold = scale[[space.gold(item)[0] for item in items]]
        found = [OUTSIDE if p.label is None else space.find(p.label) for p in predictions]
        far = np.where(gold - scale.min() > scale.max() - gold, scale.min(), scale.max())
        said = np.where(np.asarray(found) == OUTSIDE, far, scale[found])
        return np.stack([gold, said], axis=-1)

    def distances(pairs: Indices, _: Space) -> Floats:
        return scores(np.abs(pairs[:, 0] - pairs[:, 1]).astype(np.float64))

    def tally(pairs: Indices, _: Space) -> Floats:
        """Squared distance, and which place gold and answer have: what kappa is made from."""
        steps = np.arange(scale.min(), scale.max() + 1)
        squared = ((pairs[:, 0] - pairs[:, 1]) ** 2)[:, None]
        return np.hstack([squared, pairs[:, :1] == steps, pairs[:, 1:] == steps]).astype(np.float64)

    def kappa(sums: Floats, _: Space) -> Floats:
        """1 - observed / expected disagreement, by squared distance (Cohen 1968)."""
        size = (sums.shape[-1] - 1) // 2
        gold, said = sums[..., 1 : 1 + size], sums[..., 1 + size :]
        steps = np.arange(size)
        weight = (steps[:, None] - steps[None, :]) ** 2
        by_chance = np.einsum("...i,ij,...j->...", gold, weight, said)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(1 - sums[..., 0] * gold.sum(axis=-1) / by_chance)

    def mean(sums: Floats, _: Space) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(sums[..., 0] / sums[..., 1])

    return (
        Metric(
            "mean_distance", "count", "lower", "free", setting, has_labels, placed, mean,
            perfect=0.0, derive=distances,
        ),
        Metric(
            "weighted_kappa", "coefficient", "higher", "corpus", ("weights:quadratic", *setting),
            has_labels, placed, kappa, perfect=1.0, derive=tally,
        ),
    )  # fmt: skip
