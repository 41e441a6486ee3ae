"""Metrics of free text against one reference."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from kunren.evaluation.metric import (
    Floats,
    Kind,
    Metric,
    Space,
    by_name,
    has_text,
    ratio,
    scores,
)
from kunren.evaluation.register import METRICS as REGISTER
from kunren.types import Item, Prediction

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF


def comparable(said: str) -> str:
    """NFKC without white space: full-width and half-width forms are one character."""
    return "".join(unicodedata.normalize("NFKC", said).split())


def chrf(said: str, gold: str) -> float:
    """Sentence chrF2 of sacreBLEU in points: F2 of character n-grams up to 6 (Popović 2015)."""
    return float(_sacrebleu().sentence_score(said, [gold]).score)


@cache
def _sacrebleu() -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def char_f1(said: str, gold: str) -> float:
    """F1 of the characters of two texts as multisets; of two empty texts 1."""
    return overlap(Counter(comparable(said)), Counter(comparable(gold)))


def overlap(said: Counter[str], gold: Counter[str]) -> float:
    """F1 of two multisets; of two empty ones 1."""
    total = said.total() + gold.total()
    return 2 * (said & gold).total() / total if total else 1.0


def _exact_match(said: str, gold: str) -> float:
    return float(
        unicodedata.normalize("NFKC", said).strip() == unicodedata.normalize("NFKC", gold).strip()
    )


def _length_ratio(said: str, gold: str) -> float:
    return len(comparable(said)) / len(comparable(gold))


def _empty(said: str, _: str) -> float:
    return float(not said.strip())


def _has_reference(item: Item, prediction: Prediction, space: Space) -> bool:
    """Whether there is an answer, and a reference that is not empty."""
    return has_text(item, prediction, space) and bool(comparable(item.answer))


def _each(
    score: Callable[[str, str], float],
) -> Callable[[Sequence[Item], Sequence[Prediction], Space], Floats]:
    def statistics(items: Sequence[Item], predictions: Sequence[Prediction], _: Space) -> Floats:
        pairs = zip(items, predictions, strict=True)
        return scores([score(p.generated or "", item.answer) for item, p in pairs])

    return statistics


_CHRF = (
    "nrefs:1", "case:mixed", "eff:yes", "nc:6", "nw:0", "space:no",
    f"version:{metadata.version('sacrebleu')}", "mean-of-items",
)  # fmt: skip
_CHARACTERS = ("norm:nfkc", "space:no", "mean-of-items")

METRICS = by_name(
    Metric(
        "chrf", "points", "higher", "bounded", _CHRF, _has_reference, _each(chrf), ratio,
        perfect=100.0,
    ),
    Metric(
        "char_f1", "share", "higher", "bounded", _CHARACTERS, has_text, _each(char_f1), ratio,
        perfect=1.0,
    ),
    Metric(
        "exact_match", "share", "higher", "hit", ("norm:nfkc+strip",), has_text,
        _each(_exact_match), ratio, perfect=1.0,
    ),
    Metric(
        "length_ratio", "share", None, "free", _CHARACTERS, _has_reference, _each(_length_ratio),
        ratio, perfect=1.0,
    ),
    *REGISTER.values(),
    Metric(
        "empty_rate", "share", "lower", "hit", (), has_text, _each(_empty), ratio, perfect=0.0
    ),
)  # fmt: skip

KIND = Kind(
    metrics=METRICS,
    primary="chrf",
    right="exact_match",
    headline=("chrf", "char_f1", "exact_match", "length_ratio"),
    compared=("chrf", "char_f1", "exact_match"),
    validation=("chrf", "char_f1", "exact_match"),
)
