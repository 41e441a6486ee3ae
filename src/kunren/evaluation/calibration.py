"""Whether a system is right as often as the probabilities of its answers say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from kunren.evaluation.metric import Floats, Space, scores

BINS = 10
"""Intervals of equal width that confidences are put into, as in Guo et al. 2017 (they take 15, for
10,000 rows; small data leaves too few rows in each)."""


def in_bins(confidence: Floats, correct: Floats, bins: int = BINS) -> Floats:
    """Statistics of the calibration error: count, confidence and right answers of each bin.

    Bins are (lo, hi]; a confidence of 0 belongs to the first one.

    Args:
        confidence: probability of each answer, [n].
        correct: 1 where the answer is right, else 0, [n].
        bins: how many.

    Returns:
        [n, 3 × bins].
    """
    # Not linspace: its 0.7 is a little more than the 0.7 that a confidence may be.
    edges = np.arange(bins + 1) / bins
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    found = np.zeros((len(confidence), 3, bins))
    found[np.arange(len(confidence)), :, place] = np.stack(
        [np.ones_like(confidence), confidence, correct], axis=-1
    )
    return found.reshape(len(confidence), 3 * bins)


def ece(sums: Floats, _: Space | None = None) -> Floats:
    """Expected calibration error (Naeini et al. 2015; Guo et al. 2017, eq. 3).

    The mean distance of confidence and accuracy of the bins, weighted by their answers. It is
    biased upwards, the more the fewer rows there are: even of a perfectly calibrated system each
    bin's accuracy is off by chance (see ``by_chance``). So is its bootstrap interval, which never
    reaches the 0 of such a system; of one that is off by far more than chance it held the truth in
    88 to 95 % of simulated test sets of 75 to 2,000 rows.
    """
    count, confidence, correct = np.split(sums, 3, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(abs(confidence - correct).sum(axis=-1) / count.sum(axis=-1))


def gap(pairs: Floats, _: Space | None = None) -> Floats:
    """Confidence minus right answers of each item, as the scores of a mean.

    Args:
        pairs: confidence and 1 or 0 for right or wrong, [n, 2].
    """
    return scores(pairs[:, 0] - pairs[:, 1])


def table(sums: Floats) -> list[dict[str, Any]]:
    """The bins that hold answers, with mean confidence and accuracy."""
    count, confidence, correct = np.split(sums, 3)
    bins = len(count)
    return [
        {
            "lo": n / bins,
            "hi": (n + 1) / bins,
            "count": int(count[n]),
            "confidence": float(confidence[n] / count[n]),
            "accuracy": float(correct[n] / count[n]),
        }
        for n in np.flatnonzero(count)
    ]


def by_chance(bins: Sequence[Mapping[str, Any]]) -> float:
    """The calibration error that a perfectly calibrated system has on average on so few rows.

    With the same confidences and answers independent of each other, the right answers of a bin are
    close to binomial with its mean confidence (Bröcker & Smith 2007 resample the same null). All
    answers of a bin have almost that confidence, so that little is lost.

    Args:
        bins: what ``table`` returned.
    """
    total = 0
    error = 0.0
    for found in bins:
        n, confidence = int(found["count"]), min(1.0, found["confidence"])
        total += n
        right = np.arange(n + 1)
        error += float(scipy.stats.binom.pmf(right, n, confidence) @ abs(right - n * confidence))
    return error / total
