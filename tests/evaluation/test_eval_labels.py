from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from kunren.config.schema import EvaluateConfig
from kunren.evaluation.metric import answer_key, make_space
from kunren.evaluation.score import evaluate, validation_metrics
from kunren.evaluation.told import metric_name
from kunren.types import Item, Message, Prediction

LABELS = ["国内", "国際", "経済", "スポーツ", "文化"]


def item(number: int, gold: str, row: str | None = None) -> Item:
    return Item(str(number), row or str(number), (Message("user", "見出し"),), gold, (gold,))


def said_to(number: int, label: str | None, generated: str | None = None) -> Prediction:
    return Prediction(str(number), None if label is None else (label,), generated=generated)


def scored(
    gold: list[str], said: list[str | None], labels: list[str] = LABELS, **more: Any
) -> dict[str, Any]:
    items = [item(n, g) for n, g in enumerate(gold)]
    predictions = {"tuned": [said_to(n, s) for n, s in enumerate(said)]}
    return evaluate(items, labels, predictions, EvaluateConfig(bootstrap=100), "label", **more)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed: int) -> None:
    chance = random.Random(seed)
    known = LABELS[: 3 + seed % 3]  # from some seeds on, labels of the set are absent from gold
    gold = [chance.choice(known) for _ in range(40)]
    said = [chance.choice(LABELS) for _ in gold]
    found = scored(gold, list(said))
    scores = found["systems"]["tuned"]
    present = sorted(set(gold))
    assert scores["accuracy"]["value"] == pytest.approx(accuracy_score(gold, said))
    assert scores["macro_f1"]["value"] == pytest.approx(
        f1_score(gold, said, labels=present, average="macro", zero_division=0)
    )
    precision, recall, f1, support = precision_recall_fscore_support(
        gold, said, labels=LABELS, zero_division=np.nan
    )
    for n, label in enumerate(LABELS):
        mine = found["per_label"]["tuned"][label]
        assert mine["support"] == support[n]
        for name, theirs in (("precision", precision[n]), ("recall", recall[n]), ("f1", f1[n])):
            if np.isnan(theirs):
                assert mine[name] is None
            else:
                assert mine[name] == pytest.approx(theirs)
    matrix = confusion_matrix(gold, said, labels=LABELS)
    cells = {(c["gold"], c["predicted"]): c["count"] for c in found["confusion"]["tuned"]}
    for (row, column), count in np.ndenumerate(matrix):
        assert cells.get((LABELS[row], LABELS[column]), 0) == count


def test_label_absent_from_gold_is_left_out_and_said_so() -> None:
    found = scored(["国内", "国際"], ["国内", "国際"])
    score = found["systems"]["tuned"]["macro_f1"]
    assert score["value"] == 1.0
    assert score["signature"] == "macro_f1|v1|labels:5|absent-from-gold:left-out|decode:closed-set"
    assert found["per_label"]["tuned"]["文化"] == {
        "precision": None,
        "recall": None,
        "f1": None,
        "support": 0,
        "predicted": 0,
    }


def test_gold_outside_the_closed_set_is_wrong_not_an_error() -> None:
    found = scored(["国内", "科学"], ["国内", "国内"])
    assert found["systems"]["tuned"]["accuracy"]["value"] == 0.5
    assert found["per_label"]["tuned"]["科学"]["recall"] == 0.0


def test_even_a_prediction_outside_the_set_that_equals_gold_is_wrong() -> None:
    assert scored(["科学"], ["科学"])["systems"]["tuned"]["accuracy"]["value"] == 0.0


def test_items_without_a_label_are_unscored() -> None:
    score = scored(["国内", "国際", "経済"], ["国内", None, "国際"])["systems"]["tuned"]["accuracy"]
    assert (score["value"], score["n_scored"], score["n_unscored"]) == (0.5, 2, 1)


def test_missing_numbers_are_none_with_a_reason() -> None:
    found = scored(["国内"], ["国内"])["systems"]["tuned"]["out_of_set_rate"]
    assert found["value"] is None
    assert found["ci95"] is None
    assert found["n_scored"] == 0
    assert found["reason"]


def test_no_rows_at_all() -> None:
    found = evaluate([], LABELS, {"tuned": []}, EvaluateConfig(), "label")
    assert found["rows"] == 0
    assert all(s["value"] is None and s["reason"] for s in found["systems"]["tuned"].values())


def test_free_generations_outside_the_set() -> None:
    items = [item(n, "❤️") for n in range(5)]
    written = ["❤", " ❤️\n", "😭", "", "❤️ です"]  # with and without variation selector
    said = [said_to(n, "❤️", w) for n, w in enumerate(written)]
    found = evaluate(items, ["❤️", "😀"], {"tuned": said}, EvaluateConfig(), "label")
    scores = found["systems"]["tuned"]
    assert scores["out_of_set_rate"]["value"] == pytest.approx(3 / 5)
    assert scores["generated_accuracy"]["value"] == pytest.approx(2 / 5)


