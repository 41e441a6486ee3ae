from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.records import handmade

from kunren.config.schema import EvaluateConfig
from kunren.evaluation.rounds import Round
from kunren.evaluation.score import Judged, evaluate, judge
from kunren.evaluation.told import (
    best_baseline,
    cell,
    compared,
    find_pair,
    gap,
    headline,
    is_baseline,
    primary,
    shown,
    system_name,
    unit,
    verdict_sentence,
)
from kunren.messages import use_language
from kunren.types import Item, Message, Prediction

LABELS = ["甲", "乙", "丙"]


@pytest.fixture(autouse=True)
def japanese() -> Iterator[None]:
    use_language("ja")
    yield
    use_language("ja")


def items(count: int) -> list[Item]:
    return [
        Item(str(n), str(n), (Message("user", "x"),), LABELS[n % 3], (LABELS[n % 3],))
        for n in range(count)
    ]


def hits(asked: list[Item], right: range | list[int]) -> list[Prediction]:
    """Right at the given places, elsewhere the next label."""
    return [
        Prediction(i.id, (i.answer if n in right else LABELS[(LABELS.index(i.answer) + 1) % 3],))
        for n, i in enumerate(asked)
    ]


def metrics(count: int = 60, /, **right: range | list[int]) -> dict[str, Any]:
    asked = items(count)
    said = {system: hits(asked, places) for system, places in right.items()}
    return evaluate(asked, LABELS, said, EvaluateConfig(bootstrap=200), "label")


def test_has_the_form_of_the_design() -> None:
    found = json.loads(json.dumps(metrics(base=range(20), tuned=range(50), majority=range(20))))
    assert found["schema"] == 1
    assert found["rows"] == 60
    assert list(found["systems"]) == ["base", "tuned", "majority"]
    keys = {"value", "ci95", "n_scored", "n_unscored", "signature", "reason"}
    for scores in found["systems"].values():
        assert set(scores) == {
            *("accuracy", "macro_f1", "balanced_accuracy", "mcc", "ece", "confidence_gap"),
            *("out_of_set_rate", "generated_accuracy"),
        }
        assert all(set(score) == keys for score in scores.values())
    pairs = [(p["a"], p["b"], p["metric"]) for p in found["paired"]]
    assert pairs == [
        ("tuned", other, metric)
        for other in ("base", "majority")
        for metric in ("accuracy", "macro_f1")
    ]
    assert set(found["paired"][0]) >= {"a", "b", "metric", "difference", "ci95", "p", "verdict"}
    assert found["systems"]["tuned"]["accuracy"]["signature"] == (
        "accuracy|v1|labels:3|decode:closed-set"
    )


def test_intervals_hold_the_value_and_verdicts_follow() -> None:
    found = metrics(base=range(20), tuned=range(50))
    for scores in found["systems"].values():
        low, high = scores["accuracy"]["ci95"]
        assert low < scores["accuracy"]["value"] < high
    pair = find_pair(found, "base")
    assert pair is not None
    assert pair["difference"] == pytest.approx(0.5)
    assert pair["ci95"][0] > 0
    assert (pair["verdict"], pair["test"]) == ("better", "mcnemar-midp")


def test_the_same_call_gives_the_same_numbers() -> None:
    assert metrics(base=range(9), tuned=range(30)) == metrics(base=range(9), tuned=range(30))


def test_identical_systems_are_identical() -> None:
    found = metrics(base=range(20), tuned=range(20))
    assert {p["verdict"] for p in found["paired"]} == {"identical"}
    assert {p["p"] for p in found["paired"]} == {1.0}


def test_three_rows_claim_nothing() -> None:
    found = metrics(3, base=[], tuned=range(3))
    assert {p["verdict"] for p in found["paired"]} == {"indistinguishable"}
    tuned = found["systems"]["tuned"]
    assert tuned["accuracy"]["value"] == 1.0
    assert tuned["accuracy"]["ci95"][0] < 0.3  # exact, since the bootstrap has nothing to vary
    assert tuned["macro_f1"]["ci95"] is None
    assert tuned["macro_f1"]["reason"]


