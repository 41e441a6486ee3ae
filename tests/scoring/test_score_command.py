"""``kunren score`` as a user calls it."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest

from kunren.cli import main
from kunren.messages import catalogue, use_language

LABELS = ("政治", "経済", "天気") * 8


@pytest.fixture(autouse=True)
def _japanese() -> Any:
    yield
    use_language("ja")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    gold, said = tmp_path / "gold.txt", tmp_path / "model.txt"
    gold.write_text("\n".join(LABELS), encoding="utf-8")
    said.write_text("\n".join(("政治", *LABELS[:-1])), encoding="utf-8")
    return gold, said


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in ("score", "--task", "classify", "--bootstrap", "100", *arguments)])
    return int(left.value.code or 0)


def test_it_prints_scores_verdicts_and_what_was_read(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    gold, said = files
    assert call("--gold", gold, "--pred", f"旧={said}", "--pred", f"新={gold}") == 0
    printed = capsys.readouterr().out
    assert "テスト 24 件の結果" in printed
    assert "「新」と「旧」の比較: 改善。正解率 100.0 % (相手は 4.2 %)" in printed
    assert f"旧: {said} (順番で対応)" in printed
    assert "正解にある 3 種 (文字)" in printed


def test_json_is_the_schema_of_eval_metrics(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    gold, said = files
    assert call("--gold", gold, "--pred", said, "--format", "json", "--lang", "en") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == 1
    assert told["systems"]["model"]["accuracy"]["value"] == pytest.approx(1 / 24)
    assert told["subject"] == "model"


def test_the_result_can_be_written_to_a_file(files: tuple[Path, Path], tmp_path: Path) -> None:
    gold, said = files
    assert call("--gold", gold, "--pred", said, "-o", tmp_path / "r.md") == 0
    assert (tmp_path / "r.md").read_text("utf-8").startswith("# 採点結果\n")
    assert call("--gold", gold, "--pred", said, "-o", tmp_path / "r.json") == 0
    assert json.loads((tmp_path / "r.json").read_text("utf-8"))["rows"] == 24


def test_wrong_input_ends_with_2_and_writes_nothing(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gold, said = files
    said.write_text("政治\n", encoding="utf-8")
    assert call("--gold", gold, "--pred", said, "-o", tmp_path / "r.json") == 2
    assert not (tmp_path / "r.json").exists()
    assert f"予測が 1 件しかなく、正解は 24 件です。{gold}:2 から後ろ" in capsys.readouterr().err
    assert call("--gold", gold, "--pred", gold, "-o", tmp_path / "none" / "r.json") == 2
    assert call("--gold", gold, "--pred", "=", "--format", "json") == 2


@pytest.mark.parametrize("area", ["score", "log"])
def test_both_languages_say_the_same(area: str) -> None:
    for name, said in catalogue(area).items():
        fields = [{f for _, f, _, _ in string.Formatter().parse(said[x])} for x in ("ja", "en")]
        assert fields[0] == fields[1], name
