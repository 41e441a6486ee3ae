"""The register of free text in the record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.records import handmade

from kunren.messages import use_language
from kunren.report.render import render
from kunren.tasks import Answers
from kunren.types import Prediction


@pytest.fixture(autouse=True)
def japanese() -> Iterator[None]:
    use_language("ja")
    yield
    use_language("ja")


def summary(path: Path) -> str:
    render(path)
    return (path / "summary.md").read_text(encoding="utf-8")


def section(said: str, heading: str) -> str:
    return said.split(f"### {heading}\n")[1].split("\n### ")[0]


def make(folder: Path, said: str | None = None) -> Path:
    """A run whose tuned model answers as gold does, or the same to everything."""
    items = handmade.asked_of("text", 40, ())
    right = [Prediction(item.id, None, generated=item.answer) for item in items]
    tuned = right if said is None else [replace(p, generated=said) for p in right]
    return handmade.make(folder, kind="text", asked=items, said={"tuned": tuned}, bootstrap=400)


def test_gold_comes_first_and_a_lost_register_is_said(tmp_path: Path) -> None:
    shown = section(summary(make(tmp_path, "土曜日は休みだ。")), "文体 (敬語・丁寧語)")
    assert shown.index("| 正解 | 100.0 %") < shown.index("| **学習後 (tuned)**")
    assert "正解と違います: 丁寧語の文の割合が 0.0 % (正解は 100.0 %、差 -100.0 ポイント" in shown
    html = (next(tmp_path.iterdir()) / "report.html").read_text(encoding="utf-8")
    assert "文体 (敬語・丁寧語)" in html


def test_the_same_register_is_not_called_different(tmp_path: Path) -> None:
    shown = section(summary(make(tmp_path)), "文体 (敬語・丁寧語)")
    assert "正解と違います" not in shown
    assert "差は、この件数では確かめられません" in shown


def test_answers_without_a_sentence_are_said_to_have_none(tmp_path: Path) -> None:
    shown = section(summary(make(tmp_path, "。。。")), "文体 (敬語・丁寧語)")
    assert "文が 1 つもない" in shown
    assert "| **—** | **—** | **—** |" in shown


def test_its_metrics_stand_in_no_other_table(tmp_path: Path) -> None:
    said = summary(make(tmp_path))
    assert said.count("丁寧語の文の割合 |") == 1


def test_in_english(tmp_path: Path) -> None:
    path = make(tmp_path, "土曜日は休みだ。")
    use_language("en")
    shown = section(summary(path), "Register (politeness)")
    assert "differs from gold's in: share of polite sentences, 0.0 % (gold 100.0 %" in shown


@pytest.mark.parametrize("kind", ["label", "set"])
def test_other_kinds_of_answers_have_none(tmp_path: Path, kind: Answers) -> None:
    items = handmade.asked_of(kind, 10)
    said = {"tuned": handmade.said_to(kind, items, 0.5, 1)}
    path = handmade.make(tmp_path, kind=kind, asked=items, said=said)
    assert "文体" not in summary(path)
