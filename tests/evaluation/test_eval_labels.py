from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from kunren.config.schema import EvaluateConfig
from kunren.evaluation.labels import answer_key, label_index, validation_metrics
from kunren.evaluation.score import evaluate
from kunren.types import Item, Message, Prediction

LABELS = ["国内", "国際", "経済", "スポーツ", "文化"]


def item(number: int, gold: str, row: str | None = None) -> Item:
    return Item(str(number), row or str(number), (Message("user", "見出し"),), gold)


def scored(
    gold: list[str], said: list[str | None], labels: list[str] = LABELS, **more: Any
) -> dict[str, Any]:
    items = [item(n, g) for n, g in enumerate(gold)]
    predictions = [Prediction(str(n), s) for n, s in enumerate(said)]
    return evaluate(items, labels, {"tuned": predictions}, EvaluateConfig(bootstrap=100))


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
    found = evaluate([], LABELS, {"tuned": []}, EvaluateConfig())
    assert found["rows"] == 0
    assert all(s["value"] is None and s["reason"] for s in found["systems"]["tuned"].values())


def test_free_generations_outside_the_set() -> None:
    items = [item(n, "❤️") for n in range(5)]
    written = ["❤", " ❤️\n", "😭", "", "❤️ です"]  # with and without variation selector
    said = [Prediction(str(n), "❤️", generated=w) for n, w in enumerate(written)]
    scores = evaluate(items, ["❤️", "😀"], {"tuned": said}, EvaluateConfig())["systems"]["tuned"]
    assert scores["out_of_set_rate"]["value"] == pytest.approx(3 / 5)
    assert scores["generated_accuracy"]["value"] == pytest.approx(2 / 5)


def test_generation_is_counted_apart_from_labels() -> None:
    items = [item(n, "国内") for n in range(4)]
    said = [Prediction(str(n), "国内", generated=None if n == 0 else "スポーツ") for n in range(4)]
    scores = evaluate(items, LABELS, {"tuned": said}, EvaluateConfig())["systems"]["tuned"]
    assert scores["accuracy"]["n_scored"] == 4
    assert scores["generated_accuracy"]["n_scored"] == 3
    assert scores["generated_accuracy"]["n_unscored"] == 1
    assert scores["out_of_set_rate"]["value"] == 0.0  # measured, and really none


def test_labels_that_are_the_same_answer_are_refused() -> None:
    with pytest.raises(ValueError, match="same answer"):
        label_index(["❤", "❤️"], [])


def test_answer_key_composes() -> None:
    assert answer_key("か\u3099") == answer_key("が ")


def test_validation_metrics_are_those_of_the_evaluation() -> None:
    gold, said = ["国内", "国際", "国際"], ["国内", "国際", "国内"]
    items = [item(n, g) for n, g in enumerate(gold)]
    found = validation_metrics(items, [Prediction(str(n), s) for n, s in enumerate(said)], LABELS)
    full = scored(gold, list(said))["systems"]["tuned"]
    assert found == {name: full[name]["value"] for name in ("accuracy", "macro_f1")}
    assert validation_metrics([], [], LABELS) == {}
