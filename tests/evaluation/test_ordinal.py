"""Labels in an order: how far off an answer is."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sklearn.metrics import cohen_kappa_score

from kunren.config.schema import EvaluateConfig
from kunren.evaluation.ordinal import order
from kunren.evaluation.score import evaluate
from kunren.types import Item, Message, Prediction

STARS = ("1", "2", "3", "4", "5")


def scored(gold: list[str], said: list[str | None], labels: tuple[str, ...] = STARS) -> Any:
    items = [
        Item(str(n), str(n), (Message("user", f"文 {n}"),), label, (label,))
        for n, label in enumerate(gold)
    ]
    answers = [
        Prediction(str(n), () if label is None else (label,), generated=label or "わからない")
        for n, label in enumerate(said)
    ]
    found = evaluate(items, labels, {"tuned": answers}, EvaluateConfig(bootstrap=100), "label")
    return found["systems"]["tuned"]


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (("5", "1", "3", "2", "4"), (5, 1, 3, 2, 4)),
        (("星1", "星2", "星3"), (1, 2, 3)),
        (("３点", "４点", "５点"), (3, 4, 5)),
        (("★", "★★", "★★★"), (1, 2, 3)),
        (("★☆☆", "★★☆", "★★★"), (1, 2, 3)),
        (("-1", "0", "1"), (-1, 0, 1)),
        (("0", "1"), None),
        (("1", "2", "4"), None),
        (("1", "2", "その他"), None),
        (("第1類", "第2類", "第3種"), None),
        (("良い", "普通", "悪い"), None),
        ((), None),
    ],
)
def test_which_labels_are_in_an_order(
    names: tuple[str, ...], places: tuple[int, ...] | None
) -> None:
    assert order(names) == places


def test_far_off_is_worse_than_nearly_right() -> None:
    near = scored(["5", "4", "1", "2"], ["4", "5", "2", "1"])
    far = scored(["5", "4", "1", "2"], ["1", "1", "5", "5"])
    assert near["accuracy"]["value"] == far["accuracy"]["value"] == 0.0
    assert near["mean_distance"]["value"] == 1.0
    assert far["mean_distance"]["value"] == pytest.approx(14 / 4)
    assert near["weighted_kappa"]["value"] > 0.5 > 0.0 > far["weighted_kappa"]["value"]
    assert near["weighted_kappa"]["signature"].startswith("weighted_kappa|v1|labels:5|")


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_scikit_learn(seed: int) -> None:
    chance = random.Random(seed)
    gold = [chance.choice(STARS) for _ in range(60)]
    said = [g if chance.random() < 0.5 else chance.choice(STARS) for g in gold]
    expected = cohen_kappa_score(gold, said, weights="quadratic", labels=list(STARS))
    found = scored(gold, list(said))["weighted_kappa"]
    assert found["value"] == pytest.approx(expected)
    assert found["ci95"][0] <= expected <= found["ci95"][1]


def test_perfect_answers() -> None:
    found = scored(list(STARS), list(STARS))
    assert (found["mean_distance"]["value"], found["weighted_kappa"]["value"]) == (0.0, 1.0)


def test_no_label_is_as_far_as_can_be() -> None:
    found = scored(["5", "1", "4"], [None, "1", None])
    assert found["mean_distance"]["value"] == pytest.approx((4 + 0 + 3) / 3)


def test_one_answer_to_everything_agrees_by_chance_alone() -> None:
    found = scored(["5", "5", "5", "1", "3"], ["5"] * 5)
    assert found["weighted_kappa"]["value"] == pytest.approx(0.0)
    assert found["mean_distance"]["value"] == pytest.approx(6 / 5)


def test_labels_in_no_order_have_no_distance() -> None:
    found = scored(["良い", "悪い", "普通"], ["良い", "良い", "普通"], ("良い", "普通", "悪い"))
    assert "mean_distance" not in found
    assert "weighted_kappa" not in found