def test_items_of_one_row_count_as_one_row() -> None:
    asked = [Item(str(n), str(n // 4), (Message("user", "x"),), "甲", ("甲",)) for n in range(12)]
    wrong = [Prediction(i.id, ("乙",)) for i in asked]
    right = [Prediction(i.id, ("甲",)) for i in asked]
    said = {"base": wrong, "tuned": right}
    found = evaluate(asked, LABELS, said, EvaluateConfig(bootstrap=100), "label")
    assert (found["rows"], found["items"]) == (3, 12)
    assert find_pair(found, "base")["verdict"] == "indistinguishable"  # type: ignore[index]
    assert found["systems"]["tuned"]["accuracy"]["ci95"][0] < 0.3


def test_unanswered_items_are_left_out_of_both_sides_of_a_pair() -> None:
    asked = items(4)
    tuned = hits(asked, range(4))
    base = [Prediction("0", ("甲",)), Prediction("1", None), *hits(asked, [])[2:]]
    found = evaluate(asked, LABELS, {"base": base, "tuned": tuned}, EvaluateConfig(), "label")
    pair = find_pair(found, "base")
    assert pair is not None
    assert pair["difference"] == pytest.approx(1 - 1 / 3)


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(("base", "vs_base"), [(5, "b"), (28, "i"), (55, "w"), (None, "-")])
@pytest.mark.parametrize(("trivial", "vs_trivial"), [(5, "b"), (31, "i"), (55, "w"), (None, "-")])
def test_every_verdict_is_one_sentence_with_its_numbers(
    language: Any, base: int | None, vs_base: str, trivial: int | None, vs_trivial: str
) -> None:
    use_language(language)
    right: dict[str, range | list[int]] = {"tuned": range(30)}
    right |= {"base": range(base)} if base is not None else {}
    right |= {"majority": range(trivial)} if trivial is not None else {}
    found = metrics(**right)
    said = verdict_sentence(found)
    assert "60" in said
    assert "50.0 %" in said
    if base is not None:
        assert find_pair(found, "base")["verdict"][0] == vs_base  # type: ignore[index]
        assert f"{100 * base / 60:.1f} %" in said
    if trivial is not None:
        assert find_pair(found, "majority")["verdict"][0] == vs_trivial  # type: ignore[index]
        assert f"{100 * trivial / 60:.1f} %" in said
    if language == "ja":
        assert said.count("。") == 1


def test_the_best_baseline_is_the_one_compared_with() -> None:
    found = metrics(base=range(5), tuned=range(30), majority=range(20), tfidf_logreg=range(45))
    assert best_baseline(found) == "tfidf_logreg"
    assert "TF-IDF" in verdict_sentence(found)
    assert "及びません" in verdict_sentence(found)


def test_no_tuned_predictions() -> None:
    assert "何も言えません" in verdict_sentence(metrics(base=range(5)))


def test_cells() -> None:
    score = {"value": 0.456, "ci95": [0.3, 0.609]}
    assert cell(score) == "45.6 % [30.0, 60.9]"
    assert cell({"value": 0.0, "ci95": None}) == "0.0 %"
    assert cell({"value": None, "ci95": None}) == "—"
    assert cell(None) == "—"


def test_cells_of_other_units() -> None:
    score = {"value": 26.912, "ci95": [20.0, 33.06]}
    assert cell(score, "points") == "26.9 [20.0, 33.1]"
    assert cell({"value": 16.0, "ci95": None}, "count") == "16"
    assert cell({"value": -0.351, "ci95": [-1.0, 0.25]}, "count") == "-0.35 [-1, 0.25]"
    assert gap(-3.25, "points") == "-3.2"
    assert gap(0.125, "share") == "+12.5"
    assert gap(0.5, "count") == "+0.50"
    assert cell({"value": -1e-17, "ci95": None}, "share") == "0.0 %"
    assert cell({"value": -0.0423, "ci95": [-0.1, 0.25]}, "coefficient") == (
        "-0.042 [-0.100, 0.250]"
    )
    assert cell({"value": 1.0, "ci95": None}, "coefficient") == "1.000"
    assert gap(0.125, "coefficient") == "+0.125"


def test_other_decodings_are_models_and_are_compared() -> None:
    found = metrics(base=range(5), tuned=range(30), tuned_beam=range(45), majority=range(20))
    assert best_baseline(found) == "majority"
    assert find_pair(found, "tuned_beam")["verdict"] == "worse"  # type: ignore[index]
    assert [s for s in found["systems"] if is_baseline(s)] == ["majority"]
    assert system_name("tuned_beam") == "学習後 (beam)"
    use_language("en")
    assert system_name("tuned_beam") == "tuned (beam)"
    assert system_name("ours") == "ours"


def test_the_base_of_a_model_without_a_head_is_named_for_what_it_is() -> None:
    asked = items(60)
    said = {"base": hits(asked, range(10)), "tuned": hits(asked, range(50))}
    found = evaluate(asked, LABELS, said, EvaluateConfig(bootstrap=200), "label", base="probe")
    assert "ロジスティック回帰" in system_name("base", found)
    assert "ロジスティック回帰の 16.7 % から改善" in verdict_sentence(found)
    assert "学習前" not in verdict_sentence(found)
    assert system_name("base", metrics(base=range(5))) == system_name("base") == "学習前 (base)"


def test_files_of_before_there_were_sets_are_of_labels() -> None:
    found = metrics(base=range(20), tuned=range(50), majority=range(20))
    old = {
        key: value
        for key, value in found.items()
        if key not in ("answers", "base", "primary", "headline", "compared", "metrics")
    }
    assert verdict_sentence(old) == verdict_sentence(found)
    assert (primary(old), list(compared(old))) == (primary(found), found["compared"])
    # Nothing was generated here: a column without a number is not shown.
    assert list(headline(old)) == list(headline(found)) == ["accuracy", "macro_f1"]
    assert shown(old) == shown(found)
    assert (unit(old, "accuracy"), unit(old, "mcc")) == ("share", "coefficient")


@pytest.mark.parametrize(
    ("kind", "number", "difference"),
    [
        ("set", r"Jaccard 係数 \d+\.\d %", r"\+\d+\.\d ポイント"),
        ("text", r"件で chrF \d+\.\d とな", r"\+\d"),
    ],
)
def test_the_verdict_is_on_the_primary_metric(kind: Any, number: str, difference: str) -> None:
    asked = handmade.asked_of(kind, 40)
    said = {
        "base": handmade.said_to(kind, asked, 0.0, 1),
        "tuned": handmade.said_to(kind, asked, 0.9, 2),
    }
    labels = () if kind == "text" else handmade.LABELS
    found = evaluate(asked, labels, said, EvaluateConfig(bootstrap=200), kind)
    sentence = verdict_sentence(found)
    assert re.search(number, sentence)
    assert re.search(difference, sentence)
    assert "改善" in sentence
    assert "  " not in sentence


def test_missing_generations_say_whose_choice_that_was() -> None:
    asked = items(4)
    said = {"tuned": hits(asked, range(4)), "majority": hits(asked, range(2))}
    reasons = {}
    for generate in (True, False):
        config = EvaluateConfig(bootstrap=100, generate=generate)
        found = evaluate(asked, LABELS, said, config, "label")["systems"]
        reasons[generate] = [found[s]["out_of_set_rate"]["reason"] for s in said]
    assert reasons[True][0] == reasons[True][1] == reasons[False][1]  # it does not generate
    assert "evaluate.generate" in reasons[False][0]


def test_judges_items_by_the_primary_metric() -> None:
    asked = [Item(str(n), str(n), (Message("user", "x"),), "甲乙", ("甲", "乙")) for n in range(4)]
    said = [
        Prediction("0", ("乙", "甲")),
        Prediction("1", ("甲",)),
        Prediction("2", None),
        Prediction("3", ()),
    ]
    found = judge("set", asked, said, LABELS)
    assert found == {
        "0": Judged(True, 1.0),
        "1": Judged(False, 0.5),
        "2": Judged(None, None),
        "3": Judged(False, 0.0),
    }


def test_holm_takes_back_what_many_comparisons_would_claim() -> None:
    # Alone 31 right of 60 against 22 is p = .03; one of four such comparisons it is not.
    rivals = {f"r{n}": [*range(60 - 22, 60)] for n in range(4)}
    alone = metrics(tuned=[*range(20), *range(49, 60)], r0=rivals["r0"])
    many = metrics(tuned=[*range(20), *range(49, 60)], **rivals)
    for found, factor in ((alone, 1), (many, 4)):
        for pair in (p for p in found["paired"] if p["metric"] == "accuracy"):
            assert pair["p_holm"] == pytest.approx(min(1.0, factor * pair["p"]))
            assert (pair["rows_needed"] is None) == (pair["verdict"] != "indistinguishable")
    assert find_pair(many, "r0")["rows_needed"] > 60  # type: ignore[index]


def rounds_of(asked: list[Item], *places: list[int] | range) -> list[Round]:
    """Two folds a seed: the first and the second half of the items."""
    half = len(asked) // 2
    return [
        Round(fold, seed, said)
        for seed, right in enumerate(places)
        for fold, said in ((1, hits(asked, right)[:half]), (2, hits(asked, right)[half:]))
    ]


def test_the_value_of_several_rounds_is_the_mean_over_seeds() -> None:
    asked = items(60)
    trained = (range(30), range(40), range(35))
    rounds = rounds_of(asked, *trained)
    said = {"base": hits(asked, range(10)), "tuned": hits(asked, trained[0])}
    found = evaluate(asked, LABELS, said, EvaluateConfig(bootstrap=300), "label", rounds=rounds)
    score = found["systems"]["tuned"]["accuracy"]
    assert score["value"] == pytest.approx(35 / 60)
    once = metrics(tuned=range(35), base=range(10))["systems"]["tuned"]["accuracy"]
    assert score["ci95"][1] - score["ci95"][0] > once["ci95"][1] - once["ci95"][0]
    pair = find_pair(found, "base")
    assert pair is not None
    assert pair["difference"] == pytest.approx(25 / 60)
    assert (pair["verdict"], pair["test"]) == ("better", "paired-randomisation")
    assert [(r["fold"], r["seed"], r["rows"]) for r in found["rounds"]] == [
        (fold, seed, 30) for seed in range(3) for fold in (1, 2)
    ]
    by_round = [r["values"]["accuracy"] for r in found["rounds"]]
    assert by_round == pytest.approx([1, 0, 1, 10 / 30, 1, 5 / 30])
    spread = found["spread"]["accuracy"]
    assert spread["mean"] == pytest.approx(35 / 60)
    assert (spread["min"], spread["max"], spread["rounds"]) == (0, 1, 6)


def test_one_round_says_nothing_of_rounds() -> None:
    asked = items(9)
    said = {"tuned": hits(asked, range(5))}
    rounds = [Round(None, 42, said["tuned"])]
    found = evaluate(asked, LABELS, said, EvaluateConfig(bootstrap=100), "label", rounds=rounds)
    assert not {"rounds", "spread"} & found.keys()
    assert found == evaluate(asked, LABELS, said, EvaluateConfig(bootstrap=100), "label")
