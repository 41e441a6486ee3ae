"""Metrics of a closed label set, each split into per-item statistics and a value of their sum.

A metric is two functions: ``statistics`` turns answers into one vector an item, ``value`` turns a
sum of such vectors into the number. Bootstrap resamples and permutations are then nothing but
weighted sums, for every metric alike (the idea of sacreBLEU's cached sufficient statistics).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kunren.types import Item, Prediction

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

OUTSIDE = -1
"""Index of an answer that is no label."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: its name in ``eval_metrics.json``.
        answer: which part of a prediction it reads.
        settings: what its signature says beside name, version and number of labels.
        statistics: (gold [n], answer [n], number of labels) → [n, k], summed over items.
        value: sums [..., k] → [...]; NaN where the sum leaves it undefined.
    """

    name: str
    answer: Literal["label", "generated"]
    settings: tuple[str, ...]
    statistics: Callable[[Indices, Indices, int], Floats]
    value: Callable[[Floats], Floats]

    def signature(self, labels: int) -> str:
        """What must agree for two values to be comparable, in the way of sacreBLEU."""
        return "|".join((self.name, "v1", f"labels:{labels}", *self.settings))


@dataclass(frozen=True, slots=True)
class Scored:
    """The items that one system answered, as label indices.

    Attributes:
        position: places of these items among all test items, [n].
        gold: index of the gold label, [n].
        answer: index of the answer, ``OUTSIDE`` where it is no label, [n].
    """

    position: Indices
    gold: Indices
    answer: Indices


def answer_key(said: str) -> str:
    """What two answers are compared by: NFC, stripped, without emoji variation selectors."""
    plain = unicodedata.normalize("NFC", said).strip()
    return plain.replace("\ufe0e", "").replace("\ufe0f", "")


def label_index(labels: Sequence[str], items: Sequence[Item]) -> tuple[dict[str, int], list[str]]:
    """Label (by its ``answer_key``) → index, and the names by index.

    The closed set comes first, then gold answers outside it, which no system can get right.

    Raises:
        ValueError: two labels of the closed set are the same answer.
    """
    known: dict[str, int] = {}
    names: list[str] = []
    for said in (*labels, *(item.answer for item in items)):
        key = answer_key(said)
        if key in known and len(names) < len(labels):
            raise ValueError(f"labels {names[known[key]]!r} and {said!r} are the same answer")
        if key not in known:
            known[key] = len(names)
            names.append(said)
    return known, names


def read_answers(
    items: Sequence[Item],
    predictions: Mapping[str, Prediction],
    index: Mapping[str, int],
    part: Literal["label", "generated"],
    closed: int,
) -> Scored:
    """Turn gold and predicted answers into indices; items without a prediction are left out.

    Args:
        items: the test items.
        predictions: item id → prediction.
        index: from ``label_index``.
        part: the closed-set label, or the free generation.
        closed: number of labels in the closed set; an answer beyond it counts as ``OUTSIDE``.
    """
    position, gold, answer = [], [], []
    for place, item in enumerate(items):
        prediction = predictions.get(item.id)
        said = None if prediction is None else getattr(prediction, part)
        if said is None:
            continue
        found = index.get(answer_key(said), OUTSIDE)
        position.append(place)
        gold.append(index[answer_key(item.answer)])
        answer.append(found if found < closed else OUTSIDE)
    return Scored(*(np.asarray(column, dtype=np.int64) for column in (position, gold, answer)))


def _share(hits: NDArray[np.bool_]) -> Floats:
    return np.stack([hits, np.ones_like(hits)], axis=-1).astype(np.float64)


def _correct(gold: Indices, answer: Indices, _: int) -> Floats:
    return _share(gold == answer)


def _outside(_: Indices, answer: Indices, __: int) -> Floats:
    return _share(answer == OUTSIDE)


def _ratio(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def _counts(gold: Indices, answer: Indices, labels: int) -> Floats:
    known = np.arange(labels)
    of_gold = gold[:, None] == known
    of_answer = answer[:, None] == known
    return np.concatenate([of_gold & of_answer, of_answer, of_gold], axis=-1).astype(np.float64)


def _macro_f1(sums: Floats) -> Floats:
    hit, answered, gold = np.split(sums, 3, axis=-1)
    present = gold > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(present, 2 * hit / (answered + gold), 0.0)
        return np.asarray(f1.sum(axis=-1) / present.sum(axis=-1))


ACCURACY = Metric("accuracy", "label", ("decode:closed-set",), _correct, _ratio)
MACRO_F1 = Metric(
    "macro_f1", "label", ("absent-from-gold:left-out", "decode:closed-set"), _counts, _macro_f1
)
"""The mean F1 of the labels that occur in the gold answers.

The same as scikit-learn's ``f1_score(average="macro", zero_division=0, labels=...)`` with the
labels that gold contains: a label without a gold row has no recall, so it is left out instead of
counted as 0; answering it wrongly still costs the label that was asked for. Since only gold decides
which labels are averaged, two systems are averaged over the same ones, also within a resample.
"""
OUT_OF_SET_RATE = Metric(
    "out_of_set_rate", "generated", ("decode:greedy", "match:exact"), _outside, _ratio
)
"""The share of free generations that are not exactly one label of the set (see ``answer_key``)."""
GENERATED_ACCURACY = Metric(
    "generated_accuracy", "generated", ("decode:greedy", "match:exact"), _correct, _ratio
)

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (ACCURACY, MACRO_F1, OUT_OF_SET_RATE, GENERATED_ACCURACY)
}


def validation_metrics(
    items: Sequence[Item], said: Sequence[Prediction], labels: Sequence[str]
) -> dict[str, float]:
    """Accuracy and macro-F1 alone, without intervals, for the end of each epoch.

    Empty where no item has a prediction.
    """
    index, names = label_index(labels, items)
    scored = read_answers(items, {p.item_id: p for p in said}, index, "label", len(labels))
    if not scored.position.size:
        return {}
    return {
        metric.name: float(
            metric.value(metric.statistics(scored.gold, scored.answer, len(names)).sum(axis=0))
        )
        for metric in (ACCURACY, MACRO_F1)
    }


def per_label(scored: Scored, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1, support and number of predictions of each label.

    A share whose denominator is 0 is None: the precision of a label that was never answered, the
    recall of a label without a gold row.
    """
    sums = _counts(scored.gold, scored.answer, len(names)).sum(axis=0)
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


def _quotient(above: float, below: float) -> float | None:
    return float(above / below) if below else None


def confusion(scored: Scored, names: Sequence[str]) -> list[dict[str, Any]]:
    """The non-empty cells of the confusion matrix, by label order; predicted None: no label."""
    pairs, counts = np.unique(
        np.stack([scored.gold, scored.answer], axis=1), axis=0, return_counts=True
    )
    return [
        {
            "gold": names[gold],
            "predicted": None if answer == OUTSIDE else names[answer],
            "count": int(count),
        }
        for (gold, answer), count in zip(pairs, counts, strict=True)
    ]