def test_generation_is_counted_apart_from_labels() -> None:
    items = [item(n, "国内") for n in range(4)]
    said = [said_to(n, "国内", None if n == 0 else "スポーツ") for n in range(4)]
    found = evaluate(items, LABELS, {"tuned": said}, EvaluateConfig(), "label")
    scores = found["systems"]["tuned"]
    assert scores["accuracy"]["n_scored"] == 4
    assert scores["generated_accuracy"]["n_scored"] == 3
    assert scores["generated_accuracy"]["n_unscored"] == 1
    assert scores["out_of_set_rate"]["value"] == 0.0  # measured, and really none


def test_labels_that_are_the_same_answer_are_refused() -> None:
    with pytest.raises(ValueError, match="same answer"):
        make_space(["❤", "❤️"], [])


def test_answer_key_composes() -> None:
    assert answer_key("か\u3099") == answer_key("が ")


def test_an_answer_that_is_no_label_is_wrong_and_one_that_was_not_given_is_unscored() -> None:
    items = [item(n, "国内") for n in range(3)]
    said = [Prediction("0", ()), Prediction("1", ("国内",)), Prediction("2", None)]
    found = evaluate(items, LABELS, {"tuned": said}, EvaluateConfig(), "label")
    score = found["systems"]["tuned"]["accuracy"]
    assert (score["value"], score["n_scored"], score["n_unscored"]) == (0.5, 2, 1)
    assert found["confusion"]["tuned"] == [
        {"gold": "国内", "predicted": None, "count": 1},
        {"gold": "国内", "predicted": "国内", "count": 1},
    ]


def test_validation_metrics_are_those_of_the_evaluation() -> None:
    gold, said = ["国内", "国際", "国際"], ["国内", "国際", "国内"]
    items = [item(n, g) for n, g in enumerate(gold)]
    predictions = [said_to(n, s) for n, s in enumerate(said)]
    found = validation_metrics("label", items, predictions, LABELS)
    full = scored(gold, list(said))["systems"]["tuned"]
    assert found == {name: full[name]["value"] for name in ("accuracy", "macro_f1")}
    assert validation_metrics("label", [], [], LABELS) == {}


def path(label: str) -> tuple[str, ...]:
    parts = label.split("/")
    return tuple("/".join(parts[: n + 1]) for n in range(len(parts)))


PATHS = ["国内/政治/選挙", "国内/経済", "国際/政治", "天気"]


def test_each_upper_level_is_scored_on_the_items_that_have_it() -> None:
    gold = ["国内/政治/選挙", "国内/政治/選挙", "国内/経済", "国際/政治", "天気"]
    said: list[str | None] = ["国内/経済", "国内/政治/選挙", "国際/政治", "国際/政治", "国内/経済"]
    found = scored(gold, said, PATHS, levels=path)
    scores = found["systems"]["tuned"]
    assert list(scores)[:6] == [
        *("accuracy", "accuracy_level1", "accuracy_level2"),
        *("macro_f1", "macro_f1_level1", "macro_f1_level2"),
    ]
    assert scores["accuracy"]["value"] == pytest.approx(2 / 5)
    level1, level2 = scores["accuracy_level1"], scores["accuracy_level2"]
    assert (level1["value"], level1["n_scored"]) == (pytest.approx(3 / 5), 5)
    # 天気 has no second level, so it says nothing of it.
    assert (level2["value"], level2["n_scored"], level2["n_unscored"]) == (0.5, 4, 1)
    tops = [g.split("/")[0] for g in gold], [str(s).split("/")[0] for s in said]
    assert scores["macro_f1_level1"]["value"] == pytest.approx(
        f1_score(*tops, labels=sorted(set(tops[0])), average="macro", zero_division=0)
    )
    assert "level:1" in level1["signature"]
    assert found["headline"][1:3] == ["accuracy_level1", "accuracy_level2"]
    assert metric_name("accuracy_level2") == "正解率 (第 2 階層)"


def test_a_prediction_that_ends_above_a_level_is_wrong_there() -> None:
    scores = scored(["国内/政治/選挙"], ["天気"], PATHS, levels=path)["systems"]["tuned"]
    assert scores["accuracy_level2"]["value"] == 0.0


def test_a_level_that_no_gold_label_has_is_missing_with_a_reason() -> None:
    scores = scored(["天気"], ["天気"], PATHS, levels=path)["systems"]["tuned"]
    assert scores["accuracy_level1"]["value"] == 1.0
    assert scores["accuracy_level2"]["value"] is None
    assert "階層" in scores["accuracy_level2"]["reason"]


