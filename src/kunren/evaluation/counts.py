"""How often each label was asked for, answered and hit, and what follows from these counts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import scipy

from kunren.evaluation.metric import Floats, Space, Statistics, answer_key


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
    shape = (len(gold), labels)
    of_gold, of_said = _one_hot(gold, shape), _one_hot(answered, shape)
    return scipy.sparse.hstack([of_gold * of_said, of_said, of_gold], format="csr")


def _one_hot(chosen: Sequence[Sequence[int]], shape: tuple[int, int]) -> Statistics:
    rows = np.repeat(np.arange(len(chosen)), [len(one) for one in chosen])
    columns = np.fromiter(chain.from_iterable(chosen), dtype=np.int64, count=len(rows))
    return scipy.sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


def sizes(counted: Statistics) -> Floats:
    """Of each item the number of hits, predicted labels and gold labels, [n, 3]."""
    labels = counted.shape[1] // 3
    part = np.kron(np.eye(3), np.ones((labels, 1)))
    return np.asarray(counted @ part)


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


def balanced_accuracy(sums: Floats, _: Space) -> Floats:
    """The mean recall of the labels that occur in the gold answers.

    The same as scikit-learn's ``balanced_accuracy_score`` (Brodersen et al. 2010).
    """
    hit, _answered, gold = np.split(sums, 3, axis=-1)
    present = gold > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(present, hit / gold, 0.0)
        return np.asarray(recall.sum(axis=-1) / present.sum(axis=-1))


def mcc(sums: Floats, _: Space) -> Floats:
    """Matthews' correlation coefficient of several classes (Gorodkin 2004), in [-1, 1].

    The same as scikit-learn's ``matthews_corrcoef``, with the answers that are no label as one more
    class. 0 where every answer is the same; undefined, where scikit-learn has 0, if gold knows one
    label only: there is nothing then to correlate with.
    """
    hit, answered, gold = np.split(sums, 3, axis=-1)
    total = gold.sum(axis=-1)  # one gold label an item
    outside = total - answered.sum(axis=-1)
    covariance = hit.sum(axis=-1) * total - (answered * gold).sum(axis=-1)
    of_said = total**2 - (answered**2).sum(axis=-1) - outside**2
    of_gold = total**2 - (gold**2).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(of_said == 0, 0.0, covariance / np.sqrt(of_said * of_gold))
    return np.asarray(np.where(of_gold == 0, np.nan, found))


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


def diversity(sums: Floats, space: Space) -> Floats:
    """The share of predicted labels outside ``space.frequent``, as seed 000 measures it.

    Only labels of the closed set count, each once an answer, so that neither garbage nor a label
    written five times moves it. (The program of seed 000 counts repeated labels as often as they
    are written: ``diversity_non_top5_ratio``.) Undefined where nothing was predicted.
    """
    answered = np.split(sums, 3, axis=-1)[1]
    keys = map(answer_key, space.frequent)
    places = [n for key in keys if (n := space.index.get(key)) is not None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - answered[..., places].sum(axis=-1) / answered.sum(axis=-1))


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
