"""How often each answer comes where a model is asked the same again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from kunren.config.schema import Decoding
from kunren.progress import Silent
from kunren.types import Message
from kunren.use import Predictor

_AT_ONCE = 16


def samples(
    predictor: Predictor,
    context: Sequence[Message],
    count: int,
    drawn: Decoding,
    *,
    constrained: bool = False,
    max_new_tokens: int | None = None,
) -> list[tuple[str, int]]:
    """Answers and how often each of them came, the most frequent first.

    Args:
        predictor: the model.
        context: from ``Predictor.context``.
        count: how many answers are drawn.
        drawn: how; its seed makes them the same each time.
        constrained: draw labels of the closed set by their probabilities; of sets, leave out what
            is no label.
        max_new_tokens: where a written answer is cut; None: as ``predict`` cuts it.
    """
    labels = predictor.labels
    single = predictor.task.answers == "label"
    if (constrained and single) or not predictor.model.generates:
        (chosen,) = predictor.predict([context])
        weights = np.array(chosen.probabilities)
        random = np.random.default_rng(drawn.seed)
        if single:
            times = random.multinomial(count, weights / weights.sum())
            return _ranked(Counter(dict(zip(labels, map(int, times), strict=True))))
        sets = random.random((count, len(weights))) < weights
        return _ranked(Counter(" ".join(np.array(labels)[one].tolist()) for one in sets))
    most = max_new_tokens or predictor.longest_answer
    with Silent().stage("", None) as bar:
        items = predictor.items([context] * count)
        written = predictor.model.generate(items, most, min(count, _AT_ONCE), bar, drawn)
    texts = [one.text for one in written]
    if constrained:
        texts = [" ".join(predictor.task.parse(one, labels).labels or ()) for one in texts]
    return _ranked(Counter(texts))


def _ranked(found: Counter[str]) -> list[tuple[str, int]]:
    return [(answer, times) for answer, times in found.most_common() if times]
