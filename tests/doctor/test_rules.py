from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.records import handmade

from kunren.doctor.engine import diagnose, write_findings
from kunren.doctor.evidence import EVIDENCE
from kunren.doctor.table import RULES
from kunren.errors import Problem, TrainingStopped
from kunren.evaluation.baselines import run_baselines
from kunren.records import trainlog
from kunren.records.folder import Run
from kunren.types import Prediction

SLUGS = {rule.slug for rule in RULES}


def look(path: Path) -> dict[str, dict[str, Any]]:
    """Findings by slug."""
    return {finding["slug"]: finding for finding in diagnose(path)["findings"]}


def skipped(path: Path) -> dict[str, str]:
    return {rule["slug"]: rule["reason"] for rule in diagnose(path)["skipped"]}


def run(
    tmp_path: Path, base: float = 0.2, tuned: float = 0.8, rows: int = 200, **more: Any
) -> Path:
    asked = handmade.items(rows)
    said = {"base": handmade.answers(asked, base, 1), "tuned": handmade.answers(asked, tuned, 2)}
    train = handmade.items(60)
    said |= run_baselines(("majority",), "label", train, (), asked, handmade.LABELS)
    said |= more.pop("said", {})
    return handmade.make(tmp_path, asked=asked, said=said, **more)


HEALTHY = (1.6, 1.1, 0.9, 0.89)


def test_the_table_is_whole() -> None:
    assert len({rule.code for rule in RULES}) == len(SLUGS) == len(RULES)
    for rule in RULES:
        assert (rule.load().__doc__ or "").strip()
    assert "metrics" in EVIDENCE


def test_a_healthy_run_has_nothing_to_remark(tmp_path: Path) -> None:
    asked = handmade.items(200)
    clean = handmade.answers(asked, 0.8, 2, generated=False)
    path = run(tmp_path, losses=HEALTHY, said={"tuned": clean})
    found = diagnose(path)
    assert found["findings"] == []
    unwritten = {"out-of-set", "invalid-output", "never-ending-answers"}
    left_out = {rule["slug"] for rule in found["skipped"] if rule["code"].startswith("O")}
    assert left_out == unwritten | {"turn-collapse", "other-language", "solved-by-baseline"}


def test_findings_are_written_in_the_agreed_form_gravest_first(tmp_path: Path) -> None:
    path = run(tmp_path, base=0.8, tuned=0.2, rows=15, losses=(1.0, 1.2, 1.5))
    found = write_findings(path)
    assert json.loads((path / "findings.json").read_text(encoding="utf-8")) == found
    assert set(found) == {"findings", "skipped", "quiet", "ignored"}
    keys = {"code", "slug", "severity", "message", "evidence", "fix"}
    assert all(set(finding) == keys for finding in found["findings"])
    grades = [finding["severity"] for finding in found["findings"]]
    assert grades == sorted(grades, key=["critical", "warning", "info"].index)
    slugs = [each["slug"] for kind in found.values() for each in kind]
    assert sorted(slugs) == sorted(SLUGS)


def test_an_empty_run_skips_everything_with_a_reason(tmp_path: Path) -> None:
    made = Run.create(tmp_path, "a", date(2025, 12, 24))
    made.finish()
    assert diagnose(made.path)["findings"] == []
    reasons = skipped(made.path)
    assert set(reasons) == SLUGS
    assert all(reasons.values())


def test_not_better_than_base(tmp_path: Path) -> None:
    worse = look(run(tmp_path, base=0.8, tuned=0.3))["not-better-than-base"]
    assert worse["severity"] == "critical"
    assert worse["evidence"]["difference"] == pytest.approx(-0.5)
    same = look(run(tmp_path, base=0.3, tuned=0.32))["not-better-than-base"]
    assert same["severity"] == "warning"
    assert "not-better-than-base" not in look(run(tmp_path))


def test_rows_needed_would_be_enough(tmp_path: Path) -> None:
    few = look(run(tmp_path, base=0.3, tuned=0.4, rows=40))["small-evaluation"]
    rows = few["evidence"]["rows_needed"]
    assert "not-better-than-base" not in look(run(tmp_path, base=0.3, tuned=0.4, rows=rows))


def skewed(tmp_path: Path, said: Sequence[str]) -> dict[str, dict[str, Any]]:
    gold = ["甲"] * 90 + ["乙"] * 10
    labels = ("甲", "乙")
    asked = [item for n, g in enumerate(gold) for item in handmade.items(1, (g,), f"{n}-")]
    tuned = [Prediction(i.id, (s,), 0.9) for i, s in zip(asked, said, strict=True)]
    return look(handmade.make(tmp_path, asked=asked, labels=labels, said={"tuned": tuned}))


