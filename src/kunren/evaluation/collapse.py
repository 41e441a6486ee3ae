"""Whether a system answers the same to everything, where gold does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from kunren.types import Item, Prediction

SHARE = 0.5
RATIO = 2.0
CHANCE = 0.001
"""One answer has this share of all, this many times that in gold, by less than this chance."""


@dataclass(frozen=True, slots=True)
class Leaning:
    """The commonest answer of a system.

    Attributes:
        label: a label, or a whole set, its labels joined by ``、``.
        share: of it among the answers.
        gold_share: of it among the gold answers.
        distinct: number of different answers.
        gold_distinct: likewise in gold.
        collapsed: whether the share is a collapse, see ``leaning``.
    """

    label: str
    share: float
    gold_share: float
    distinct: int
    gold_distinct: int
    collapsed: bool


def leaning(items: Sequence[Item], said: Sequence[Prediction]) -> Leaning | None:
    """Where the answers to closed-set items lean; None where none of them has labels.

    An answer is one label, or for sets a whole set or the label that makes up most of all labels,
    whichever leans more. It is a collapse if it has half of all and twice what gold has, and if a
    system that answers as often as gold does would give so many of it in less than one of a
    thousand trials (binomial, the share in gold smoothed by one).
    """
    gold = {item.id: item.labels for item in items}
    known = [(p.labels, gold[p.item_id]) for p in said if p.labels is not None]
    if not known:
        return None
    whole = _leaning(
        Counter("、".join(answer) for answer, _ in known),
        Counter("、".join(right) for _, right in known),
    )
    one = _leaning(
        Counter(label for answer, _ in known for label in answer),
        Counter(label for _, right in known for label in right),
    )
    if one is None or whole is None:
        return whole or one
    return max(whole, one, key=lambda found: (found.collapsed, found.share))


def _leaning(answers: Counter[str], gold: Counter[str]) -> Leaning | None:
    total = answers.total()
    if not total or not gold:
        return None
    label, count = answers.most_common(1)[0]
    share, gold_share = count / total, gold[label] / gold.total()
    expected = (gold[label] + 1) / (gold.total() + len(gold.keys() | answers.keys()))
    chance = float(stats.binom.sf(count - 1, total, expected))
    collapsed = share >= SHARE and share >= RATIO * gold_share and chance < CHANCE
    return Leaning(label, share, gold_share, len(answers), len(gold), collapsed)
