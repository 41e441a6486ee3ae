"""Trivial systems that every model must beat before its score means anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from kunren.evaluation.labels import Floats
from kunren.types import Item, Prediction


def majority(
    train: Sequence[Item], test: Sequence[Item], labels: Sequence[str]
) -> list[Prediction]:
    """Answer the commonest training label to everything; the first of the set among equals."""
    counts = Counter(item.answer for item in train)
    shares = np.array([counts[label] / max(len(train), 1) for label in labels])
    return _predictions(test, labels, np.tile(shares, (len(test), 1)))


def tfidf_logreg(
    train: Sequence[Item], test: Sequence[Item], labels: Sequence[str]
) -> list[Prediction]:
    """TF-IDF of character n-grams and logistic regression, fitted on the training items' text.

    Characters 1 to 3: Japanese has no spaces to split words at, most of its words are that short,
    and in a few hundred rows longer n-grams hardly ever return. ``char_wb`` adds the ends of the
    text, where Japanese puts mood and politeness. Term counts are dampened (``sublinear_tf``), and
    C = 10 because the default regularises unit-length vectors of a few hundred rows nearly flat.
    Labels that training never showed get probability 0.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    answers = [item.answer for item in train]
    if len(set(answers)) < 2:
        return majority(train, test, labels)
    model = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), sublinear_tf=True),
        LogisticRegression(C=10.0, max_iter=1000),
    )
    model.fit([item.text for item in train], answers)
    probabilities = np.zeros((len(test), len(labels)))
    if test:
        columns = [labels.index(label) for label in model.classes_]
        probabilities[:, columns] = model.predict_proba([item.text for item in test])
    return _predictions(test, labels, probabilities)


def _predictions(
    test: Sequence[Item], labels: Sequence[str], probabilities: Floats
) -> list[Prediction]:
    return [
        Prediction(
            item_id=item.id,
            label=labels[int(row.argmax())],
            probability=float(row.max()),
            probabilities=tuple(float(p) for p in row),
        )
        for item, row in zip(test, probabilities, strict=True)
    ]


Baseline = Callable[[Sequence[Item], Sequence[Item], Sequence[str]], list[Prediction]]

BASELINES: dict[str, Baseline] = {"majority": majority, "tfidf_logreg": tfidf_logreg}


def run_baselines(
    chosen: str | Iterable[str],
    train: Sequence[Item],
    test: Sequence[Item],
    labels: Sequence[str],
) -> dict[str, list[Prediction]]:
    """Fit the chosen baselines on the training items and predict the test items.

    Args:
        chosen: ``config.evaluate.baselines``: "all", or names from ``BASELINES``.
        train: training items; their text and answers.
        test: items to predict; their answers are not looked at.
        labels: the closed set, which holds every training answer.
    """
    names = list(BASELINES) if chosen == "all" else list(chosen)
    return {name: BASELINES[name](train, test, labels) for name in names}
