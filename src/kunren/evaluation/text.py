"""Metrics of free text against one reference."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from kunren.evaluation import facts, ngrams, script, words
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


def _bleu(items: Sequence[Item], predictions: Sequence[Prediction], _: Space) -> Floats:
    pairs = zip(items, predictions, strict=True)
    found = [ngrams.bleu_statistics(p.generated or "", item.answer) for item, p in pairs]
    return np.asarray(found, dtype=np.float64).reshape(len(found), ngrams.STATISTICS)


def _corpus_bleu(sums: Floats, _: Space) -> Floats:
    return ngrams.bleu(sums)


def _sentence_bleu(
    items: Sequence[Item], predictions: Sequence[Prediction], space: Space
) -> Floats:
    return scores(ngrams.bleu(_bleu(items, predictions, space)))


def _has_two_words(item: Item, prediction: Prediction, space: Space) -> bool:
    """Whether there is a reference with a pair of words: else ROUGE-2 of gold itself would be 0."""
    return _has_reference(item, prediction, space) and len(words.surfaces(item.answer)) > 1


def _rouge(n: int) -> Callable[[str, str], float]:
    return lambda said, gold: ngrams.rouge_n(said, gold, n)


def _checked(item: Item, prediction: Prediction) -> facts.Checked:
    return facts.check(prediction.generated or "", item.answer, facts.question(item.text))


def _has_facts(item: Item, prediction: Prediction, space: Space) -> bool:
    """Whether there is an answer, and a reference with a fact that the question does not give."""
    return has_text(item, prediction, space) and _checked(item, prediction).total > 0


def _fact_recall(items: Sequence[Item], predictions: Sequence[Prediction], _: Space) -> Floats:
    found = [_checked(item, p) for item, p in zip(items, predictions, strict=True)]
    return scores([len(checked.contained) / checked.total for checked in found])


def _fact_contradicted(
    items: Sequence[Item], predictions: Sequence[Prediction], _: Space
) -> Floats:
    found = [_checked(item, p) for item, p in zip(items, predictions, strict=True)]
    return scores([len(checked.contradicted) / checked.total for checked in found])


def _same(said: str, gold: str) -> bool:
    return bool(_exact_match(said, gold))


def _was_right(item: Item, prediction: Prediction, space: Space) -> bool:
    """Whether the input, or its last paragraph, is the reference already: nothing to correct."""
    known = _has_reference(item, prediction, space)
    return known and any(_same(one, item.answer) for one in (item.text, facts.question(item.text)))


def _was_nearly_right(item: Item, prediction: Prediction, space: Space) -> bool:
    """Whether the input is like the reference (character F1 of a half) but not the same."""
    if not _has_reference(item, prediction, space) or _was_right(item, prediction, space):
        return False
    return char_f1(facts.question(item.text), item.answer) >= NEARLY


def _spoilt(said: str, gold: str) -> float:
    return 1.0 - _exact_match(said, gold)


NEARLY = 0.5
"""Character F1 from which an input counts as an uncorrected form of its reference."""


def _knows_its_end(_: Item, prediction: Prediction, __: Space) -> bool:
    return prediction.ended is not None


def _cut(_: Sequence[Item], predictions: Sequence[Prediction], __: Space) -> Floats:
    return scores([p.ended is False for p in predictions])


def _has_letters(item: Item, prediction: Prediction, space: Space) -> bool:
    """Whether the answer has letters: an empty one is in no language."""
    return has_text(item, prediction, space) and script.has_letters(prediction.generated or "")


def _foreign(items: Sequence[Item], predictions: Sequence[Prediction]) -> list[float]:
    return [
        script.foreign_share(p.generated or "", f"{item.text}\n{item.answer}")
        for item, p in zip(items, predictions, strict=True)
    ]


def _not_japanese(items: Sequence[Item], predictions: Sequence[Prediction], _: Space) -> Floats:
    return scores(_foreign(items, predictions))


def _mainly_foreign(items: Sequence[Item], predictions: Sequence[Prediction], _: Space) -> Floats:
    return scores([share > MAINLY for share in _foreign(items, predictions)])


MAINLY = 0.5
"""An answer with a greater share of letters that are not Japanese is not in Japanese."""

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
        "bleu", "points", "higher", "corpus", ngrams.bleu_settings(), _has_reference, _bleu,
        _corpus_bleu, perfect=100.0, requires=ngrams.BLEU_REQUIRES,
    ),
    Metric(
        "sentence_bleu", "points", "higher", "bounded",
        (*ngrams.bleu_settings(), "mean-of-items"), _has_reference, _sentence_bleu, ratio,
        perfect=100.0, requires=ngrams.BLEU_REQUIRES,
    ),
    Metric(
        "rouge1", "share", "higher", "bounded", ngrams.rouge_settings(), _has_reference,
        _each(_rouge(1)), ratio, perfect=1.0, requires=words.REQUIRES,
    ),
    Metric(
        "rouge2", "share", "higher", "bounded", ngrams.rouge_settings(), _has_two_words,
        _each(_rouge(2)), ratio, "no-two-words", 1.0, words.REQUIRES,
    ),
    Metric(
        "rouge_l", "share", "higher", "bounded", ngrams.rouge_settings(), _has_reference,
        _each(ngrams.rouge_l), ratio, perfect=1.0, requires=words.REQUIRES,
    ),
    Metric(
        "fact_recall", "share", "higher", "bounded", facts.settings(), _has_facts, _fact_recall,
        ratio, "no-facts", 1.0, words.REQUIRES,
    ),
    Metric(
        "fact_contradicted", "share", "lower", "bounded", facts.settings(), _has_facts,
        _fact_contradicted, ratio, "no-facts", 0.0, words.REQUIRES,
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
        "spoilt_rate", "share", "lower", "hit", ("norm:nfkc+strip", "of:input-is-gold"), _was_right,
        _each(_spoilt), ratio, "nothing-was-right", 0.0,
    ),
    Metric(
        "mended_rate", "share", "higher", "hit", ("norm:nfkc+strip", f"of:input-near:{NEARLY}"),
        _was_nearly_right, _each(_exact_match), ratio, "nothing-to-mend", 1.0,
    ),
    Metric(
        "length_ratio", "share", None, "free", _CHARACTERS, _has_reference, _each(_length_ratio),
        ratio, perfect=1.0,
    ),
    *REGISTER.values(),
    Metric(
        # Without a best value for gold: a reference may itself be empty.
        "empty_rate", "share", "lower", "hit", (), has_text, _each(_empty), ratio
    ),
    Metric(
        "cut_rate", "share", "lower", "hit", (), _knows_its_end, _cut, ratio, "no-ends"
    ),
    Metric(
        "not_japanese", "share", "lower", "bounded", script.SETTINGS, _has_letters, _not_japanese,
        ratio, "no-letters", 0.0,
    ),
    Metric(
        "not_japanese_rate", "share", "lower", "hit", (f"over:{MAINLY}", *script.SETTINGS),
        _has_letters, _mainly_foreign, ratio, "no-letters", 0.0,
    ),
)  # fmt: skip

KIND = Kind(
    metrics=METRICS,
    primary="chrf",
    right="exact_match",
    headline=("chrf", "bleu", "rouge_l", "fact_recall", "exact_match"),
    # Not fact_contradicted: whoever says nothing contradicts nothing, and would be called better.
    compared=("chrf", "bleu", "rouge_l", "char_f1", "fact_recall", "exact_match"),
    validation=("chrf", "char_f1", "exact_match"),
)
