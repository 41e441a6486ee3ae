"""The benchmark of the doctor: its cases, two faults and a healthy run, and the table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from benchmarks.doctor import models, peer, table
from benchmarks.doctor.case import Fault, Healthy
from benchmarks.doctor.measure import Outcome, measure
from benchmarks.doctor.run import CASES, FAULTS, HEALTHY, chosen

from kunren.doctor.table import BY_SLUG


@pytest.fixture(autouse=True)
def _own_models(kunren_home: Path) -> None:
    """Tiny models lie in the cache, which each test has of its own."""
    models.model.cache_clear()


def test_there_are_cases_enough() -> None:
    assert len({fault.slugs[0] for fault in FAULTS}) >= 24
    assert len(HEALTHY) >= 12
    counts = Counter(case.name for case in CASES)
    assert not [name for name, count in counts.items() if count > 1]


def test_every_fault_is_named_by_a_rule_that_exists() -> None:
    live = {"exploding"}
    for fault in FAULTS:
        assert fault.slugs[0] in BY_SLUG.keys() | live, fault.name
    assert set(peer.NAMES) <= BY_SLUG.keys() | live


def test_faults_are_found_and_a_healthy_run_is_not_critical(tmp_path: Path) -> None:
    names = ["focal with smoothing", "no evaluation", "Trainer, 4 evaluations"]
    measured = []
    for number, case in enumerate(chosen(names)):
        folder = tmp_path / str(number)
        folder.mkdir()
        measured.append((case, measure(case, folder)))
    (_, refused), (_, unwatched), (_, healthy) = measured
    assert refused.first(["focal-with-smoothing"]) == "before"
    assert refused.ended == "refused"
    assert unwatched.told["after"]["no-evaluation"] == "warning"
    assert healthy.of("critical") == []
    told = table.markdown(measured)
    assert "2 of 2 found, 2 at the earliest moment" in told
    assert "0 of 1 called critical" in told


def test_a_run_of_kunren_is_looked_at_before_and_after(tmp_path: Path) -> None:
    (case,) = chosen(["nearly all one label"])
    outcome = measure(case, tmp_path)
    assert outcome.ended == "finished"
    assert outcome.told["before"]["dominant-label"] == "warning"
    assert "majority-trap" in outcome.told["after"]
    states = list((tmp_path / "state").rglob("trainer_state.json"))
    assert len(states) > 1  # one a checkpoint, and the folder's own


def _outcome(name: str, **told: Any) -> Outcome:
    outcome = Outcome(name)
    for moment, found in told.items():
        outcome.told[moment] = found  # type: ignore[index]
    return outcome


def _made(_: Path) -> Path:
    raise AssertionError


def test_the_table_says_what_is_late_missed_and_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "version", lambda: "0.2.2")
    early = Fault("a", "x", ("low-density",), "before", _made)
    late = Fault("b", "y", ("overfitting", "best-not-kept"), "during", _made)
    missed = Fault("c", "z", ("zero-loss",), "after", _made)
    well, ill = Healthy("d", "w", _made), Healthy("e", "v", _made)
    seen = _outcome("b", after={"best-not-kept": "warning"})
    seen.peer = [{"check": "overfitting", "severity": "critical", "title": "Overfitting"}]
    measured: list[tuple[Fault | Healthy, Outcome]] = [
        (early, _outcome("a", before={"low-density": "warning"})),
        (late, seen),
        (missed, _outcome("c", after={"overfitting": "warning"})),
        (well, _outcome("d", after={"small-test": "warning"})),
        (ill, _outcome("e", during={"non-finite": "critical"})),
    ]
    told = table.markdown(measured)
    assert "| a | x | before | before | `low-density` | – (no log) |" in told
    assert "| b | y | during | **after** | `best-not-kept` | `overfitting` |" in told
    assert "| c | z | after | **not found** | – | – (no log) |" in told
    assert "| e | v | **non-finite** | – | – |" in told
    assert "2 of 3 found, 1 at the earliest moment; finetune-doctor: 1 of 3" in told
    assert "1 of 2 called critical, 1 with warnings" in told
    assert table.as_json(measured)["sums"]["found"] == 2
    monkeypatch.setattr(peer, "version", lambda: None)
    assert "finetune-doctor: not installed" in table.markdown(measured)
