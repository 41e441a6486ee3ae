"""``kunren compare`` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.records import handmade

from kunren.cli import main
from kunren.messages import use_language

JMOJI = Path(__file__).parents[1] / "records" / "jmoji"


@pytest.fixture(autouse=True)
def _japanese() -> Any:
    yield
    use_language("ja")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    for name, right in (("a", 0.2), ("b", 0.8)):
        asked = handmade.items(40)
        said = {"tuned": handmade.answers(asked, right, 1)}
        handmade.make(folder, asked=asked, said=said, experiment=handmade.config(name=name))
    return folder


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    return int(left.value.code or 0)


def test_the_two_runs_of_the_old_program(capsys: pytest.CaptureFixture[str]) -> None:
    """``kunren compare ../shared/data/jmoji/*``: a shell gives the licence file too."""
    assert call("compare", *sorted(p for p in JMOJI.iterdir() if p.suffix != ".md")) == 0
    said = capsys.readouterr()
    assert "LICENSE: 実験フォルダではなくファイルです" in said.err
    table = [line.split() for line in said.out.splitlines() if line.startswith("  v")]
    assert table[0][:5] == ["v3_top100_20251212", "2,187", "1,749", "219", "22"]
    assert table[0][5:9] == ["5.8", "%", "19.8", "%"]
    assert table[1][:5] == ["v4_focal_top100_20251224", "4,237", "3,389", "424", "42"]
    assert "どの実験も同じ: ラベル種類 100" in said.out
    assert "+98 %" in said.out
    assert "精度重視: v4_focal_top100_20251224" in said.out
    assert "★" in said.out
    assert said.out.count("20 行の Jaccard は、予測から計算し直した値と一致します") == 2


def test_our_runs_have_verdicts_in_every_format(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("compare", runs) == 0
    assert "改善" in capsys.readouterr().out
    assert call("compare", runs, "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    (change,) = (c for c in found["groups"][0]["changes"] if c["metric"] == "accuracy")
    assert change["paired"]["verdict"] == "better"
    assert change["percent"] == pytest.approx(300)
    for name, beginning in (("markdown", "<!--"), ("html", "<!doctype"), ("csv", "run,layout")):
        target = tmp_path / f"c.{name}"
        assert call("compare", runs, "--format", name, "--output", target) == 0
        said = capsys.readouterr()
        assert said.out == ""
        assert str(target) in said.err
        assert target.read_text(encoding="utf-8").startswith(beginning)
        assert call("compare", runs, "--format", name) == 0
        assert capsys.readouterr().out == target.read_text(encoding="utf-8")


def test_rows_metrics_and_baseline_are_chosen_by_name_or_path(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    b = runs / "b_20251224"
    assert call("compare", runs, "--baseline", b, "--metric", "macro_f1",
                "--rows", "a_20251224", b) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert "基準 (b_20251224) からの変化" in said
    assert "変化 (マクロ F1)" in said
    assert "悪化" in said
    assert "○" in said
    assert "× " in said
    changes = said.partition("からの変化")[2].partition("●")[0]
    assert "正解率" not in changes


def test_bad_names_are_told_with_the_nearest_and_nothing_is_printed(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        (("--baseline", "a_20251225"), "「a_20251224」ではありませんか"),
        (("--metric", "bleu"), "指標「bleu」がありません"),
        (("--rows", "a_20251224", "zzz"), "「zzz」という実験はありません"),
    ):
        assert call("compare", runs, *arguments) == 2
        told = capsys.readouterr()
        assert said in told.err
        assert told.out == ""


def test_a_broken_run_is_named_and_the_rest_is_compared(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "a_20251224" / "eval_metrics.json").write_text('{"rows": 4', encoding="utf-8")
    assert call("compare", runs) == 0
    said = capsys.readouterr()
    assert "eval_metrics.json" in said.err
    assert "1 つだけ" in said.out
    assert "b_20251224" in said.out


def test_nothing_to_compare_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert call("compare", tmp_path / "file", tmp_path / "none") == 2
    said = capsys.readouterr()
    assert "比べられる実験がありません" in said.err
    assert str(tmp_path / "none") in said.err
    assert call("compare") == 2
    capsys.readouterr()
    assert call("compare", JMOJI, "--output", tmp_path / "no" / "c.md", "--format", "csv") == 2
    assert "書けません" in capsys.readouterr().err


def test_runs_of_two_kinds_have_no_rows_in_common(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("compare", runs, JMOJI, "--rows", "a_20251224", "v3_top100_20251212") == 2
    assert "課題の種類が違う" in capsys.readouterr().err


def test_a_record_is_made_again_with_an_earlier_run(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    b = runs / "b_20251224"
    assert call("report", b, "--against", runs / "nothing") == 2
    assert not (b / "summary.md").exists()
    assert call("report", b, "--against", runs / "a_20251224") == 0
    assert "前の実験「a_20251224」" in capsys.readouterr().out
    assert "前の実験との比較" in (b / "summary.md").read_text(encoding="utf-8")


def test_it_speaks_english(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("compare", JMOJI, "--lang", "en") == 0
    said = capsys.readouterr()
    assert "Accuracy first: v4_focal_top100_20251224" in said.out
    assert not any("\u3040" <= c <= "\u30ff" for c in said.out)
