"""Gold scored against gold gives the best value of every metric, or the metric is broken."""

from __future__ import annotations

from typing import Any

import pytest
from tests.records import handmade

from kunren.config.schema import EvaluateConfig
from kunren.evaluation.score import KINDS, evaluate, metric_name
from kunren.messages import Language, use_language
from kunren.tasks import Answers
from kunren.types import Item, Prediction

OF_GOLD = {"top1_share", "unique_labels", "coverage", "entropy"}
"""Of these the gold answers have a value of their own, which need not be the highest."""

NEUTRAL = {"length_error": 0.0, "length_ratio": 1.0}


def gold(item: Item) -> Prediction:
    return Prediction(item.id, item.labels or None, generated=item.answer)


@pytest.mark.parametrize("kind", ["label", "set", "text"])
def test_gold_against_gold(kind: Answers) -> None:
    levels = handmade.levels if kind == "label" else None
    labels = {"label": handmade.TOPICS, "set": handmade.LABELS, "text": ()}[kind]
    items = handmade.asked_of(kind, 30, labels)
    said = {"tuned": [gold(item) for item in items]}
    found: dict[str, Any] = evaluate(
        items, labels, said, EvaluateConfig(bootstrap=100), kind, levels
    )
    scores = found["systems"]["tuned"]
    assert set(scores) == set(found["metrics"])
    for name, about in found["metrics"].items():
        if name in OF_GOLD:
            continue
        best = {"higher": 100.0 if about["unit"] == "points" else 1.0, "lower": 0.0}
        expected = NEUTRAL[name] if about["better"] is None else best[about["better"]]
        assert scores[name]["value"] == pytest.approx(expected), name
        assert scores[name]["n_unscored"] == 0 or "level" in name


def test_the_diversity_of_gold_is_that_of_its_labels() -> None:
    items = handmade.asked_of("set", 30)
    said = {"tuned": [gold(item) for item in items]}
    found = evaluate(items, handmade.LABELS, said, EvaluateConfig(bootstrap=100), "set")
    counts = found["frequencies"]["gold"]
    assert found["frequencies"]["tuned"] == counts
    scores = found["systems"]["tuned"]
    assert scores["unique_labels"]["value"] == len(counts)
    assert scores["top1_share"]["value"] == pytest.approx(
        max(counts.values()) / sum(counts.values())
    )


def test_every_metric_has_a_name() -> None:
    languages: tuple[Language, ...] = ("en", "ja")
    for language in languages:
        use_language(language)
        for kind in KINDS.values():
            assert all(metric_name(name) for name in kind.metrics)
