"""Findings on the terminal: once each, with the change and what to do next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.records import handmade

from kunren.cli import main
from kunren.cli.findings import all_options, markdown_findings, options, summary
from kunren.messages import use_language


def finding(slug: str, severity: str, **more: Any) -> dict[str, Any]:
    one = {"code": "X", "slug": slug, "severity": severity, "message": f"{slug} です。"}
    return one | {"evidence": {}, "fix": None} | more


FOUND: dict[str, Any] = {
    "findings": [
        finding("below-trivial", "warning", fix={"set": {"train.epochs": 3}}),
        finding("small-evaluation", "warning"),
        finding("small-test", "info", fix={"set": {"evaluate.cv": 5}}),
    ],
    "quiet": [{"code": "T001", "slug": "non-finite"}],
    "skipped": [
        {"code": "O006", "slug": "majority-trap", "reason": "ラベルではない。"},
        {"code": "O013", "slug": "confusable-labels", "reason": "ラベルではない。"},
    ],
}


def test_a_change_is_an_option_that_a_shell_passes_on() -> None:
    said = options({"set": {"task.labels.ban": ["✨", "a b"], "train.learning_rate": None}})
    assert shlex.split(said) == [
        "--set", 'task.labels.ban=["✨", "a b"]', "--set", "train.learning_rate=null",
    ]  # fmt: skip
    assert all_options(FOUND["findings"]) == "--set train.epochs=3"


def test_markdown_counts_what_is_read_and_gives_a_reason_once() -> None:
    use_language("ja")
    said = "\n".join(markdown_findings(FOUND))
    assert "所見 2 件 (重大 0、注意 2、参考 0)" in said
    assert "small-test です。" not in said
    assert "この所見にまとめた規則: small-test (X)" in said
    assert said.count("ラベルではない。") == 1
    assert "`majority-trap`, `confusable-labels`: ラベルではない。" in said
    assert "気になる点はありません" in summary({"findings": [], "quiet": [], "skipped": []})


def test_doctor_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(losses: tuple[float, ...], name: str) -> str:
        path = handmade.make(tmp_path / name, losses=losses)
        use_language("ja")
        with pytest.raises(SystemExit):
            main(["doctor", str(path), "--select", "still-improving,overfitting"])
        return capsys.readouterr().out

    shown = said((1.2, 1.0, 0.8, 0.6), "short")
    assert "注意  still-improving (T003)" in shown
    assert "設定の変更案: --set train.epochs=8" in shown
    assert " --fix で、" in shown.splitlines()[-1]
    assert "\x1b" not in shown
    # Only worth knowing: --fix would refuse it.
    shown = said((1.2, 0.8, 0.9, 1.1), "long")
    assert "参考  overfitting (T002)" in shown
    assert " --fix で、" not in shown
