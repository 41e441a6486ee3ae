"""Register metrics of answers, and the comparison with gold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.records import handmade

from kunren.config.schema import EvaluateConfig
from kunren.evaluation import register
from kunren.evaluation.score import evaluate
from kunren.evaluation.statistics import holm
from kunren.types import Item, Prediction


def scored(gold: Sequence[str], said: Sequence[str | None]) -> dict[str, Any]:
    items = [Item(str(n), str(n), (), answer) for n, answer in enumerate(gold)]
    predictions = [Prediction(str(n), None, generated=text) for n, text in enumerate(said)]
    return evaluate(items, (), {"tuned": predictions}, EvaluateConfig(bootstrap=200), "text")


def of_tuned(found: dict[str, Any], metric: str) -> Any:
    return found["systems"]["tuned"][metric]["value"]


def test_shares_are_of_the_sentences_of_all_answers() -> None:
    said = ["承知いたしました。来週伺います。", "1943年。", "はい。先生がいらっしゃるそうだ。"]
    found = scored(["はい。"] * 3, said)
    assert of_tuned(found, "polite_share") == pytest.approx(2 / 4)
    assert of_tuned(found, "honorific_share") == pytest.approx(1 / 4)
    assert of_tuned(found, "humble_share") == pytest.approx(2 / 4)


def test_answers_without_a_sentence_have_no_share() -> None:
    found = scored(["あ"], [""])["systems"]["tuned"]
    for name in ("polite_share", "honorific_share", "humble_share", "char_diversity"):
        assert found[name]["value"] is None
        assert found[name]["reason"]
    assert found["answer_tokens"]["value"] == 0.0


def test_character_diversity_is_the_mean_of_the_answers() -> None:
    found = scored(["あ"] * 3, ["ああああ", "か き\nｱ", ""])
    assert of_tuned(found, "char_diversity") == pytest.approx((1 / 4 + 1) / 2)
    assert found["systems"]["tuned"]["char_diversity"]["n_unscored"] == 1


def test_answer_tokens_are_words_and_marks() -> None:
    assert of_tuned(scored(["あ"] * 2, ["雨です。", "雨"]), "answer_tokens") == pytest.approx(2.0)


def test_gold_stands_beside() -> None:
    gold = ["設立は1926年です。", "見積もりは無料だ。"]
    found = scored(gold, ["1926年。", "無料だ。"])
    assert found["register"]["gold"]["polite_share"]["value"] == 0.5
    assert set(found["register"]["gold"]) == set(register.METRICS)
    pairs = {pair["metric"]: pair for pair in found["register"]["tuned"]}
    assert pairs["polite_share"]["difference"] == -0.5
    assert (pairs["polite_share"]["a"], pairs["polite_share"]["b"]) == ("tuned", "gold")
    assert "verdict" not in pairs["polite_share"]


def test_a_lost_register_is_found_and_gold_against_gold_is_not() -> None:
    items = handmade.asked_of("text", 40, ())
    right = [Prediction(item.id, None, generated=item.answer) for item in items]
    plain = [replace(p, generated="土曜日は休みだ。") for p in right]
    config = EvaluateConfig(bootstrap=400)
    lost = evaluate(items, (), {"tuned": plain}, config, "text")["register"]["tuned"]
    kept = evaluate(items, (), {"tuned": right}, config, "text")["register"]["tuned"]
    assert {p["metric"] for p in lost if p["p_holm"] < 0.05} >= {"polite_share", "humble_share"}
    assert [p["p_holm"] for p in kept] == [1.0] * len(register.METRICS)


def test_without_the_tuned_model_gold_is_still_shown() -> None:
    items = handmade.asked_of("text", 5, ())
    found = evaluate(items, (), {"tuned": []}, EvaluateConfig(bootstrap=100), "text")
    assert found["register"]["tuned"] == []
    assert found["register"]["gold"]["polite_share"]["value"] == 1.0


def test_a_missing_dictionary_is_told_and_nothing_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kunren.evaluation.metric.find_spec", lambda _: None)
    found = scored(["雨です。"], ["雨です。"])
    assert "pip install" in found["systems"]["tuned"]["polite_share"]["reason"]
    assert "fugashi" in found["register"]["gold"]["polite_share"]["reason"]
    assert {pair["metric"] for pair in found["register"]["tuned"]} == {"char_diversity"}


def testholm() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
