"""BLEU and ROUGE have the published values, and those of the libraries on any text."""

from __future__ import annotations

import random

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]
from rouge_score.tokenizers import Tokenizer  # type: ignore[import-untyped]
from sacrebleu.metrics.bleu import BLEU

from kunren.evaluation.ngrams import (
    bleu,
    bleu_settings,
    bleu_statistics,
    rouge_l,
    rouge_n,
)
from kunren.evaluation.words import surfaces

CHECKED = [
    ("今日は良い天気です", "今日は天気が良いです", (0.9091, 0.2222, 0.7273), 21.99),
    ("会社の設立は1943年です。", "設立は1943年です。", (0.8571, 0.8333, 0.8571), 68.04),
    ("はい、可能です。", "はい、可能でございます。", (0.6667, 0.4, 0.6667), 28.64),
]

PIECES = (
    "設立は", "1943年", "です", "。", "はい、", "可能", "でございます", "料金は", "１，２００円",
    "🎉", "お問い合わせ", "ください", "ABC", " ", "\n", "午前9時から", "、", "承っております",
)  # fmt: skip


def texts(count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return ["".join(chance.choices(PIECES, k=chance.randrange(12))) for _ in range(count)]


SAID, GOLD = texts(400, 1), texts(400, 2)


def of(pairs: list[tuple[int, ...]]) -> float:
    return float(bleu(np.sum(np.asarray(pairs, dtype=np.float64), axis=0)))


@pytest.mark.parametrize(("said", "gold", "rouge", "points"), CHECKED)
def test_the_published_values(
    said: str, gold: str, rouge: tuple[float, ...], points: float
) -> None:
    found = (rouge_n(said, gold, 1), rouge_n(said, gold, 2), rouge_l(said, gold))
    assert found == pytest.approx(rouge, abs=5e-5)
    assert of([bleu_statistics(said, gold)]) == pytest.approx(points, abs=0.005)


def test_sentence_bleu_is_sacrebleus() -> None:
    theirs = BLEU(tokenize="ja-mecab", effective_order=True)
    for said, gold in zip(SAID, GOLD, strict=True):
        expected = theirs.sentence_score(said, [gold]).score
        assert of([bleu_statistics(said, gold)]) == pytest.approx(expected, abs=1e-9), (said, gold)


def test_corpus_bleu_is_sacrebleus_as_it_comes() -> None:
    expected = BLEU(tokenize="ja-mecab").corpus_score(SAID, [GOLD]).score
    found = of([bleu_statistics(s, g) for s, g in zip(SAID, GOLD, strict=True)])
    assert found == pytest.approx(expected, abs=1e-9)
    assert 0 < found < 100


def test_bleu_of_many_sums_at_once() -> None:
    rows = np.asarray([bleu_statistics(s, g) for s, g in zip(SAID, GOLD, strict=True)], dtype=float)
    draws = np.random.default_rng(0).integers(0, 3, size=(20, len(rows))).astype(float)
    one_by_one = [float(bleu(draw @ rows)) for draw in draws]
    assert bleu(draws @ rows) == pytest.approx(one_by_one)


def test_short_answers_and_empty_ones() -> None:
    assert of([bleu_statistics("はい", "はい")] * 5) == pytest.approx(100.0)
    assert of([bleu_statistics("", "設立は1943年です。")] * 5) == 0.0
    assert of([bleu_statistics("りんご", "設立は1943年です。")]) == 0.0


def test_the_signature_is_sacrebleus_own() -> None:
    theirs = BLEU(tokenize="ja-mecab", effective_order=True)
    theirs.sentence_score("あ", ["あ"])
    assert "|".join(bleu_settings()) == str(theirs.get_signature())


def test_rouge_is_that_of_rouge_score() -> None:
    class Ours(Tokenizer):  # type: ignore[misc]
        def tokenize(self, text: str) -> list[str]:
            return list(surfaces(text))

    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=Ours())
    for said, gold in zip(SAID, GOLD, strict=True):
        expected = [score.fmeasure for score in theirs.score(gold, said).values()]
        found = [rouge_n(said, gold, 1), rouge_n(said, gold, 2), rouge_l(said, gold)]
        assert found == pytest.approx(expected), (said, gold)


def test_emoji_and_full_width_characters_count_in_rouge() -> None:
    assert rouge_n("🎉", "🎉", 1) == 1.0
    assert rouge_n("🎉", "😢", 1) == 0.0
    assert rouge_n("ＡＢＣ", "ABC", 1) == 0.0


def test_endless_repetition_does_no_harm() -> None:
    assert 0 < of([bleu_statistics("あ" * 200_000, "ああ")]) < 1
    assert rouge_l("あ" * 200_000, "いい") == 0.0
