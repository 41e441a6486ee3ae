"""How a system is asked: one way for each kind of answer, whatever the model and the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from kunren.config.schema import Decoding
from kunren.models import Family
from kunren.progress import Task as Bar
from kunren.tasks import Answers, Task
from kunren.types import Item, Prediction, Written

_THRESHOLDS = np.arange(0.02, 0.96, 0.01)


@dataclass(frozen=True, slots=True)
class Options:
    """How to ask.

    Attributes:
        batch_size: items at a time.
        max_new_tokens: where the model writes.
        decoding: how it writes.
        generate: whether a model that chooses from the label set is also to write freely.
        threshold: from which probability a label belongs to a set.
        empty: whether a set may be empty: whether any training row had an empty one.
    """

    batch_size: int
    max_new_tokens: int
    decoding: Decoding = field(default_factory=Decoding)
    generate: bool = False
    threshold: float = 0.5
    empty: bool = False


def answer(
    family: Family,
    task: Task,
    items: Sequence[Item],
    labels: Sequence[str],
    options: Options,
    bar: Bar,
) -> list[Prediction]:
    """Predictions of a model, one an item.

    One label: the most probable of the closed set, so that a model cannot answer beside the
    question. A set: what the model writes, read label by label, or, of a model with a
    classification head, every label whose probability reaches the threshold. Text: what it writes.

    ``bar`` advances by one an item, twice where the model also writes freely.
    """
    if writes(family, task.answers):
        return _written(family, task, items, labels, options, bar)
    chosen = family.predict(items, labels, options.batch_size, bar)
    if task.answers == "set":
        return decide(chosen, labels, options.threshold, empty=options.empty)
    if not (options.generate and family.generates):
        return chosen
    said = _generate(family, items, options, bar)
    return [
        replace(p, generated=one.text, ended=one.ended) for p, one in zip(chosen, said, strict=True)
    ]


def writes(family: Family, answers: Answers) -> bool:
    """Whether the prediction is what the model writes, not a choice from the closed set."""
    return answers == "text" or (answers == "set" and family.generates)


def _written(
    family: Family,
    task: Task,
    items: Sequence[Item],
    labels: Sequence[str],
    options: Options,
    bar: Bar,
) -> list[Prediction]:
    said = _generate(family, items, options, bar)
    if task.answers == "text":
        return [
            Prediction(item.id, None, generated=one.text, ended=one.ended)
            for item, one in zip(items, said, strict=True)
        ]
    read = [task.parse(one.text, labels) for one in said]
    return [
        Prediction(item.id, p.labels, generated=one.text, invalid=p.invalid, ended=one.ended)
        for item, one, p in zip(items, said, read, strict=True)
    ]


def _generate(family: Family, items: Sequence[Item], options: Options, bar: Bar) -> list[Written]:
    return family.generate(items, options.max_new_tokens, options.batch_size, bar, options.decoding)


def decide(
    predictions: Sequence[Prediction],
    labels: Sequence[str],
    threshold: float,
    *,
    empty: bool = False,
) -> list[Prediction]:
    """Predictions with independent probabilities, with the set that they amount to."""
    decided = []
    for prediction in predictions:
        chosen = cut(prediction.probabilities, labels, threshold, empty=empty)
        best = max(prediction.probabilities) if chosen else None
        decided.append(replace(prediction, labels=chosen, probability=best))
    return decided


def cut(
    probabilities: Sequence[float],
    labels: Sequence[str],
    threshold: float,
    *,
    empty: bool = False,
) -> tuple[str, ...]:
    """The labels at or above the threshold, best first.

    If none is, the best one, unless a set may be empty: a model whose training data had no empty
    set has not learnt what one is.
    """
    order = sorted(range(len(labels)), key=lambda n: -probabilities[n])
    chosen = [n for n in order if probabilities[n] >= threshold] or order[: not empty]
    return tuple(labels[n] for n in chosen)


def has_empty(items: Sequence[Item]) -> bool:
    """Whether any of these items, those that a model is trained on, has an empty set."""
    return any(not item.labels for item in items)


def choose_threshold(
    items: Sequence[Item],
    predictions: Sequence[Prediction],
    labels: Sequence[str],
    *,
    empty: bool = False,
) -> float:
    """The threshold with the highest mean Jaccard on these items: validation rows, never test rows.

    Rare labels seldom reach 0.5, so a fixed threshold would leave most sets at one label. 0.5 where
    there is nothing to choose by. The middle of the best range: its edges are chance.
    """
    if not items:
        return 0.5
    place = {label: n for n, label in enumerate(labels)}
    gold = np.zeros((len(items), len(labels)), dtype=bool)
    for row, item in enumerate(items):
        gold[row, [place[label] for label in item.labels if label in place]] = True
    outside = np.array([sum(label not in place for label in item.labels) for item in items])
    said = np.array([prediction.probabilities for prediction in predictions])
    means = np.array([_jaccard(said, gold, outside, t, empty=empty).mean() for t in _THRESHOLDS])
    best = _THRESHOLDS[means >= means.max() - 1e-12]
    return round(float(best[len(best) // 2]), 2)


def _jaccard(
    said: NDArray[np.float64],
    gold: NDArray[np.bool_],
    outside: NDArray[np.int64],
    threshold: float,
    *,
    empty: bool,
) -> NDArray[np.float64]:
    chosen = said >= threshold
    if not empty:
        chosen[np.arange(len(said)), said.argmax(axis=1)] = True
    both = (chosen & gold).sum(axis=1)
    either = (chosen | gold).sum(axis=1) + outside
    # Where neither has a label, both say the same.
    return np.where(either == 0, 1.0, both / np.maximum(either, 1))
