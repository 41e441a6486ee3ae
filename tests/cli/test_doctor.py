from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.records import handmade

from kunren.cli import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def overfit(tmp_path: Path) -> Path:
    """A trainer_state.json of a run that overfits, from a folder with a name for Markdown."""
    losses = ((1.86, 1.22), (0.9, 1.24), (0.32, 1.71))
    history = [
        {"epoch": n, "step": 100 * n, "loss": train, "eval_loss": held}
        for n, (train, held) in enumerate(losses, start=1)
    ]
    folder = tmp_path / "my_*run*"
    folder.mkdir()
    path = folder / "trainer_state.json"
    path.write_text(json.dumps({"log_history": history, "global_step": 300}), encoding="utf-8")
    return path


def test_text(overfit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(overfit)) == 0
    said = capsys.readouterr()
    assert "注意  overfitting (T002)" in said.out
    assert "エポック 1 の 1.2200 が最小" in said.out
    assert "所見 1 件 (重大 0、注意 1、参考 0)" in said.out
    assert "majority-trap" in said.out
    assert "trainer_state.json を読みました" in said.err


def test_json_has_the_agreed_form(overfit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(overfit), "--format", "json") == 0
    said = capsys.readouterr()
    assert said.err == ""
    found = json.loads(said.out)
    assert {"findings", "skipped"} <= set(found)
    for finding in found["findings"]:
        assert set(finding) == {"code", "slug", "severity", "message", "evidence", "fix"}
        assert finding["severity"] in ("info", "warning", "critical")
    assert all(set(rule) == {"code", "slug", "reason"} for rule in found["skipped"])


def test_markdown(overfit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(overfit), "--format", "markdown", "--lang", "en") == 0
    said = capsys.readouterr().out
    assert "### warning: overfitting (T002)" in said
    assert said.startswith("# Diagnosis of ")


def test_exit_codes(overfit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(overfit), "--fail-on", "critical") == 0
    assert run(str(overfit), "--fail-on", "warning") == 1
    assert run(str(overfit), "--fail-on", "warning", "--ignore", "overfitting,best-not-kept") == 0
    assert run(str(overfit), "--select", "no-evaluation", "--fail-on", "warning") == 0
    assert run(str(tmp_path / "none")) == 2
    assert run(str(overfit), "--select", "overfiting") == 2
    assert "overfitting" in capsys.readouterr().err


def test_our_own_run_folder_with_a_change_of_its_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = handmade.make(tmp_path, losses=(1.2, 0.8, 0.9, 1.1))
    before = sorted(p.name for p in path.rglob("*"))
    assert run(str(path), "--select", "overfitting") == 0
    assert "train.epochs=2" in capsys.readouterr().out
    assert sorted(p.name for p in path.rglob("*")) == before
