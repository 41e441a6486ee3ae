"""Verdicts, the intervals beside them, and how both are said."""

from __future__ import annotations

import random
from typing import Any

import pytest

from kunren.config.schema import EvaluateConfig
from kunren.evaluation.score import evaluate
from kunren.evaluation.told import gap, number, percent, verdict_sentence
from kunren.messages import use_language
from kunren.types import Item, Message, Prediction

LABELS = ["良い", "悪い"]


def item(number: int) -> Item:
    gold = LABELS[number % 2]
    return Item(str(number), str(number), (Message("user", f"文{number}"),), gold, (gold,))


def right(items: list[Item], share: float, seed: int) -> list[Prediction]:
    chance = random.Random(seed)
    others = dict(zip(LABELS, LABELS[::-1], strict=True))
    return [
        Prediction(i.id, (i.answer if chance.random() < share else others[i.answer],))
        for i in items
    ]


def made(rows: int, *shares: float) -> dict[str, Any]:
    items = [item(n) for n in range(rows)]
    names = ("tuned", "base", "majority", "nearest", "tfidf_logistic")
    said = {
        name: right(items, share, seed)
        for seed, (name, share) in enumerate(zip(names, shares, strict=False))
    }
    return evaluate(items, LABELS, said, EvaluateConfig(bootstrap=200), "label")


@pytest.mark.parametrize("rows", [3, 8, 24, 60])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.75, 1.0])
def test_a_verdict_and_its_interval_never_disagree(rows: int, share: float) -> None:
    for pair in made(rows, share, 0.5, 0.45, 0.55, 0.7)["paired"]:
        low, high = pair["ci95"]
        assert (low > 0 or high < 0) == (pair["verdict"] in ("better", "worse"))
        assert low <= pair["difference"] <= high
        if pair["verdict"] in ("better", "worse"):
            assert pair["rows_needed"] is None
        elif pair["rows_needed"] is not None:
            assert pair["rows_needed"] > rows


def test_the_same_predictions_are_identical_and_not_unclear() -> None:
    items = [item(n) for n in range(12)]
    said = right(items, 0.6, 1)
    turned = [Prediction(p.item_id, tuple(LABELS[::-1])[:1]) for p in said]
    systems = {"tuned": said, "base": said, "majority": turned}
    found = evaluate(items, LABELS, systems, EvaluateConfig(bootstrap=100), "label")
    verdicts = {(p["b"], p["metric"]): p["verdict"] for p in found["paired"]}
    assert verdicts["base", "accuracy"] == verdicts["base", "macro_f1"] == "identical"
    assert verdicts["majority", "accuracy"] != "identical"
    assert "すべて同じ" in verdict_sentence(found)
    use_language("en")
    try:
        assert "all the same" in verdict_sentence(found)
    finally:
        use_language("ja")


def test_wrong_in_different_ways_is_not_identical() -> None:
    items = [Item(str(n), str(n), (Message("user", "文"),), "a", ("a",)) for n in range(4)]
    said = {name: [Prediction(i.id, (name[0],)) for i in items] for name in ("tuned", "base")}
    found = evaluate(items, ["a", "b", "t"], said, EvaluateConfig(bootstrap=100), "label")
    assert {p["verdict"] for p in found["paired"]} == {"indistinguishable"}


def test_zero_has_no_sign() -> None:
    for value in (-1e-9, -0.0, 0.0, 1e-9):
        for of in ("share", "points", "coefficient", "count"):
            assert "-" not in number(value, of) + gap(value, of) + percent(value)
    assert (gap(-0.123), gap(0.05, "points"), gap(2.0, "count")) == ("-12.3", "+0.1", "+2.00")
