"""What a linear classifier can read off the features of a model that has not been tuned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kunren.models.choice import shares

C = 1.0
"""Inverse strength of the L2 penalty: SentEval's."""


def probe(
    train: NDArray[np.float64],
    gold: NDArray[np.bool_],
    test: NDArray[np.float64],
    multi_label: bool,
) -> NDArray[np.float64]:
    """Probabilities of each label for embeddings: [test, labels].

    Logistic regression with an L2 penalty: the form of a linear probe that SentEval uses. It is
    fitted to standardised features: a few dimensions of a transformer are hundreds of times as
    large as the others and would otherwise be all that counts. One label: multinomial. Several: one
    regression a label. Nothing in it is random. What the training rows do not tell apart gets its
    share of them: a label that none of them has 0, one that all have 1.

    Args:
        train: embeddings, [train, hidden].
        gold: which labels each has, [train, labels]; exactly one each, unless ``multi_label``.
        test: embeddings, [test, hidden].
        multi_label: whether each label stands for itself.
    """
    from sklearn.preprocessing import StandardScaler

    if not len(train):
        return shares(np.zeros((len(test), gold.shape[1])), multi_label)
    scaler: Any = StandardScaler().fit(train)
    weight, bias = np.zeros((gold.shape[1], train.shape[1])), np.zeros(gold.shape[1])
    scaled = scaler.transform(train)
    bias[~gold.any(axis=0)] = -np.inf
    if multi_label:
        bias[gold.all(axis=0)] = np.inf
        for column in np.flatnonzero(np.isfinite(bias)):
            fitted, offset = _fit(scaled, gold[:, column])
            weight[column], bias[column] = fitted[0], offset[0]
    elif len(present := np.flatnonzero(np.isfinite(bias))) > 1:
        fitted, offset = _fit(scaled, gold.argmax(axis=1))
        # Two labels have one row of weights between them, for the second against the first.
        halves = [[-0.5], [0.5]] if len(present) == 2 else 1.0
        weight[present], bias[present] = halves * fitted, (halves * offset[:, None])[:, 0]
    return shares(
        scaler.transform(test) @ weight.T + bias if len(test) else np.zeros((0, len(bias))),
        multi_label,
    )


def _fit(train: Any, target: Any) -> tuple[Any, Any]:
    from sklearn.linear_model import LogisticRegression

    made = LogisticRegression(C=C, max_iter=1000)
    made.fit(train, target)
    return made.coef_, made.intercept_
