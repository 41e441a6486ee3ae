from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.small import write_experiment

from kunren.config.load import load
from kunren.doctor.engine import Evidence, apply, examine, thresholds
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.table import BY_SLUG, Rule
from kunren.errors import InputError
from kunren.plan import prepare


def rises(losses: list[float], *, rise: float = 0.1) -> Finding | None:
    found = losses[-1] / min(losses) - 1
    return Finding("warning", "it rises", {"rise": found}) if found >= rise else None


@pytest.fixture
def rule(monkeypatch: pytest.MonkeyPatch) -> Rule:
    monkeypatch.setattr("kunren.doctor.rules.training_fit.rises", rises, raising=False)
    return Rule("T999", "rises", "training_fit:rises")


def test_a_threshold_is_changed_by_the_config(rule: Rule) -> None:
    evidence = Evidence({"losses": lambda: [1.0, 1.2]})
    assert thresholds(rule) == {"rise": 0.1}
    assert apply(rule, evidence) is not None
    overrides = {"rises.rise": {"value": 0.3, "reason": "noisy data"}, "other.rise": {"value": 0}}
    assert apply(rule, evidence, overrides) is None


def test_an_ignored_rule_is_told_with_its_reason(rule: Rule) -> None:
    evidence = Evidence({"losses": lambda: [1.0, 1.2]})
    found = examine(evidence, {"ignore": {"rises": "意図したもの"}}, [rule])
    assert found["ignored"] == [{"code": "T999", "slug": "rises", "reason": "意図したもの"}]
    assert not found["findings"]


def test_evidence_is_worked_out_once_and_missing_stays_missing() -> None:
    asked: list[str] = []

    def losses() -> Any:
        asked.append("losses")
        raise Missing("log")

    evidence = Evidence({"losses": losses})
    for _ in range(2):
        with pytest.raises(Missing):
            evidence.get("losses")
    assert asked == ["losses"]
    with pytest.raises(Missing, match="rows"):
        evidence.get("rows")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("doctor.ignore={overfiting: なぜ}", "overfitting"),
        ("doctor.thresholds={overfitting.rize: {value: 1, reason: なぜ}}", "rize"),
        ("doctor.thresholds={overfitting.rise: {value: 1}}", "reason"),
    ],
)
def test_unknown_names_are_errors(
    override: str, said: str, tmp_path: Path, tiny_model: Path
) -> None:
    config = write_experiment(tmp_path, tiny_model)
    with pytest.raises(InputError, match=said):
        prepare(load(config, [override]))
    assert "overfitting" in BY_SLUG
