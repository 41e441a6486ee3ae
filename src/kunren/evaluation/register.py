"""Metrics of the register of free text (文体), and how far it is from gold's.

None of them is better when high or low: what matters is whether a model answers as gold does. So
gold's own values stand beside each system's, and tuned is tested against gold.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np

from kunren.evaluation.metric import Floats, Metric, Space, by_name, has_text, ratio, scores
from kunren.evaluation.politeness import is_reply, register
from kunren.evaluation.sentences import sentences
from kunren.evaluation.statistics import holm
from kunren.evaluation.systems import System, Test, compare, score
from kunren.evaluation.words import REQUIRES, signature, words
from kunren.messages import text
from kunren.types import Item, Prediction

_KINDS = 3
"""How many kinds of 敬語 are counted; the number of sentences stands after their counts."""


@lru_cache(maxsize=1 << 14)
def _of_answer(said: str) -> tuple[int, ...]:
    """Polite sentences, those with 尊敬語, those with 謙譲語, all sentences.

    A bare はい or いいえ has no predicate to be polite or plain, so it is not counted.
    """
    found = [register(sentence) for sentence in sentences(said) if not is_reply(sentence)]
    return (
        sum(r.polite for r in found),
        sum(r.honorific for r in found),
        sum(r.humble for r in found),
        len(found),
    )


def _sentence_counts(_: Sequence[Item], predictions: Sequence[Prediction], __: Space) -> Floats:
    counted = [_of_answer(p.generated or "") for p in predictions]
    return np.asarray(counted, dtype=np.float64).reshape(-1, _KINDS + 1)


def _share(kind: int) -> Callable[[Floats, Space], Floats]:
    def value(sums: Floats, _: Space) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(sums[..., kind] / sums[..., _KINDS])

    return value


def characters(said: str) -> str:
    """The characters that ``char_diversity`` counts: NFKC, without white space."""
    return "".join(unicodedata.normalize("NFKC", said).split())


def _has_characters(item: Item, prediction: Prediction, space: Space) -> bool:
    return has_text(item, prediction, space) and bool(characters(prediction.generated or ""))


def _diversity(_: Sequence[Item], predictions: Sequence[Prediction], __: Space) -> Floats:
    found = [characters(p.generated or "") for p in predictions]
    return scores([len(set(said)) / len(said) for said in found])


def _tokens(_: Sequence[Item], predictions: Sequence[Prediction], __: Space) -> Floats:
    return scores([len(words(p.generated or "")) for p in predictions])


_SENTENCES = ("of:sentences", "rules:1", signature())

METRICS = by_name(
    *(
        Metric(
            f"{name}_share", "share", None, "corpus", _SENTENCES, has_text, _sentence_counts,
            _share(kind), requires=REQUIRES,
        )
        for kind, name in enumerate(("polite", "honorific", "humble"))
    ),
    Metric(
        "char_diversity", "share", None, "bounded", ("norm:nfkc", "space:no", "mean-of-items"),
        _has_characters, _diversity, ratio, "empty-answers",
    ),
    Metric(
        "answer_tokens", "count", None, "free", ("mean-of-items", signature()), has_text, _tokens,
        ratio, requires=REQUIRES,
    ),
)  # fmt: skip
"""``polite_share``, ``honorific_share``, ``humble_share``: of all sentences of all answers, those
in the polite style, with 尊敬語, with 謙譲語 (see ``politeness.py``); ``char_diversity``: different
characters divided by characters, mean of the answers, which falls as answers grow, so that only
answers of like length can be compared by it; ``answer_tokens``: mean number of words and marks of
UniDic (短単位) in an answer."""


def beside_gold(test: Test, tuned: System | None) -> dict[str, Any]:
    """``register`` of ``eval_metrics.json``.

    Args:
        test: the test items.
        tuned: the tuned model; None where it has no predictions.

    Returns:
        ``gold``: gold's own score of each metric. ``tuned``: of each metric that both have, the
        comparison of tuned (a) with gold (b), as in ``paired`` but without a verdict, with
        ``p_holm`` (Holm 1979, over these metrics) beside ``p``.
    """
    said = [Prediction(item.id, None, generated=item.answer) for item in test.items]
    gold = System("gold", said, test)
    scored = {
        name: asdict(score(test, gold, metric, lambda: text("evaluate.empty-answers")))
        for name, metric in METRICS.items()
    }
    pairs = [
        pair
        for metric in METRICS.values()
        if tuned is not None and (pair := compare(test, tuned, gold, metric)) is not None
    ]
    adjusted = holm([pair.p for pair in pairs])
    return {
        "gold": scored,
        "tuned": [
            _without_verdict(asdict(pair)) | {"p_holm": p}
            for pair, p in zip(pairs, adjusted, strict=True)
        ],
    }


def _without_verdict(pair: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in pair.items() if name not in ("verdict", "rows_needed")}