def test_labels_without_a_hierarchy_have_no_levels() -> None:
    found = scored(["国内"], ["国内"], levels=lambda label: (label,))
    assert not [name for name in found["metrics"] if "level" in name]


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("seed", range(5))
def test_balanced_accuracy_and_mcc_agree_with_scikit_learn(seed: int) -> None:
    chance = random.Random(seed)
    known = LABELS[: 2 + seed % 4]
    gold = [chance.choice(known) for _ in range(40)]
    said = [g if chance.random() < 0.4 else chance.choice(LABELS) for g in gold]
    items = [item(n, g) for n, g in enumerate(gold)]
    # Every fifth answer is no label at all, which is a class of its own.
    answers = [
        Prediction(str(n), (s,) if n % 5 else ("でたらめ",) if n % 2 else ())
        for n, s in enumerate(said)
    ]
    found = evaluate(items, LABELS, {"tuned": answers}, EvaluateConfig(bootstrap=100), "label")
    scores = found["systems"]["tuned"]
    read = [s if n % 5 else "?" for n, s in enumerate(said)]
    assert scores["balanced_accuracy"]["value"] == pytest.approx(
        balanced_accuracy_score(gold, read)
    )
    assert scores["mcc"]["value"] == pytest.approx(matthews_corrcoef(gold, read))
    assert found["metrics"]["mcc"]["unit"] == "coefficient"
    low, high = scores["mcc"]["ci95"]
    assert low < scores["mcc"]["value"] < high


def test_mcc_of_answers_that_say_nothing() -> None:
    constant = scored(["国内", "国際", "国内"], ["国内"] * 3)["systems"]["tuned"]["mcc"]
    assert constant["value"] == 0.0  # no correlation, and that is known
    opposite = scored(["国内", "国際"] * 4, ["国際", "国内"] * 4)["systems"]["tuned"]["mcc"]
    assert opposite["value"] == -1.0
    one = scored(["国内"] * 3, ["国内", "国際", "国内"])["systems"]["tuned"]["mcc"]
    assert one["value"] is None  # gold knows one label: nothing to correlate with
    assert one["reason"]


LETTERS = [f"分類{letter}" for letter in "甲乙丙丁戊己庚"]


@pytest.mark.parametrize("seed", range(3))
def test_top_k_agrees_with_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    shares = generator.dirichlet(np.ones(len(LETTERS)), size=60)
    gold = generator.integers(0, len(LETTERS), 60)
    items = [item(n, LETTERS[g]) for n, g in enumerate(gold)]
    said = [
        Prediction(str(n), (LETTERS[row.argmax()],), float(row.max()), tuple(row))
        for n, row in enumerate(shares)
    ]
    found = evaluate(items, LETTERS, {"tuned": said}, EvaluateConfig(bootstrap=100), "label")
    for k in (3, 5):
        assert found["systems"]["tuned"][f"top{k}_accuracy"]["value"] == pytest.approx(
            top_k_accuracy_score(gold, shares, k=k, labels=range(len(LETTERS)))
        )


def test_of_equal_probabilities_those_earlier_in_the_set_come_first() -> None:
    items = [item(n, label) for n, label in enumerate(LETTERS)]
    flat = (1 / len(LETTERS),) * len(LETTERS)
    said = [Prediction(str(n), (LETTERS[0],), flat[0], flat) for n in range(len(items))]
    found = evaluate(items, LETTERS, {"majority": said}, EvaluateConfig(), "label")
    scores = found["systems"]["majority"]
    assert scores["top3_accuracy"]["value"] == pytest.approx(3 / 7)
    assert scores["accuracy"]["value"] == pytest.approx(1 / 7)


def test_top_k_of_gold_outside_the_set_is_wrong() -> None:
    items = [item(0, "科学"), item(1, LETTERS[0])]
    sure = (1.0,) + (0.0,) * (len(LETTERS) - 1)
    said = [Prediction(str(n), (LETTERS[0],), 1.0, sure) for n in range(2)]
    found = evaluate(items, LETTERS, {"tuned": said}, EvaluateConfig(), "label")
    assert found["systems"]["tuned"]["top3_accuracy"]["value"] == 0.5


def test_top_k_only_where_it_says_something() -> None:
    scores = scored(["国内"], ["国内"])["systems"]["tuned"]
    assert "top3_accuracy" in scores
    assert "top5_accuracy" not in scores  # of five labels gold is always among five
    assert scores["top3_accuracy"]["value"] is None
    assert "確率" in scores["top3_accuracy"]["reason"]
    few = scored(["国内"], ["国内"], LABELS[:3])["systems"]["tuned"]
    assert not [name for name in few if name.startswith("top")]
