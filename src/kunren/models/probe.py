"""What a linear classifier can read off the features of a model that has not been tuned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kunren.models.choice import shares


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear classifier: logits are features · weightᵀ + bias.

    Attributes:
        weight: [labels, features].
        bias: [labels]; infinite where the training rows do not tell a label apart: -inf where none
            of them has it, inf where all have one that stands for itself. Its weight is 0 then.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of features [rows, features]: [rows, labels]."""
        said: NDArray[np.float64] = features @ self.weight.T + self.bias
        return said


def probe(
    train: NDArray[np.float64],
    gold: NDArray[np.bool_],
    test: NDArray[np.float64],
    multi_label: bool,
) -> NDArray[np.float64]:
    """Probabilities of each label for embeddings: [test, labels].

    What the training rows do not tell apart gets its share of them: a label that none of them has
    0, one that all have 1. See ``regression``.

    Args:
        train: embeddings, [train, hidden].
        gold: which labels each has, [train, labels]; exactly one each, unless ``multi_label``.
        test: embeddings, [test, hidden].
        multi_label: whether each label stands for itself.
    """
    return shares(regression(train, gold, multi_label).logits(test), multi_label)


def regression(
    train: NDArray[np.float64],
    gold: NDArray[np.bool_],
    multi_label: bool,
    intercept: bool = True,
) -> Linear:
    """Logistic regression (L2, C = 1, the form of a linear probe that SentEval uses).

    It is fitted to standardised features: a few dimensions of a transformer are hundreds of times
    as large as the others and would otherwise be all that counts. One label: multinomial. Several:
    one regression a label. Nothing in it is random.

    Without an intercept the features are scaled but not centred: dimensions that are far from zero
    on all rows then stand in for it, and cost the penalty little.

    Args:
        train: features, [train, features].
        gold: which labels each row has, [train, labels]; exactly one each, unless ``multi_label``.
        multi_label: whether each label stands for itself.
        intercept: whether there is to be a bias; where a bias is not infinite it is 0 otherwise.
    """
    from sklearn.preprocessing import StandardScaler

    weight, bias = np.zeros((gold.shape[1], train.shape[1])), np.zeros(gold.shape[1])
    if not len(train):
        return Linear(weight, bias)
    scaler: Any = StandardScaler(with_mean=intercept).fit(train)
    scaled = scaler.transform(train)
    bias[~gold.any(axis=0)] = -np.inf
    if multi_label:
        bias[gold.all(axis=0)] = np.inf
        for column in np.flatnonzero(np.isfinite(bias)):
            fitted, offset = _fit(scaled, gold[:, column], intercept)
            weight[column], bias[column] = fitted[0], offset[0]
    elif len(present := np.flatnonzero(np.isfinite(bias))) > 1:
        fitted, offset = _fit(scaled, gold.argmax(axis=1), intercept)
        # Two labels have one row of weights between them, for the second against the first.
        halves = [[-0.5], [0.5]] if len(present) == 2 else 1.0
        weight[present], bias[present] = halves * fitted, (halves * offset[:, None])[:, 0]
    weight /= scaler.scale_
    if intercept:
        bias -= weight @ scaler.mean_
    return Linear(weight, bias)


def settled(
    fitted: Linear, train: NDArray[np.float64], gold: NDArray[np.bool_], multi_label: bool
) -> Linear:
    """The same with finite biases, from which training can go on.

    A label that the training rows do not tell apart gets the log-odds of its share of them, with
    half a row added on either side (Haldane 1956); with one label, against the mean of the others.
    """
    from scipy.special import logsumexp

    rows, count = len(gold), gold.sum(axis=0)
    odds = np.log((count + 0.5) / (rows - count + 0.5))
    if not multi_label:
        odds += logsumexp(fitted.logits(train), axis=1).mean()
    return Linear(fitted.weight, np.where(np.isfinite(fitted.bias), fitted.bias, odds))


def without_bias(fitted: Linear, train: NDArray[np.float64]) -> Linear:
    """The same with the biases as weights, on the training rows' mean: 0 for what has none."""
    mean, spread = train.mean(axis=0), train.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    constant = np.linalg.pinv((mean / scale)[None])[:, 0] / scale
    return Linear(fitted.weight + np.outer(fitted.bias, constant), np.zeros_like(fitted.bias))


def _fit(train: Any, target: Any, intercept: bool) -> tuple[Any, Any]:
    from sklearn.linear_model import LogisticRegression

    made = LogisticRegression(max_iter=1000, fit_intercept=intercept).fit(train, target)
    return made.coef_, made.intercept_
