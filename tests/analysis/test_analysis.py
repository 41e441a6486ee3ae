from __future__ import annotations

import random

import numpy as np
import pytest

from kunren.analysis.confusions import confusions
from kunren.analysis.multiple import tarone_level
from kunren.analysis.repetition import loop
from kunren.analysis.short_inputs import bare, short_inputs
from kunren.analysis.shortcuts import shortcuts, words

TOPICS = ("政治", "経済", "国際", "スポーツ")


def test_tests_that_cannot_find_anything_are_not_paid_for() -> None:
    assert tarone_level([0.0] * 10, 0.05) == pytest.approx(0.005)
    assert tarone_level([0.0, 0.0, *[0.5] * 98], 0.05) == pytest.approx(0.025)
    assert tarone_level([0.5], 0.05) == 0.05
    assert tarone_level([], 0.05) == 0.05


@pytest.mark.parametrize(
    ("said", "unit"),
    [
        ("東京です。" * 5 + "東", "東京です。"),
        ("はい、" + "あ" * 12, "あ"),
        ("うれしい！！！！", None),
        ("本日は休業日です。明日は営業いたします。", None),
        ("はい。はい。はい。", None),
        ("", None),
    ],
)
def test_a_loop_is_named_by_what_it_repeats(said: str, unit: str | None) -> None:
    assert loop(said) == unit


def errors(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Labels by chance, a quarter of the answers wrong by chance."""
    chance = random.Random(seed)
    gold = [chance.choice(TOPICS) for _ in range(count)]
    return gold, [
        chance.choice([t for t in TOPICS if t != g]) if chance.random() < 0.25 else g for g in gold
    ]


def test_a_confused_pair_is_found_and_chance_is_not() -> None:
    gold = ["政治"] * 30 + ["国際"] * 30 + ["スポーツ"] * 30 + ["経済"] * 30
    said = [*["政治"] * 18, *["国際"] * 12, *["国際"] * 25, *["政治"] * 5, *gold[60:]]
    (pair,) = confusions(gold, said, 0.01)
    assert pair.labels == ("政治", "国際")
    assert (pair.there, pair.back, pair.count) == (12, 5, 17)
    assert pair.expected < 17 / 2
    assert sum(bool(confusions(*errors(150, seed), 0.05)) for seed in range(100)) <= 8


def test_two_labels_have_only_one_way_to_be_wrong() -> None:
    assert confusions(["甲"] * 9 + ["乙"], ["乙"] * 10, 0.01) == []


def test_short_inputs_are_told_from_hard_labels() -> None:
    lengths = [5 + n for n in range(60)]
    scores = [0.0 if n < 20 else 1.0 for n in range(60)]
    found = short_inputs(lengths, scores, ["甲"] * 60)
    assert found is not None
    assert found.p < 1e-6
    assert (found.short, found.others, found.limit, found.rows) == (0.0, 1.0, 24, 20)
    by_label = ["短い話題" if n < 20 else "ほか" for n in range(60)]
    assert short_inputs(lengths, scores, by_label) is None  # explained by the label alone
    assert short_inputs([7] * 10, [0.0, 1.0] * 5, ["甲"] * 10) is None


def test_lengths_by_chance_are_at_their_level() -> None:
    chance = np.random.default_rng(1)
    low = 0
    for _ in range(300):
        strata = chance.choice(list(TOPICS), 80)
        long, right = chance.integers(5, 40, 80), chance.random(80) < 0.7
        found = short_inputs(long.tolist(), right.tolist(), strata.tolist())
        low += found is not None and found.p < 0.05
    assert low / 300 < 0.09


def test_what_a_template_puts_around_an_input_is_no_length() -> None:
    asked = ["見出し: 円安。分類は？", "見出し: 首相、会見へ。分類は？"]
    assert bare(asked, "見出し: {text}。分類は？") == ["円安", "首相、会見へ"]
    assert bare(asked, "{text}") == asked
    assert bare(["A社: 円安 (朝)"], "{source}: {text} ({time})") == ["A社: 円安 (朝"]


def test_words_are_pieces_of_kanji_and_katakana() -> None:
    found = words("外務省がコメントを発表、IT企業も")
    assert {"外務省", "外務", "コメント", "発表", "IT", "企業"} <= found
    assert "が" not in found


def test_a_word_that_leads_to_a_label_is_named_once() -> None:
    texts = [f"外務省が第{n}報を" for n in range(8)] + [f"市場は{n}日続伸" for n in range(40)]
    gold = ["経済"] * 48
    said = ["国際"] * 8 + ["経済"] * 40
    (found,) = [s for s in shortcuts(texts, gold, said, 0.01) if s.words == ("外務省",)]
    assert (found.label, found.count, found.of, found.usual) == ("国際", 8, 8, 0.0)
    assert len(shortcuts(texts, gold, said, 0.01)) == 1
    assert sum(bool(_by_chance(seed)) for seed in range(40)) <= 4


def _by_chance(seed: int) -> object:
    gold, said = errors(120, seed)
    pieces = ("会見", "市場", "選手", "政府", "外務省", "決勝", "株価", "首脳")
    chance = random.Random(1000 + seed)
    texts = ["が".join(chance.sample(pieces, 3)) for _ in gold]
    return shortcuts(texts, gold, said, 0.05)
