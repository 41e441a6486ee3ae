from __future__ import annotations

from typing import Any

import pytest

from kunren.config.schema import EvaluateConfig
from kunren.errors import BrokenMetric
from kunren.evaluation.score import evaluate, validation_metrics
from kunren.evaluation.text import char_f1, chrf, comparable
from kunren.types import Item, Message, Prediction


def item(number: int, gold: str) -> Item:
    return Item(str(number), str(number), (Message("user", "x"),), gold)


def scored(gold: list[str], said: list[str | None]) -> dict[str, Any]:
    items = [item(n, g) for n, g in enumerate(gold)]
    predictions = [Prediction(str(n), None, generated=s) for n, s in enumerate(said)]
    found = evaluate(items, (), {"tuned": predictions}, EvaluateConfig(bootstrap=100), "text")
    scores: dict[str, Any] = found["systems"]["tuned"]
    return scores


CHECKED = [
    ("今日は良い天気です", "今日は天気が良いです", 26.91),
    ("会社の設立は1943年です。", "設立は1943年です。", 93.21),
    ("はい、可能です。", "はい、可能でございます。", 42.44),
]


@pytest.mark.parametrize(("said", "gold", "expected"), CHECKED)
def test_chrf_has_the_published_values(said: str, gold: str, expected: float) -> None:
    assert chrf(said, gold) == pytest.approx(expected, abs=0.005)


def test_chrf_of_a_test_set_is_the_mean_of_its_sentences_in_points() -> None:
    scores = scored([g for _, g, _ in CHECKED], [s for s, _, _ in CHECKED])
    expected = sum(v for _, _, v in CHECKED) / 3
    assert scores["chrf"]["value"] == pytest.approx(expected, abs=0.005)
    signature = scores["chrf"]["signature"]
    assert signature.startswith("chrf|v1|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")


def test_the_signature_is_sacrebleus_own() -> None:
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    metric.sentence_score("あ", ["あ"])
    ours = scored(["あ"], ["あ"])["chrf"]["signature"]
    assert str(metric.get_signature()) in ours


def test_char_f1_is_of_multisets_after_nfkc_without_space() -> None:
    assert char_f1("ａｂ　ｃ", "abc") == 1.0
    assert char_f1("ああ", "あ") == pytest.approx(2 / 3)
    assert char_f1("かき", "くけ") == 0.0
    assert char_f1("", "") == 1.0
    assert char_f1("", "あ") == 0.0
    assert comparable(" ﾃｽﾄ\n　１ ") == "テスト1"


def test_exact_match_after_nfkc_and_strip() -> None:
    scores = scored(["10時です。"] * 4, ["１０時です。\n", "10時 です。", "10時です", "10時です。"])
    assert scores["exact_match"]["value"] == 0.5


def test_length_and_empty_answers() -> None:
    scores = scored(["あいうえ", "あい"], ["あい", " "])
    assert scores["length_ratio"]["value"] == pytest.approx((0.5 + 0) / 2)
    assert scores["empty_rate"]["value"] == 0.5
    assert scores["chrf"]["value"] is not None


def test_answers_cut_at_the_limit_are_counted_where_a_model_wrote() -> None:
    items = [item(n, "はい。") for n in range(4)]
    ends = [True, False, False, None]
    said = [
        Prediction(i.id, None, generated="は", ended=e) for i, e in zip(items, ends, strict=True)
    ]
    found = evaluate(items, (), {"tuned": said}, EvaluateConfig(bootstrap=100), "text")
    cut = found["systems"]["tuned"]["cut_rate"]
    assert (cut["value"], cut["n_scored"]) == (pytest.approx(2 / 3), 3)


def test_no_answer_is_unscored_not_zero() -> None:
    scores = scored(["あ", "い"], ["あ", None])
    for name in ("chrf", "char_f1", "exact_match", "length_ratio", "empty_rate"):
        assert (scores[name]["n_scored"], scores[name]["n_unscored"]) == (1, 1)
    assert scores["chrf"]["value"] == 100.0
    none = scored(["あ"], [None])["chrf"]
    assert (none["value"], none["n_scored"]) == (None, 0)
    assert none["reason"]


def test_all_right_has_the_exact_interval_in_points() -> None:
    low, high = scored(["今日は晴れです"] * 10, ["今日は晴れです"] * 10)["chrf"]["ci95"]
    assert high == 100.0
    assert low == pytest.approx(100 * 0.025 ** (1 / 10))


