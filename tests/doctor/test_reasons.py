"""Why a rule was not applied: the reason is the true one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.rules.courses import course
from tests.rules.output import metrics

from kunren.doctor.engine import Evidence, examine
from kunren.doctor.table import BY_SLUG

FEW = metrics({"base": {"accuracy": 0.0}, "tuned": {"accuracy": 0.0}}, rows=6)
EASY = metrics({"tuned": {"accuracy": 0.9}, "tfidf_logreg": {"accuracy": 1.0}}, rows=6)
CONSTANT = metrics({"tuned": {"accuracy": 0.9}, "majority": {"accuracy": 0.3}}, rows=60)
SETS = {"macro_f1": (0.1, 0.2), "jaccard": (0.1, 0.2)}


def scored(found: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """The same, with how many rows each score is of."""
    systems = {
        system: {name: score | {"n_scored": rows} for name, score in scores.items()}
        for system, scores in found["systems"].items()
    }
    return {**found, "systems": systems}


@pytest.mark.parametrize(
    ("slug", "evidence", "said"),
    [
        ("zero-scores", {"metrics": scored(FEW, 6)}, "6 件しかありません"),
        ("zero-scores", {"metrics": metrics({})}, "予測または評価値がありません"),
        ("solved-by-baseline", {"metrics": scored(EASY, 6)}, "6 件しかありません"),
        ("solved-by-baseline", {"metrics": scored(CONSTANT, 60)}, "単純な手法との比較がありません"),
        (
            "below-chance",
            {"course": course((), (0.7, 0.6), metrics=SETS, labels=8, held_rows=50)},
            "正解率がありません (あるもの: ",
        ),
        (
            "below-chance",
            {"course": course((), (0.7, 0.6), labels=8, held_rows=50)},
            "損失以外の指標",
        ),
        (
            "below-chance",
            {"course": course((), (0.7, 0.6), metrics=SETS, held_rows=50, ours=True)},
            "1 つのラベルで答える課題ではない",
        ),
        (
            "below-chance",
            {"course": course((), (0.7, 0.6), metrics=SETS, held_rows=50)},
            "ラベルの種類の数",
        ),
    ],
)
def test_a_rule_is_skipped_for_the_reason_that_holds(
    slug: str, evidence: Mapping[str, Any], said: str
) -> None:
    def given(name: str) -> Callable[[], object]:
        return lambda: evidence[name]

    known = Evidence({name: given(name) for name in evidence})
    found = examine(known, rules=[BY_SLUG[slug]])
    (skipped,) = found["skipped"]
    assert said in skipped["reason"]
