"""How often each label was asked for, answered and hit, and what follows from these counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from kunren.evaluation.metric import Floats, Space, Statistics


def label_counts(
    gold: Sequence[Sequence[int]], answered: Sequence[Sequence[int]], labels: int
) -> Statistics:
    """Statistics of every metric of this module: hits, answers and gold rows of each label.

    Args:
        gold: indices of each item's gold labels, each once.
        answered: those of its predicted ones, each once.
        labels: how many labels there are.

    Returns:
        A sparse array [n, 3 × labels], since an item has few of the labels.
    """
    rows: list[int] = []
    columns: list[int] = []
    for row, (asked, said) in enumerate(zip(gold, answered, strict=True)):
        hit = set(asked) & set(said)
        found = [*hit, *(labels + n for n in said), *(2 * labels + n for n in asked)]
        columns += found
        rows += [row] * len(found)
    ones = np.ones(len(rows))
    return sparse.csr_array((ones, (rows, columns)), shape=(len(gold), 3 * labels))


def macro_f1(sums: Floats, _: Space) -> Floats:
    """The mean F1 of the labels that occur in the gold answers.

    The same as scikit-learn's ``f1_score(average="macro", zero_division=0, labels=...)`` with the
    labels that gold contains: a label without a gold row has no recall, so it is left out instead
    of counted as 0; answering it wrongly still costs the label that was asked for. Since only gold
    decides which labels are averaged, two systems are averaged over the same ones, also within a
    resample.
    """
    hit, answered, gold = np.split(sums, 3, axis=-1)
    present = gold > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(present, 2 * hit / (answered + gold), 0.0)
        return np.asarray(f1.sum(axis=-1) / present.sum(axis=-1))


def micro_f1(sums: Floats, _: Space) -> Floats:
    """F1 of all labels of all items taken together."""
    hit, answered, gold = (part.sum(axis=-1) for part in np.split(sums, 3, axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2 * hit / (answered + gold))


def top1_share(sums: Floats, _: Space) -> Floats:
    """The share of the commonest predicted label among all predicted labels."""
    answered = np.split(sums, 3, axis=-1)[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(answered.max(axis=-1) / answered.sum(axis=-1))


def unique_labels(sums: Floats, _: Space) -> Floats:
    """How many different labels were predicted."""
    answered = np.split(sums, 3, axis=-1)[1]
    return np.asarray((answered > 0).sum(axis=-1), dtype=np.float64)


def coverage(sums: Floats, space: Space) -> Floats:
    """The share of the closed set that was predicted at least once."""
    return unique_labels(sums, space) / len(space.labels)


def entropy(sums: Floats, space: Space) -> Floats:
    """Shannon entropy of the predicted labels, divided by that of a uniform use of the closed set.

    0: always the same label; 1: all labels equally often.
    """
    answered = np.split(sums, 3, axis=-1)[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = answered / answered.sum(axis=-1, keepdims=True)
        surprise = np.where(share == 0, 0.0, share * np.log(share))
        return np.asarray(abs(surprise.sum(axis=-1)) / np.log(len(space.labels)))


def per_label(sums: Floats, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1, support and number of predictions of each label.

    A share whose denominator is 0 is None: the precision of a label that was never answered, the
    recall of a label without a gold row.
    """
    hit, answered, gold = np.split(sums, 3)
    return {
        name: {
            "precision": _quotient(hit[n], answered[n]),
            "recall": _quotient(hit[n], gold[n]),
            "f1": _quotient(2 * hit[n], answered[n] + gold[n]),
            "support": int(gold[n]),
            "predicted": int(answered[n]),
        }
        for n, name in enumerate(names)
    }


def frequencies(counts: Floats, names: Sequence[str]) -> dict[str, int]:
    """Label → how often, the most frequent first, without those that never occur."""
    order = sorted(range(len(names)), key=lambda n: -counts[n])
    return {names[n]: int(counts[n]) for n in order if counts[n]}


def _quotient(above: float, below: float) -> float | None:
    return float(above / below) if below else None
