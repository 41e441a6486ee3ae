from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kunren.config.schema import EvaluateConfig
from kunren.evaluation import calibration
from kunren.evaluation.score import evaluate
from kunren.types import Item, Message, Prediction

LABELS = ("国内", "国際")
CONFIDENCE = np.array([0.95, 0.9, 0.8, 0.7, 0.6, 0.55, 0.99, 0.51, 0.85, 0.65])
CORRECT = np.array([float(c) for c in "1110101001"])


def error(bins: int, confidence: Any = CONFIDENCE, correct: Any = CORRECT) -> float:
    return float(calibration.ece(calibration.in_bins(confidence, correct, bins).sum(axis=0)))


def evaluated(confidence: Any = CONFIDENCE, correct: Any = CORRECT) -> dict[str, Any]:
    gold = [LABELS[0] if right else LABELS[1] for right in correct]
    items = [Item(str(n), str(n), (Message("user", "x"),), g, (g,)) for n, g in enumerate(gold)]
    said = [
        Prediction(str(n), (LABELS[0],), float(sure), (float(sure), 1 - float(sure)))
        for n, sure in enumerate(confidence)
    ]
    unsure = [Prediction(p.item_id, p.labels) for p in said]
    systems = {"tuned": said, "nearest": unsure}
    return evaluate(items, LABELS, systems, EvaluateConfig(bootstrap=100), "label")


def test_the_check_values() -> None:
    assert error(5) == pytest.approx(0.150)
    assert error(10) == pytest.approx(0.202)
    score = evaluated()["systems"]["tuned"]["ece"]
    assert score["value"] == pytest.approx(0.202)
    assert score["signature"] == "ece|v1|labels:2|bins:10|interval:(lo,hi]"
    low, high = score["ci95"]
    assert 0 < low < high < 1


@pytest.mark.parametrize("bins", [5, 10, 15])
def test_bins_hold_their_upper_end(bins: int) -> None:
    for n in range(1, bins + 1):
        found = calibration.in_bins(np.array([n / bins]), np.array([1.0]), bins)
        assert np.flatnonzero(found[0, :bins]).tolist() == [n - 1]
    for literal in (0.1, 0.3, 0.6, 0.7, 0.9):
        found = calibration.in_bins(np.array([literal]), np.array([1.0]))
        assert np.flatnonzero(found[0, :10]).tolist() == [round(10 * literal) - 1]


def test_the_ends_of_the_scale_have_bins() -> None:
    found = calibration.in_bins(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert np.flatnonzero(found.sum(axis=0)[:10]).tolist() == [0, 9]


def test_the_bins_are_recorded_without_empty_ones() -> None:
    bins = evaluated()["calibration"]
    assert set(bins) == {"tuned"}  # the nearest row gives no probabilities
    assert [(b["lo"], b["hi"], b["count"]) for b in bins["tuned"]] == [
        *((0.5, 0.6, 3), (0.6, 0.7, 2), (0.7, 0.8, 1), (0.8, 0.9, 2), (0.9, 1.0, 2)),
    ]
    last = bins["tuned"][-1]
    assert (last["confidence"], last["accuracy"]) == (pytest.approx(0.97), 1.0)


def test_without_probabilities_it_is_missing_with_a_reason() -> None:
    scores = evaluated()["systems"]["nearest"]
    for name in ("ece", "confidence_gap"):
        assert scores[name]["value"] is None
        assert "確率" in scores[name]["reason"]


def test_the_gap_has_the_sign_of_overconfidence() -> None:
    over = evaluated([0.9] * 20, [1.0, 0.0] * 10)["systems"]["tuned"]["confidence_gap"]
    assert over["value"] == pytest.approx(0.4)
    assert over["ci95"][0] > 0
    under = evaluated([0.6] * 20, [1.0] * 19 + [0.0])["systems"]["tuned"]["confidence_gap"]
    assert under["value"] == pytest.approx(-0.35)
    assert under["ci95"][1] < 0


@pytest.mark.parametrize("rows", [30, 300])
def test_by_chance_is_what_calibrated_systems_have_on_average(rows: int) -> None:
    generator = np.random.default_rng(0)
    sure = generator.beta(4, 2, rows)
    found = [
        calibration.in_bins(sure, (generator.random(rows) < sure).astype(float)).sum(axis=0)
        for _ in range(400)
    ]
    simulated = np.mean([float(calibration.ece(sums)) for sums in found])
    assert simulated == pytest.approx(calibration.by_chance(calibration.table(found[0])), rel=0.05)


def test_few_rows_look_worse_calibrated_than_many() -> None:
    few = [{"lo": 0.7, "hi": 0.8, "count": 5, "confidence": 0.75, "accuracy": 0.8}]
    many = [few[0] | {"count": 500}]
    assert calibration.by_chance(few) > 5 * calibration.by_chance(many)
    certain = [few[0] | {"confidence": 1.0000000001}]  # a sum of probabilities, rounded
    assert calibration.by_chance(certain) == 0