def test_there_is_nothing_of_labels() -> None:
    items = [item(n, "はい") for n in range(6)]
    said = {
        system: [Prediction(i.id, None, generated=text) for i in items]
        for system, text in (("base", "いいえ"), ("tuned", "はい"), ("nearest", "はい"))
    }
    found = evaluate(items, (), said, EvaluateConfig(bootstrap=100), "text")
    assert not {"per_label", "confusion", "frequencies"} & set(found)
    assert (found["primary"], found["labels"]) == ("chrf", [])
    assert found["metrics"]["chrf"] == {"unit": "points", "better": "higher"}
    assert {(p["b"], p["metric"]) for p in found["paired"]} == {
        (b, m)
        for b in ("base", "nearest")
        for m in ("chrf", "bleu", "rouge_l", "char_f1", "exact_match")
    }
    tests = {p["metric"]: p["test"] for p in found["paired"]}
    assert tests["exact_match"] == "mcnemar-midp"
    assert tests["chrf"] == "paired-randomisation"


def test_validation_metrics() -> None:
    items = [item(0, "はい"), item(1, "いいえ")]
    said = [Prediction("0", None, generated="はい"), Prediction("1", None, generated="はい")]
    found = validation_metrics("text", items, said, ())
    assert list(found) == ["chrf", "char_f1", "exact_match"]
    assert found["exact_match"] == 0.5


def test_facts_are_measured_where_the_reference_has_some() -> None:
    gold = ["1899年に設立されました。", "はい、無料です。", "5,000円です。"]
    scores = scored(gold, ["1860年です。", "はい。", "5千円です。"])
    recall, contradicted = scores["fact_recall"], scores["fact_contradicted"]
    assert (recall["value"], contradicted["value"]) == (0.5, 0.5)
    assert (recall["n_scored"], recall["n_unscored"]) == (2, 1)
    assert "given-away:left-out" in recall["signature"]
    assert "unidic-lite-" in recall["signature"]
    none = scored(["はい。"], ["はい。"])["fact_recall"]
    assert none["value"] is None
    assert "質問文" in none["reason"]


def test_a_silent_system_recalls_nothing_and_contradicts_nothing() -> None:
    scores = scored(["1899年です。"] * 3, [""] * 3)
    assert (scores["fact_recall"]["value"], scores["fact_contradicted"]["value"]) == (0.0, 0.0)
    assert (scores["bleu"]["value"], scores["rouge_l"]["value"]) == (0.0, 0.0)
    language = scores["not_japanese"]
    assert language["value"] is None
    assert language["reason"]


def test_empty_references_are_left_out() -> None:
    scores = scored(["", "  ", "今日は良い天気です"], ["あ", "い", "今日は良い天気です"])
    for name in ("bleu", "sentence_bleu", "rouge1", "rouge2", "rouge_l", "chrf"):
        assert (scores[name]["n_scored"], scores[name]["n_unscored"]) == (1, 2)
    assert scores["bleu"]["value"] == pytest.approx(100.0)
    nothing = scored([""], ["あ"])
    assert nothing["rouge1"]["value"] is None


def test_rouge2_needs_two_words() -> None:
    found = scored(["はい"], ["はい"])
    assert found["rouge1"]["value"] == 1.0
    assert (found["rouge2"]["value"], found["rouge2"]["n_unscored"]) == (None, 1)
    assert "2 語" in found["rouge2"]["reason"]


def test_bleu_is_of_the_corpus_and_has_an_interval() -> None:
    gold = ["今日は良い天気です", "会社の設立は1943年です。", "はい、可能です。"] * 4
    said = ["今日は天気が良いです", "設立は1943年です。", "はい、可能でございます。"] * 4
    scores = scored(gold, list(said))
    whole, mean = scores["bleu"], scores["sentence_bleu"]
    assert whole["value"] != pytest.approx(mean["value"], abs=1)
    low, high = whole["ci95"]
    assert low < whole["value"] < high
    assert "tok:ja-mecab-0.996-IPA|smooth:exp|version:" in whole["signature"]


def test_answers_in_another_language_show() -> None:
    said = ["The company was founded.", "1899年にfoundedです。", "はい。"]
    scores = scored(["1899年です。"] * 3, list(said))
    assert scores["not_japanese_rate"]["value"] == pytest.approx(2 / 3)
    assert scores["not_japanese"]["value"] == pytest.approx((1 + 7 / 11 + 0) / 3)


def test_a_dictionary_that_cannot_be_read_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_dictionary() -> None:
        raise RuntimeError("\nFailed initializing MeCab.")

    monkeypatch.setattr("kunren.evaluation.words._tagger", no_dictionary)
    with pytest.raises(BrokenMetric, match=r"ROUGE-1.*Failed initializing MeCab"):
        scored(["辞書がないと読めない文です。"], ["はい。"])
