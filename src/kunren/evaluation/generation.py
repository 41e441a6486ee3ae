"""Labels of sets that are predicted more or less often than gold has them, beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from kunren.evaluation.metric import Floats, Indices, Statistics
from kunren.evaluation.statistics import SIGNIFICANCE, holm, mcnemar_midp


def notable(counted: Statistics, names: Sequence[str]) -> list[dict[str, Any]]:
    """The labels whose predicted rows differ in number from their gold rows beyond chance.

    Each label is tested by the mid-p McNemar test of the rows where only one of the two has it
    (marginal homogeneity; Fagerland, Lydersen & Laake 2013), and since many labels are tested, p
    values are corrected by Holm's method (1979): of all labels that are named, even one is there by
    chance in at most 5 % of the cases.

    Args:
        counted: ``counts.label_counts`` summed within rows, [n_rows, 3 × labels].
        names: the labels.

    Returns:
        One entry a label with corrected p < 0.05, the largest difference first: ``label``, ``gold``
        and ``predicted`` (how often), ``ratio`` (predicted / gold; None where gold has none) and
        ``p`` (corrected).
    """
    size = len(names)
    counted = scipy.sparse.csc_array(counted)
    answered, gold = counted[:, size : 2 * size], counted[:, 2 * size :]
    said, asked = _total(answered), _total(gold)
    tested = np.flatnonzero(said + asked)
    difference = scipy.sparse.csc_array(answered - gold)
    p = holm(_p_values(difference, tested))
    found = [
        {
            "label": names[n],
            "gold": int(asked[n]),
            "predicted": int(said[n]),
            "ratio": float(said[n] / asked[n]) if asked[n] else None,
            "p": float(corrected),
        }
        for n, corrected in zip(tested.tolist(), p, strict=True)
        if corrected < SIGNIFICANCE
    ]
    return sorted(found, key=lambda one: -abs(one["predicted"] - one["gold"]))


def _total(column: Statistics) -> Floats:
    return np.asarray(column.sum(axis=0), dtype=np.float64).ravel()


def _p_values(difference: Statistics, tested: Indices) -> Floats:
    """Of each tested label, from the differences of its rows."""
    if not difference.nnz:
        return np.ones(len(tested))
    if abs(difference.data).max() > 1:  # rows of several items
        columns = [difference[:, [n]].data for n in tested]
        return np.array([mcnemar_midp(np.rint(c).astype(np.int64)) for c in columns])
    more = _total(difference > 0)[tested]
    fewer = _total(difference < 0)[tested]
    # What ``mcnemar_midp`` does with one item a row, for all labels at once.
    total, least = more + fewer, np.minimum(more, fewer)
    level = scipy.stats.binom.pmf(least, total, 0.5)
    uneven = 2 * scipy.stats.binom.cdf(least - 1, total, 0.5) + level
    return np.asarray(np.where(more == fewer, 1 - level / 2, uneven) * (total > 0) + (total == 0))
