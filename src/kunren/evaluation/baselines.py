"""Trivial systems that every model must beat before its score means anything."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from kunren.evaluation.copying import COPIES, Rows, copy, lead, resembles
from kunren.evaluation.likeness import vectorizer
from kunren.evaluation.metric import Floats, Indices
from kunren.evaluation.text import comparable, overlap
from kunren.models.answering import choose_threshold, decide, has_empty
from kunren.tasks import Answers
from kunren.types import Item, Prediction

BEAM = 32
"""Sets that the search for the best constant set keeps at each size."""

FITTED = 100
"""Labels of sets that get a classifier of their own; each rarer one has its training share as its
probability. Thousands would take hours, and the rare ones never reach the threshold."""

SAMPLE = 500
"""Training answers among which the constant text is looked for."""


def majority(rows: Rows) -> list[Prediction]:
    """Answer the commonest training label to everything; the first of the set among equals."""
    counts = Counter(label for item in rows.train for label in item.labels)
    shares = np.array([counts[label] / max(len(rows.train), 1) for label in rows.labels])
    return _most_probable(rows.test, rows.labels, np.tile(shares, (len(rows.test), 1)))


def majority_set(rows: Rows) -> list[Prediction]:
    """Answer the commonest training label to everything, or an empty set if more rows have one."""
    said = majority(rows)
    empty = sum(not item.labels for item in rows.train)
    counts = Counter(label for item in rows.train for label in item.labels)
    if empty <= max(counts.values(), default=0):
        return said
    return [replace(one, labels=(), probability=None) for one in said]


def constant_set(rows: Rows) -> list[Prediction]:
    """Answer the set with the highest mean Jaccard on the training items to everything."""
    chosen = best_constant_set([item.labels for item in rows.train], rows.labels)
    return [Prediction(item.id, chosen) for item in rows.test]


def best_constant_set(
    sets: Sequence[Sequence[str]], labels: Sequence[str], beam: int = BEAM
) -> tuple[str, ...]:
    """The set of labels with the highest mean Jaccard with ``sets``; empty only if one of them is.

    There are 2^n candidates, so sets are grown label by label and at each size the best ``beam``
    are kept. That is exact where no size has more sets than that; elsewhere the best set is missed
    only if all its subsets of some size lie outside the beam. It may be larger than any of
    ``sets``, but its mean Jaccard is at most their mean size divided by its own: the search ends
    where that bound falls below what was found. Of equals the smaller, then the earlier labels.
    """
    place = {label: n for n, label in enumerate(labels)}
    entries = [(row, place[x]) for row, said in enumerate(sets) for x in dict.fromkeys(said)]
    empty = sum(not said for said in sets)
    if not entries:
        return () if empty else tuple(labels[:1])
    at_row, at_label = np.array(entries).T
    shape = (len(sets), len(labels))
    gold = sparse.csr_array((np.ones(len(entries)), (at_row, at_label)), shape=shape)
    sizes = np.asarray(gold.sum(axis=1))
    of_label = gold.T.tocsr()
    kept: list[tuple[int, ...]] = [()]
    # To an empty set an empty answer has Jaccard 1, and to all others 0.
    best, best_value = kept[0], float(empty) if empty else -1.0
    for size in range(1, len(labels) + 1):
        if size > sizes.max() and sizes.sum() / size <= best_value:
            break
        grown: dict[tuple[int, ...], float] = {}
        for chosen in kept:
            hits = np.asarray(gold[:, list(chosen)].sum(axis=1)) if chosen else 0.0 * sizes
            without = hits / (size + sizes - hits)
            with_it = (hits + 1) / np.maximum(size + sizes - hits - 1, 1)  # 0 in an empty set only
            values = without.sum() + of_label @ (with_it - without)
            for n in np.argsort(-values, kind="stable")[: beam + size]:
                if n not in chosen:
                    grown[tuple(sorted((*chosen, int(n))))] = float(values[n])
        kept = sorted(grown, key=lambda found: (-round(grown[found], 9), found))[:beam]
        if grown[kept[0]] > best_value + 1e-9:
            best, best_value = kept[0], grown[kept[0]]
    return tuple(labels[n] for n in best)


def constant_text(rows: Rows) -> list[Prediction]:
    """Answer the training answer that is most like the others to everything.

    The medoid by character F1, of all training answers or, of many, of ``SAMPLE`` drawn ones. Not
    by chrF, the primary metric, since a quarter of a million pairs of it take minutes.
    """
    answers = [item.answer for item in rows.train]
    if len(answers) > SAMPLE:
        answers = random.Random(0).sample(answers, SAMPLE)  # noqa: S311 - not for secrets
    counted = [Counter(comparable(answer)) for answer in answers]
    likeness = np.zeros(len(answers))
    for n, one in enumerate(counted):
        for m in range(n):
            found = overlap(one, counted[m])
            likeness[n] += found
            likeness[m] += found
    said = answers[int(likeness.argmax())] if answers else ""
    return [Prediction(item.id, None, generated=said) for item in rows.test]


def nearest(rows: Rows) -> list[Prediction]:
    """Give the labels of the training item with the most similar text."""
    return [
        Prediction(item.id, rows.train[n].labels)
        for item, n in zip(rows.test, _nearest(rows), strict=True)
    ]


def nearest_text(rows: Rows) -> list[Prediction]:
    """Give the answer of the training item with the most similar text."""
    return [
        Prediction(item.id, None, generated=rows.train[n].answer)
        for item, n in zip(rows.test, _nearest(rows), strict=True)
    ]


def _nearest(rows: Rows) -> Indices:
    """Place of the training item with the highest TF-IDF cosine; the first of equals."""
    if not rows.test:
        return np.zeros(0, dtype=np.int64)
    vectors = vectorizer()
    known = vectors.fit_transform([item.text for item in rows.train])
    asked = vectors.transform([item.text for item in rows.test])
    found = [
        (asked[start : start + 256] @ known.T).toarray().argmax(axis=1)
        for start in range(0, len(rows.test), 256)
    ]
    return np.concatenate(found)


def tfidf_logreg(rows: Rows) -> list[Prediction]:
    """TF-IDF of character n-grams and logistic regression, fitted on the training items' text.

    C = 10 because the default regularises unit-length vectors of a few hundred rows nearly flat.
    Labels that training never showed get probability 0.
    """
    from sklearn.pipeline import make_pipeline

    answers = [item.labels[0] for item in rows.train]
    if len(set(answers)) < 2:
        return majority(rows)
    model = make_pipeline(vectorizer(), _classifier())
    model.fit([item.text for item in rows.train], answers)
    probabilities = np.zeros((len(rows.test), len(rows.labels)))
    if rows.test:
        columns = [rows.labels.index(label) for label in model.classes_]
        probabilities[:, columns] = model.predict_proba([item.text for item in rows.test])
    return _most_probable(rows.test, rows.labels, probabilities)


def tfidf_logreg_sets(rows: Rows) -> list[Prediction]:
    """One such logistic regression a label, cut at the threshold that suits the validation items.

    See ``choose_threshold``: a classification head gets the same treatment.
    """
    vectors = vectorizer()
    known = vectors.fit_transform([item.text for item in rows.train])
    counts = Counter(label for item in rows.train for label in item.labels)
    share = np.array([counts[label] / len(rows.train) for label in rows.labels])
    fitted = {label for label, _ in counts.most_common(FITTED) if counts[label] < len(rows.train)}
    models = {
        n: _yes_or_no().fit(known, [label in item.labels for item in rows.train])
        for n, label in enumerate(rows.labels)
        if label in fitted
    }

    def probable(items: Sequence[Item]) -> list[Prediction]:
        found = np.tile(share, (len(items), 1))
        if items:
            asked = vectors.transform([item.text for item in items])
            for n, model in models.items():
                found[:, n] = model.predict_proba(asked)[:, 1]
        return [
            Prediction(item.id, None, probabilities=tuple(row))
            for item, row in zip(items, found.tolist(), strict=True)
        ]

    empty = has_empty(rows.train)
    held = rows.validation
    threshold = choose_threshold(held, probable(held), rows.labels, empty=empty)
    return decide(probable(rows.test), rows.labels, threshold, empty=empty)


def _classifier() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, max_iter=1000)


def _yes_or_no() -> Any:
    """The same for two classes, six times as fast: there may be hundreds of them to fit.

    ``liblinear`` regularises the intercept too; a scale of 10 leaves it nearly free.
    """
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, solver="liblinear", intercept_scaling=10)


def _most_probable(
    test: Sequence[Item], labels: Sequence[str], probabilities: Floats
) -> list[Prediction]:
    return [
        Prediction(
            item_id=item.id,
            labels=(labels[int(row.argmax())],),
            probability=float(row.max()),
            probabilities=tuple(float(p) for p in row),
        )
        for item, row in zip(test, probabilities, strict=True)
    ]


Baseline = Callable[[Rows], list[Prediction]]

BASELINES: Mapping[Answers, Mapping[str, Baseline]] = {
    "label": {"majority": majority, "tfidf_logreg": tfidf_logreg, "nearest": nearest},
    "set": {
        "majority": majority_set,
        "constant": constant_set,
        "tfidf_logreg": tfidf_logreg_sets,
        "nearest": nearest,
    },
    "text": {"constant": constant_text, "nearest": nearest_text, "copy": copy, "lead": lead},
}
"""What there is for each kind of answers."""


def run_baselines(
    chosen: str | Iterable[str],
    answers: Answers,
    train: Sequence[Item],
    validation: Sequence[Item],
    test: Sequence[Item],
    labels: Sequence[str],
) -> dict[str, list[Prediction]]:
    """Fit the chosen baselines on the training items and predict the test items.

    Args:
        chosen: ``config.evaluate.baselines``: "all", or names; those that are not in ``BASELINES``
            need the untuned model and are not made here (see ``prompted.py``). Of "all", those
            of ``COPIES`` are made only where the training answers are like what they give.
        answers: what an answer is.
        train: training items; their text and answers.
        validation: items that a threshold is chosen by.
        test: items to predict; their answers are not looked at.
        labels: the closed set, which holds every training label; empty for free text.
    """
    known = BASELINES[answers]
    rows = Rows(train, validation, test, labels)
    names = [name for name in (known if chosen == "all" else chosen) if name in known]
    if chosen == "all":
        names = [name for name in names if name not in COPIES or resembles(COPIES[name], train)]
    return {name: known[name](rows) for name in names}
