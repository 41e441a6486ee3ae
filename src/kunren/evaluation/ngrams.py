"""BLEU and ROUGE of Japanese: how many words, and runs of words, two texts share.

Both need words, which Japanese does not write apart: BLEU takes those of sacreBLEU's ``ja-mecab``,
so that its values are everyone's, ROUGE those of ``words.py``. The tokenizer that rouge-score comes
with keeps Latin letters and digits only and gives Japanese 0.0 (seed 003).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from kunren.evaluation import words
from kunren.evaluation.metric import Floats

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

BLEU_REQUIRES = {"MeCab": "mecab-python3", "ipadic": "ipadic"}
"""What sacreBLEU's ``ja-mecab`` needs (the extra ``sacrebleu[ja]``): ``Metric.requires``."""

_ORDERS = 4
"""Longest n-grams of BLEU."""

STATISTICS = 2 + 2 * _ORDERS
"""How many numbers ``bleu_statistics`` gives."""


def bleu_settings() -> tuple[str, ...]:
    """SacreBLEU's own signature, with the packages of tagger and dictionary."""
    if find_spec("MeCab") is None:
        tagger = "none"
    else:
        import MeCab  # type: ignore[import-untyped]

        tagger = f"{MeCab.VERSION}-IPA"
    return (
        "nrefs:1", "case:mixed", "eff:yes", f"tok:ja-mecab-{tagger}", "smooth:exp",
        f"version:{metadata.version('sacrebleu')}",
    )  # fmt: skip


@lru_cache(maxsize=1 << 16)
def bleu_statistics(said: str, gold: str) -> tuple[int, ...]:
    """SacreBLEU's sufficient statistics of one pair, which sum to those of a corpus.

    Returns:
        Words of the answer, words of the reference, then for n of 1 to 4 the n-grams of the answer
        that the reference has too, then all its n-grams.
    """
    # The library's own counting; its public methods give scores only, which do not add up.
    (found,) = _sacrebleu()._extract_corpus_statistics([_tame(said)], [[_tame(gold)]])
    return tuple(int(count) for count in found)


@cache
def _sacrebleu() -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize="ja-mecab", effective_order=True)


def _tame(text: str) -> str:
    """A text as MeCab can take it; nearly every text as it is (see ``words.parts``)."""
    return " ".join(words.parts(text))


def bleu(sums: Floats) -> Floats:
    """BLEU in points from summed statistics (Papineni et al. 2002), as sacreBLEU computes it.

    Exponential smoothing of orders without a match (Chen & Cherry 2014, method 3). With effective
    order, which changes nothing as soon as one answer has four words: without it a corpus of
    shorter ones, such as はい and いいえ, would have 0 even for gold itself.

    Args:
        sums: [..., 10], see ``bleu_statistics``.

    Returns:
        [...]; 0 where no word is shared.
    """
    said, gold = sums[..., 0], sums[..., 1]
    shared, counted = sums[..., 2 : 2 + _ORDERS], sums[..., 2 + _ORDERS :]
    # An order is in use where it and all lower ones have n-grams at all.
    used = np.cumprod(counted > 0, axis=-1) > 0
    missed = used & (shared <= 0)
    halvings = np.exp2(np.cumsum(missed, axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        precisions = np.where(missed, 1 / halvings, shared) / counted
        logs = np.where(used, np.log(precisions), 0.0)
        mean = logs.sum(axis=-1) / np.maximum(used.sum(axis=-1), 1)
        brevity = np.where(said < gold, np.exp(1 - gold / said), 1.0)
        value = 100 * brevity * np.exp(mean)
    return np.where(shared.sum(axis=-1) > 0, value, 0.0)


def rouge_settings() -> tuple[str, ...]:
    """What ROUGE's signature says."""
    return (
        words.signature(), "case:mixed", "stem:no", "f-measure", "as:rouge-score-0.1.2",
        "mean-of-items",
    )  # fmt: skip


def rouge_n(said: str, gold: str, n: int) -> float:
    """ROUGE-N: F1 of the n-grams of words of two texts (Lin 2004); 0 where one has none."""
    of_said, of_gold = _ngrams(words.surfaces(said), n), _ngrams(words.surfaces(gold), n)
    return _f1((of_said & of_gold).total(), of_said.total(), of_gold.total())


def rouge_l(said: str, gold: str) -> float:
    """ROUGE-L: F1 of the longest common subsequence of words (Lin 2004); 0 where one has none."""
    from rapidfuzz.distance import LCSseq

    of_said, of_gold = words.surfaces(said), words.surfaces(gold)
    # Bit-parallel: rouge-score's own table takes time in proportion to the product of the lengths.
    shared = int(LCSseq.similarity(of_said, of_gold))
    return _f1(shared, len(of_said), len(of_gold))


def _ngrams(said: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(said[start:] for start in range(n)), strict=False))


def _f1(shared: int, said: int, gold: int) -> float:
    return 2 * shared / (said + gold) if shared else 0.0
