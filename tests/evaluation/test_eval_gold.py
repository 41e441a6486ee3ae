"""Gold scored against gold gives the best value of every metric, or the metric is broken."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.records import handmade

from kunren.config.schema import EvaluateConfig
from kunren.errors import BrokenMetric
from kunren.evaluation import register
from kunren.evaluation.labels import METRICS
from kunren.evaluation.metric import scores
from kunren.evaluation.score import KINDS, evaluate
from kunren.evaluation.told import metric_name
from kunren.messages import Language, use_language
from kunren.tasks import Answers
from kunren.types import Item, Prediction

OF_GOLD = {
    "spoilt_rate",
    "mended_rate",
    "diversity",
    "top1_share",
    "unique_labels",
    "coverage",
    "entropy",
    *register.METRICS,
}
"""Of these the gold answers have a value of their own, which need not be the highest."""

NEUTRAL = {"length_error": 0.0, "length_ratio": 1.0, "confidence_gap": 0.0}


def gold(item: Item, labels: Sequence[str] = ()) -> Prediction:
    certain = tuple(float(label in item.labels) for label in labels)
    return Prediction(item.id, item.labels or None, 1.0, certain, item.answer, ended=True)


@pytest.mark.parametrize("kind", ["label", "set", "text"])
def test_gold_against_gold(kind: Answers) -> None:
    levels = handmade.levels if kind == "label" else None
    labels = {"label": handmade.TOPICS, "set": handmade.LABELS, "text": ()}[kind]
    items = handmade.asked_of(kind, 30, labels)
    said = {"tuned": [gold(item, labels) for item in items]}
    found: dict[str, Any] = evaluate(
        items, labels, said, EvaluateConfig(bootstrap=100), kind, levels
    )
    of_tuned = found["systems"]["tuned"]
    assert set(of_tuned) == set(found["metrics"])
    for name, about in found["metrics"].items():
        if name in OF_GOLD:
            continue
        best = {"higher": 100.0 if about["unit"] == "points" else 1.0, "lower": 0.0}
        expected = NEUTRAL[name] if about["better"] is None else best[about["better"]]
        assert of_tuned[name]["value"] == pytest.approx(expected), name
        assert of_tuned[name]["n_unscored"] == 0 or "level" in name or name.startswith("fact_")


def broken(kind: Answers, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    of_kind = KINDS[kind]
    name = of_kind.primary
    metrics = {**of_kind.metrics, name: replace(of_kind.metrics[name], **changed)}
    monkeypatch.setattr("kunren.evaluation.score.KINDS", {kind: replace(of_kind, metrics=metrics)})


def test_a_metric_that_gives_gold_less_than_its_best_stops_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken("text", monkeypatch, statistics=lambda items, *_: scores([0.0] * len(items)))
    items = handmade.asked_of("text", 10, ())
    said = {"tuned": [gold(item) for item in items]}
    with pytest.raises(BrokenMetric, match="chrF"):
        evaluate(items, (), said, EvaluateConfig(bootstrap=100), "text")


@pytest.mark.parametrize("name", ["ece", "top3_accuracy", "balanced_accuracy", "mcc"])
def test_metrics_of_one_label_are_tried_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = METRICS[name]
    changed = {
        **METRICS,
        name: replace(metric, value=lambda sums, _: np.full_like(sums[..., 0], 0.5)),
    }
    monkeypatch.setattr("kunren.evaluation.labels.METRICS", changed)
    items = handmade.items(10)
    said = {"tuned": [gold(item) for item in items]}
    with pytest.raises(BrokenMetric, match=re.escape(metric_name(name))):
        evaluate(items, handmade.LABELS, said, EvaluateConfig(bootstrap=100), "label")


def test_a_metric_whose_package_is_missing_is_absent_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken("text", monkeypatch, requires={"no_such_module": "no-such-package"})
    items = handmade.asked_of("text", 10, ())
    said = {name: [gold(item) for item in items] for name in ("base", "tuned")}
    found = evaluate(items, (), said, EvaluateConfig(bootstrap=100), "text")
    score = found["systems"]["tuned"]["chrf"]
    assert score["value"] is None
    assert "pip install no-such-package" in score["reason"]
    assert "chrf" not in {pair["metric"] for pair in found["paired"]}


def test_the_diversity_of_gold_is_that_of_its_labels() -> None:
    items = handmade.asked_of("set", 30)
    said = {"tuned": [gold(item) for item in items]}
    found = evaluate(items, handmade.LABELS, said, EvaluateConfig(bootstrap=100), "set")
    counts = found["frequencies"]["gold"]
    assert found["frequencies"]["tuned"] == counts
    of_tuned = found["systems"]["tuned"]
    assert of_tuned["unique_labels"]["value"] == len(counts)
    assert of_tuned["top1_share"]["value"] == pytest.approx(
        max(counts.values()) / sum(counts.values())
    )


def test_every_metric_has_a_name() -> None:
    languages: tuple[Language, ...] = ("en", "ja")
    for language in languages:
        use_language(language)
        for kind in KINDS.values():
            assert all(metric_name(name) for name in kind.metrics)
