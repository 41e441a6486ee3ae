"""A comparison in every form: complete, escaped, offline; and its messages."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import string
from dataclasses import replace
from pathlib import Path

import pytest
from tests.records.test_choose import seed_000
from tests.records.test_compare import run, said

import kunren
from kunren.errors import Problem
from kunren.messages import catalogue, text
from kunren.records.compare import Group, compare_runs
from kunren.records.entry import Entry
from kunren.report import charts
from kunren.report.comparison import Plot, Point, page, plot
from kunren.report.comparison_page import as_csv, as_html, as_json, as_markdown
from kunren.report.sketch import sketch
from kunren.types import Where

HOSTILE = '<script>alert("x")</script>|`*_ [a](http://b)'
BROKEN = Problem("record.broken-file", Where("runs/<b>"), {"detail": "x"})


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Entry, Entry]:
    return run(tmp_path, "a", said("set", 0.3, 1)), run(tmp_path, "b", said("set", 0.8, 2))


def hostile(entry: Entry) -> Entry:
    rows = [replace(row, text=HOSTILE) for row in entry.items]
    return replace(
        entry, name=HOSTILE + entry.name, items=rows, settings={**entry.settings, HOSTILE: HOSTILE}
    )


def test_markdown_has_all_parts(pair: tuple[Entry, Entry]) -> None:
    a, b = pair
    written = as_markdown(page(compare_runs([a, b]), [BROKEN], (a, b)))
    for heading in (
        "# 実験の比較: 2 件",
        "## 実験結果サマリー",
        "## 主要な知見",
        "## 用途別の推奨",
        "## 基準 (a_20251224) からの変化",
        "## a_20251224 と b_20251224 で結果が違う行",
        "## 除外したもの",
    ):
        assert heading in written, heading
    lines = [line for line in written.splitlines() if line.startswith("| Jaccard 係数 | b_")]
    assert len(lines) == 1
    assert "改善" in lines[0]
    assert re.search(r"\+\d+ %", lines[0])


def test_text_from_data_is_escaped_in_markdown_and_html(pair: tuple[Entry, Entry]) -> None:
    a, b = (hostile(entry) for entry in pair)
    made = page(compare_runs([a, b]), [BROKEN], (a, b))
    html, written = as_html(made), as_markdown(made)
    assert "<script>alert" not in html
    assert "runs/<b>" not in html
    assert html.count("<script>") == 1
    assert "&lt;script&gt;alert" in html
    assert "<script>" not in written
    tables = [line for line in written.splitlines() if line.startswith("| ")]
    assert all(re.search(r"(?<!\\)\|`", line) is None for line in tables)


def test_the_page_runs_its_own_script_only_and_fetches_nothing(pair: tuple[Entry, Entry]) -> None:
    html = as_html(page(compare_runs(list(pair)), []))
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert len(script) == 1
    assert f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'" in html
    assert not re.search(r"(?:src|href)=\"(?!data:)", html)
    assert not re.search(r"\son\w+=", html)


def test_the_chart_is_in_the_page_where_there_is_one() -> None:
    assert "data:image/png;base64," in as_html(page([seed_000()], []))
    few = compare_runs([e for e in seed_000().entries if e.name == "v4_top50"])
    assert "data:image/png" not in as_html(page(few, []))


def test_csv_has_one_line_a_run_and_no_formulas(pair: tuple[Entry, Entry]) -> None:
    a, b = pair
    evil = replace(b, name="=1+1", settings={**b.settings, "model.id": "@x"})
    lines = list(csv.DictReader(io.StringIO(as_csv(compare_runs([a, evil])))))
    assert [line["run"] for line in lines] == [a.name, "'=1+1"]
    assert lines[1]["model.id"] == "'@x"
    assert float(lines[1]["jaccard"]) == b.value("jaccard")
    assert lines[1]["jaccard_verdict"] == "better"
    assert lines[0]["jaccard_verdict"] == ""
    low, high = b.interval("jaccard") or (0, 0)
    assert (float(lines[1]["jaccard_low"]), float(lines[1]["jaccard_high"])) == (low, high)


def test_json_has_everything_and_is_plain(pair: tuple[Entry, Entry]) -> None:
    a, b = pair
    found = json.loads(json.dumps(as_json(compare_runs([a, b]), [BROKEN], (a, b)), allow_nan=False))
    (group,) = found["groups"]
    assert [each["name"] for each in group["runs"]] == [a.name, b.name]
    assert group["runs"][0]["scores"]["jaccard"]["value"] == a.value("jaccard")
    assert {c["metric"] for c in group["changes"]} == set(group["metrics"])
    assert [c["purpose"] for c in group["recommendation"]] == [
        "accuracy", "diversity", "balance", "speed",
    ]  # fmt: skip
    assert found["left_out"][0]["code"] == "record.broken-file"
    scores = [abs(row["difference"]) for row in found["rows"]["differing"]]
    assert scores == sorted(scores, reverse=True)
    assert scores


def test_one_run_is_shown_with_a_note(pair: tuple[Entry, Entry]) -> None:
    made = page(compare_runs([pair[0]]), [])
    assert any("1 つだけ" in note for note in made.notes)
    assert not made.parts[0].choices
    assert "実験結果サマリー" in as_markdown(made)


def test_kinds_are_shown_apart(tmp_path: Path, pair: tuple[Entry, Entry]) -> None:
    other = run(tmp_path, "l", said("label", 0.5, 1), "label")
    made = page(compare_runs([*pair, other]), [])
    assert any("種類ごとに分けて" in note for note in made.notes)
    written = as_markdown(made)
    assert "# 課題: ラベルの集合 (tag)" in written
    assert "# 課題: 1 つのラベル (classify)" in written


def test_a_caution_is_said_once_of_a_run() -> None:
    group = seed_000()
    weak = [replace(e, rows={"test": 20}) for e in group.entries]
    choices = page(compare_runs(weak), []).parts[0].choices
    of_run = [(c.run, said) for c in choices for said in c.cautions]
    assert len(of_run) == len(set(of_run))
    assert any("20 件だけ" in said for _, said in of_run)


def test_the_sketch_places_every_run() -> None:
    made = plot(seed_000())
    lines = sketch(made)
    grid = "\n".join(line.partition("│")[2] for line in lines if "│" in line)
    for point in made.points:
        assert point.letter in grid
        assert any(line.endswith(f" {point.name}") for line in lines)
    assert grid.count("★") == 3
    # F, the most accurate and least diverse, is in the last row; D, the most diverse, in the first.
    rows = grid.split("\n")
    assert "D★" in rows[0]
    assert "F★" in rows[-1]


def test_points_on_one_place_stand_beside_each_other() -> None:
    points = [Point(letter, letter, 0.5, 0.5, True) for letter in "ABC"]
    lines = sketch(Plot("t", "x", "y", points, "", (True, True)))
    (line,) = (line for line in lines if "A★" in line and "│" in line)
    assert "A★B★C★" in line
    assert sketch(Plot("t", "x", "y", (), "", (True, True))) == []


def test_the_chart_is_a_png_also_with_names_that_no_font_has() -> None:
    points = [Point("A", "実験 $x_1$ 😀", 0.1, 2.0, True), Point("B", HOSTILE, 0.2, 1.0, True)]
    picture = charts.pareto(Plot("t", "正解率", "速度", points, "", (True, False)))
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert charts.pareto(Plot("t", "x", "y", (), "", (True, True))) is None


def test_a_group_has_every_setting_that_differs(pair: tuple[Entry, Entry]) -> None:
    a, b = pair
    changed = replace(b, settings={**b.settings, "train.epochs": 99})
    group: Group = compare_runs([a, changed])[0]
    part = page([group], []).parts[0]
    assert part.settings is not None
    assert [row[0] for row in part.settings.rows] == ["train.epochs"]


def test_what_is_the_same_in_all_runs_is_said_once(pair: tuple[Entry, Entry]) -> None:
    a, b = pair
    part = page(compare_runs([a, b]), []).parts[0]
    assert part.alike is not None
    for name in ("train-rows", "test-rows", "label-count"):
        assert text(f"compare.{name}") not in part.overview.columns
        assert text(f"compare.{name}") in part.alike
    assert len({len(part.overview.columns), *map(len, part.overview.rows)}) == 1
    assert len(part.overview.align) == len(part.overview.columns)
    fewer = replace(b, rows={**b.rows, "train": 7})
    part = page(compare_runs([a, fewer]), []).parts[0]
    assert text("compare.train-rows") in part.overview.columns
    assert part.alike is not None
    assert text("compare.train-rows") not in part.alike
    assert page(compare_runs([a]), []).parts[0].alike is None


def test_settings_of_many_runs_stand_a_row_each(pair: tuple[Entry, Entry]) -> None:
    a, _ = pair
    runs = [replace(a, name=f"r{n}", settings={**a.settings, "train.epochs": n}) for n in range(5)]
    part = page(compare_runs(runs), []).parts[0]
    assert part.settings is not None
    assert part.settings.columns[1:] == ["train.epochs"]
    assert [list(row) for row in part.settings.rows] == [[f"r{n}", str(n)] for n in range(5)]


SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in Path(kunren.__file__).parent.rglob("*")
    if path.suffix in (".py", ".jinja")
)
BUILT = re.compile(r"(kind|state|metric|purpose|rows)-|better|worse|indistinguishable|identical")
"""Names that are put together, as f"compare.state-{status}" is."""


def test_messages_say_the_same_in_both_languages_and_none_is_left_over() -> None:
    def placeholders(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    used = set(re.findall(r"[\w-]+", SOURCE))
    for name, told in catalogue("compare").items():
        assert set(told) == {"ja", "en"}, name
        assert placeholders(told["ja"]) == placeholders(told["en"]), name
        assert name in used or BUILT.match(name), name
