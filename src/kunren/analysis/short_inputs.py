"""Whether short inputs are answered worse than long ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, slots=True)
class Short:
    """How much worse short inputs are answered.

    Attributes:
        p: one-sided, that shorter ones are not answered worse.
        limit: the short ones have at most this many characters: about a third of all.
        short: mean score of the short ones.
        others: mean score of the others.
        rows: how many are short.
    """

    p: float
    limit: int
    short: float
    others: float
    rows: int


def bare(texts: Sequence[str], template: str) -> list[str]:
    """Inputs without the beginning and the end that a template of ``task.template`` puts around."""
    front, _, rest = template.partition("{text}")
    front, back = front.partition("{")[0], rest.rpartition("}")[2]
    return [text.removeprefix(front).removesuffix(back) for text in texts]


def short_inputs(
    lengths: Sequence[int], scores: Sequence[float], strata: Sequence[str]
) -> Short | None:
    """Compare lengths with scores; None where there are no short ones, or all score the same.

    The test is van Elteren's, a rank test within strata: with the gold label as stratum, a label
    whose texts happen to be short and which is hard does not count. Its statistic is the sum of
    products of centred ranks, with its exact variance under permutation within strata, against the
    normal distribution.

    Args:
        lengths: in characters, [items].
        scores: of the answers, higher is better, [items].
        strata: what is only compared within itself, [items].
    """
    length, score = np.asarray(lengths), np.asarray(scores, dtype=np.float64)
    limit = int(np.quantile(length, 1 / 3, method="lower"))
    short = length <= limit
    if short.all():
        return None
    total = variance = 0.0
    groups = np.asarray(strata)
    for group in dict.fromkeys(strata):
        among = np.flatnonzero(groups == group)
        if among.size < 2:
            continue
        x, y = (stats.rankdata(v[among]) - (among.size + 1) / 2 for v in (length, score))
        # As van Elteren weights strata, so that large ones do not decide by size alone.
        weight = 1 / (among.size + 1)
        total += weight * float(x @ y)
        variance += weight**2 * float(x @ x) * float(y @ y) / (among.size - 1)
    if not variance:
        return None
    p = float(stats.norm.sf(total / math.sqrt(variance)))
    means = float(score[short].mean()), float(score[~short].mean())
    return Short(p, limit, *means, int(short.sum()))
