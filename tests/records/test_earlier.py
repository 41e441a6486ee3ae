"""The earlier run that a record compares itself with: copied, checked first, the same again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from tests.records import handmade
from tests.records.test_compare import said
from tests.small import write_experiment

from kunren import experiment
from kunren.config.load import load
from kunren.errors import InputError
from kunren.progress import Silent
from kunren.records.earlier import NAME, as_json, from_json, read_against, read_earlier
from kunren.records.layouts import read_entry
from kunren.report.render import render
from kunren.tasks import Answers

JMOJI = Path(__file__).parent / "jmoji"


def made(output: Path, name: str, right: float, kind: Answers = "set", count: int = 40) -> Path:
    return handmade.make(
        output,
        kind=kind,
        asked=handmade.asked_of(kind, count),
        said={"tuned": said(kind, right, 1, count)},
        experiment=handmade.config(kind, name=name),
    )


@pytest.mark.parametrize("kind", ["label", "set", "text"])
def test_a_copy_is_the_whole_entry(kind: Answers, tmp_path: Path) -> None:
    entry = read_entry(made(tmp_path, "a", 0.5, kind))
    copied = from_json(json.loads(json.dumps(as_json(entry))))
    assert as_json(copied) == as_json(entry)
    assert list(copied.items) == list(entry.items)


def test_a_record_compares_with_an_earlier_run_and_needs_its_folder_once(tmp_path: Path) -> None:
    before, now = made(tmp_path, "a", 0.2), made(tmp_path, "b", 0.9)
    render(now)
    without = (now / "summary.md").read_text(encoding="utf-8")
    assert "前の実験との比較" not in without
    experiment.report(now, before)
    record = (now / "summary.md").read_text(encoding="utf-8")
    section = record.partition("## 前の実験との比較")[2].partition("\n## ")[0]
    assert "判定: 改善" in section
    assert "| 指標 | a\\_20251224 | b\\_20251224 | 変化 |" in section.replace("a_", "a\\_").replace(
        "b_", "b\\_"
    )
    assert "前の実験との比較" in (now / "report.html").read_text(encoding="utf-8")
    shutil.rmtree(before)
    pages = [(now / name).read_bytes() for name in ("summary.md", "report.html")]
    experiment.report(now)
    assert [(now / name).read_bytes() for name in ("summary.md", "report.html")] == pages


def test_other_test_rows_have_no_verdict(tmp_path: Path) -> None:
    now = made(tmp_path, "b", 0.9)
    experiment.report(now, made(tmp_path, "a", 0.2, count=30))
    section = (now / "summary.md").read_text(encoding="utf-8")
    section = section.partition("## 前の実験との比較")[2].partition("\n## ")[0]
    assert "判定はしません" in section
    assert "改善 |" not in section


def test_a_run_of_the_old_program_can_be_the_earlier_one(tmp_path: Path) -> None:
    now = made(tmp_path, "b", 0.9)
    experiment.report(now, JMOJI / "v3_top100_20251212")
    record = (now / "summary.md").read_text(encoding="utf-8")
    assert "v3_top100_20251212" in record
    assert "多様性" not in record.partition("## 前の実験との比較")[2].partition("\n## ")[0]


def test_what_cannot_be_compared_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    now = made(tmp_path, "b", 0.9)
    label = made(tmp_path, "l", 0.5, "label")
    unfinished = made(tmp_path, "u", 0.5)
    (unfinished / "eval_metrics.json").unlink()
    for folder, code in (
        (tmp_path / "nowhere", "record.not-there"),
        (tmp_path, "compare.no-run"),
        (label, "compare.against-other-kind"),
        (unfinished, "compare.against-no-result"),
        (now, "compare.against-itself"),
        (now / "config.yaml", "compare.is-a-file"),
    ):
        with pytest.raises(InputError) as raised:
            experiment.report(now, folder)
        assert [p.code for p in raised.value.problems] == [code]
    assert not (now / NAME).exists()
    assert not (now / "summary.md").exists()


def test_a_broken_copy_is_named(tmp_path: Path) -> None:
    now = made(tmp_path, "b", 0.9)
    (now / NAME).write_text('{"name": "a"}', encoding="utf-8")
    with pytest.raises(InputError) as raised:
        render(now)
    assert raised.value.problems[0].code == "record.broken-file"


def test_an_experiment_names_its_earlier_run_in_the_yaml(tmp_path: Path, tiny_model: Path) -> None:
    config = write_experiment(tmp_path, tiny_model)
    before = made(tmp_path / "earlier", "a", 0.5, "label")
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    content["evaluate"]["against"] = "earlier/a_20251225"
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    output = tmp_path / "out"
    with pytest.raises(InputError) as raised:
        experiment.run(config, (), output, Silent())
    assert "a_20251224" in str(raised.value)
    assert not output.exists()
    content["evaluate"]["against"] = "earlier/a_20251224"
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    result = experiment.run(config, (), output, Silent())
    copy = read_earlier(result.folder)
    assert copy is not None
    wanted = as_json(read_against(before, "label"))
    assert json.dumps(as_json(copy)) == json.dumps(wanted)
    assert "前の実験「a_20251224」" in (result.folder / "summary.md").read_text(encoding="utf-8")
    # The run's own config leads to the same folder, and the copy is among its hashed files.
    again = load(result.folder / "config.yaml")
    assert again.config.evaluate.against is not None
    assert again.resolve(again.config.evaluate.against).resolve() == before.resolve()
    manifest = json.loads((result.folder / "manifest.json").read_text(encoding="utf-8"))
    assert NAME in manifest["artefacts"]


def test_a_path_given_by_set_is_relative_to_the_current_folder(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = write_experiment(tmp_path, tiny_model)
    loaded = load(config, ["evaluate.against=../runs/a"])
    assert loaded.config.evaluate.against is not None
    assert loaded.resolve(loaded.config.evaluate.against).resolve() == tmp_path / "runs" / "a"