def test_majority_trap(tmp_path: Path) -> None:
    always = skewed(tmp_path, ["甲"] * 100)
    assert always["majority-trap"]["severity"] == "critical"
    assert always["majority-trap"]["evidence"]["never_right"] == ["乙"]
    assert "mode-collapse" not in always  # gold is nearly all one label too
    some = skewed(tmp_path, ["甲"] * 90 + ["乙"] * 2 + ["甲"] * 8)
    assert some["majority-trap"]["severity"] == "warning"
    assert "majority-trap" not in skewed(tmp_path, ["甲"] * 90 + ["乙"] * 10)


def curve(tmp_path: Path, losses: Sequence[float], **training: Any) -> dict[str, dict[str, Any]]:
    return look(run(tmp_path, losses=losses, training=training))


def test_overfitting(tmp_path: Path) -> None:
    found = curve(tmp_path, (1.2, 0.8, 0.9, 1.1))["overfitting"]
    assert found["severity"] == "info"  # the best epoch was kept
    assert found["evidence"]["best_epoch"] == 2
    assert found["fix"] == {"set": {"train.epochs": 2}}
    lost = curve(tmp_path, (1.2, 0.8, 0.9, 1.1), best_epoch=None)["overfitting"]
    assert lost["severity"] == "warning"
    other = curve(tmp_path, (1.2, 0.8, 0.9, 1.1), best_epoch=4)["overfitting"]
    assert "エポック 4" in other["message"]
    assert curve(tmp_path, (0.8, 0.9, 1.1))["overfitting"]["fix"] is None


@pytest.mark.parametrize(
    "losses",
    [
        (1.2, 0.8, 0.81, 0.82),  # within noise
        (1.2, 0.8, 0.9, 0.79),  # comes back
        (1.0, 1.3, 0.8, 0.9),  # jumps as much on the way down
        HEALTHY,
    ],
)
def test_not_overfitting(tmp_path: Path, losses: Sequence[float]) -> None:
    assert "overfitting" not in curve(tmp_path, losses)


def test_still_improving(tmp_path: Path) -> None:
    found = curve(tmp_path, (1.6, 1.2, 1.0, 0.8))["still-improving"]
    assert found["severity"] == "warning"
    assert found["fix"] == {"set": {"train.epochs": 8}}
    assert curve(tmp_path, (1.6, 1.2, 1.0, 0.95))["still-improving"]["severity"] == "info"
    assert "still-improving" not in curve(tmp_path, HEALTHY)
    assert "still-improving" not in curve(tmp_path, (1.6, 1.2, 0.8), stopped_early=True)


def test_two_evaluations_are_no_curve(tmp_path: Path) -> None:
    path = run(tmp_path, losses=(1.0, 0.5))
    assert {"overfitting", "still-improving"} <= set(skipped(path))


def test_non_finite_in_the_log(tmp_path: Path) -> None:
    path = run(tmp_path)
    log = handmade.history(HEALTHY)
    log[5]["loss"] = float("nan")
    trainlog.write_log(path / trainlog.NAME, log)
    found = look(path)["non-finite"]
    assert found["severity"] == "critical"
    assert found["evidence"]["step"] == 6
    assert found["fix"]["set"]["train.precision"] == "fp32"


def test_one_infinite_gradient_norm_is_no_fault(tmp_path: Path) -> None:
    path = run(tmp_path)
    log = handmade.history(HEALTHY)
    log[0]["grad_norm"] = float("inf")
    trainlog.write_log(path / trainlog.NAME, log)
    assert "non-finite" not in look(path)


def test_non_finite_run_stopped_by_the_guard(tmp_path: Path) -> None:
    made = Run.create(tmp_path, "a", date(2025, 12, 24))
    made.write_text("config.yaml", "train: {learning_rate: 0.001, precision: fp32}\n")
    fields: dict[str, object] = {"step": 7, "loss": "nan", "rows": "r1", "parameter": "w"}
    with pytest.raises(TrainingStopped), made.watched():
        raise TrainingStopped(Problem("train.non-finite", fields=fields))
    found = look(made.path)["non-finite"]
    assert found["severity"] == "critical"
    assert found["evidence"]["stopped_by_guard"]
    assert found["fix"] == {"set": {"train.learning_rate": 0.0001}}
    assert "ステップ 7" in found["message"]
