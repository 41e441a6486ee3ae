from __future__ import annotations

import pytest

from kunren.evaluation.baselines import BASELINES, run_baselines
from kunren.types import Item, Message

LABELS = ("スポーツ", "経済", "文化")


def item(name: str, said: str, gold: str) -> Item:
    context = (Message("system", "分類して"), Message("user", said))
    return Item(name, name, context, gold)


TRAIN = [
    item("1", "大谷が本塁打", "スポーツ"),
    item("2", "決勝で本塁打を放つ", "スポーツ"),
    item("3", "日銀が利上げ", "経済"),
    item("4", "円安で株価が下落", "経済"),
    item("5", "円安進む", "経済"),
]
TEST = [item("a", "満塁本塁打で勝利", "スポーツ"), item("b", "円安と利上げ", "経済")]


def test_majority_answers_the_commonest_training_label() -> None:
    said = run_baselines(("majority",), TRAIN, TEST, LABELS)["majority"]
    assert [p.label for p in said] == ["経済", "経済"]
    assert said[0].probability == pytest.approx(0.6)
    assert said[0].probabilities == pytest.approx((0.4, 0.6, 0.0))


def test_majority_of_equals_is_the_first_of_the_set() -> None:
    said = run_baselines(("majority",), TRAIN[:2] + TRAIN[3:], TEST, LABELS)["majority"]
    assert {p.label for p in said} == {"スポーツ"}


def test_tfidf_learns_from_characters() -> None:
    said = run_baselines(("tfidf_logreg",), TRAIN, TEST, LABELS)["tfidf_logreg"]
    assert [p.label for p in said] == ["スポーツ", "経済"]
    for p in said:
        assert len(p.probabilities) == len(LABELS)
        assert sum(p.probabilities) == pytest.approx(1)
        assert p.probability == max(p.probabilities)
        assert p.probabilities[2] == 0.0  # never in training
        assert p.generated is None


def test_does_not_look_at_the_test_answers() -> None:
    other = [item(i.id, i.text, "文化") for i in TEST]
    for name in BASELINES:
        first = run_baselines((name,), TRAIN, TEST, LABELS)
        assert run_baselines((name,), TRAIN, other, LABELS) == first


def test_one_training_label_and_no_test_rows() -> None:
    said = run_baselines("all", TRAIN[:2], TEST, LABELS)
    assert list(said) == ["majority", "tfidf_logreg"]
    assert {p.label for system in said.values() for p in system} == {"スポーツ"}
    assert run_baselines("all", TRAIN, [], LABELS) == {"majority": [], "tfidf_logreg": []}
