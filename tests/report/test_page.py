"""The page: what it carries, and that a reader can work with it, tried in a real browser."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.records import handmade
from tests.report.browser import Page, chromium, opened

from kunren.messages import use_language
from kunren.records.facts import read_facts
from kunren.records.predictions import Predicted, read_predictions
from kunren.report import island, samples
from kunren.report.render import render
from kunren.types import Item

TOPICS = tuple(f"{a}/{b}" for a in ("国際", "国内", "科学") for b in ("政治", "経済", "行事"))
BINS: list[dict[str, Any]] = [
    {"lo": 0.4, "hi": 0.6, "count": 0, "confidence": None, "accuracy": None},
    {"lo": 0.6, "hi": 0.8, "count": 30, "confidence": 0.71, "accuracy": 0.5},
    {"lo": 0.8, "hi": 1.0, "count": 10, "confidence": 0.93, "accuracy": 0.9},
]


@pytest.fixture(autouse=True)
def japanese() -> Iterator[None]:
    use_language("ja")
    yield
    use_language("ja")


def carried(path: Path) -> Any:
    """The facts in a rendered page."""
    page = (path / "report.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


def rows_of(path: Path) -> list[Predicted]:
    return read_predictions(path / "predictions.jsonl")


@pytest.mark.parametrize(
    "said",
    ["</script><script>alert(1)</script>", "<!--", "\u2028\u2029", "]]>&lt;", '"\\'],
    ids=repr,
)
def test_the_facts_can_hold_any_text(said: str) -> None:
    written = island.written({"t": said})
    assert not re.search("[<>&\u2028\u2029]", written)
    assert json.loads(written) == {"t": said}


def test_a_number_that_json_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        island.written({"loss": float("nan")})


def test_rows_carry_what_the_files_say(tmp_path: Path) -> None:
    path = handmade.make(tmp_path)
    render(path)
    held = carried(path)
    names = [label["name"] for label in held["labels"]]
    for row, line in zip(rows_of(path), held["rows"], strict=True):
        assert (row.text, [row.gold]) == (line["t"], [names[n] for n in line["g"]])
        for system, answer in zip(held["systems"], line["a"], strict=True):
            said = row.systems[system]
            assert [names[n] for n in answer["l"]] == list(said.labels or ())
            assert answer["k"] == int(said.correct or False)
    gold = {names[label]: count for label, count, _ in held["frequency"]}
    assert gold == dict.fromkeys(handmade.LABELS, 8)
    assert sum(count for _, _, count in held["confusion"]) == 40
    assert held["curves"]["kept"] == 3
    assert held["curves"]["validation"] == [[1, 1.6], [2, 1.1], [3, 0.9], [4, 0.95]]
    assert held["calibration"][0]["name"] == "学習後 (tuned)"
    assert sum(count for _, _, count, _, _ in held["calibration"][0]["bins"]) == 40


def test_a_long_log_is_averaged_and_a_broken_one_has_gaps(tmp_path: Path) -> None:
    path = handmade.make(tmp_path)
    log = handmade.history([2.0, float("nan")], steps=2000)
    log[7]["loss"] = float("nan")
    facts = read_facts(path)
    held = island.curves(replace(facts, log=log))
    assert held is not None
    assert held["together"] == 7
    assert len(held["train"]) == 572
    assert held["validation"] == [[1, 2.0]]
    first = [row["loss"] for row in log[:7]]
    assert held["train"][0][1] == pytest.approx(sum(x or 0.0 for x in first) / 7, abs=1e-4)


def test_levels_and_calibration_are_carried(tmp_path: Path) -> None:
    path = of_paths(tmp_path)
    held = carried(path)
    assert held["levels"][0]["names"] == ["国際", "国内", "科学"]
    assert [bins[2] for bins in held["calibration"][0]["bins"]] == [30, 10]
    rows = samples.read(read_facts(path))
    assert len(rows.rows) == len(held["rows"])


def of_paths(tmp_path: Path, count: int = 90) -> Path:
    """A run with a hierarchy of labels, and with a calibration as a run of today has it."""
    asked = handmade.items(count, TOPICS)
    asked[0] = handmade.with_text(asked[0], "ＡＢＣホールの「ｶﾗｵｹ大会」")
    said = {
        "base": handmade.answers(asked, 0.3, 1, TOPICS),
        "tuned": handmade.answers(asked[::-1], 0.6, 2, TOPICS)[::-1],
    }
    path = handmade.make(
        tmp_path,
        asked=asked,
        labels=TOPICS,
        said=said,
        path_levels=handmade.levels,
        experiment=handmade.config(
            "label", task={"kind": "classify", "labels": {"hierarchy": "/"}}
        ),
    )
    file = path / "eval_metrics.json"
    metrics = json.loads(file.read_text(encoding="utf-8"))
    metrics["calibration"] = {"tuned": [found for found in BINS if found["count"]]}
    file.write_text(json.dumps(metrics, ensure_ascii=False), encoding="utf-8")
    render(path)
    return path


def test_the_plain_page_has_no_more_than_the_first_rows(tmp_path: Path) -> None:
    page = (of_paths(tmp_path) / "report.html").read_text(encoding="utf-8")
    plain = re.findall(r"<noscript>(.*?)</noscript>", page, re.DOTALL)
    assert plain[-1].count('<td class="text">') == 50
    assert sum(part.count("data:image/png") for part in plain) == 4
    assert '<td class="r">71.0 %</td><td class="r">50.0 %</td>' in plain[0]


browser = pytest.mark.skipif(
    chromium() is None, reason="there is no chromium to open the page with"
)

TABLE = "[...document.querySelectorAll('#rows tbody tr')]"
COUNT = "document.querySelector('#rows output').textContent"


@pytest.mark.browser
@browser
def test_rows_are_searched_filtered_sorted_and_paged(tmp_path: Path) -> None:
    path = of_paths(tmp_path)
    rows = rows_of(path)
    tuned = [row.systems["tuned"] for row in rows]
    fixed = sum(bool(r.systems["tuned"].correct) > bool(r.systems["base"].correct) for r in rows)
    with opened(tmp_path) as page:
        page.open(path / "report.html")
        assert page.run(COUNT) == "90 / 90 件"
        assert page.run(f"{TABLE}.length") == 50
        page.click("#rows .pager button:last-child")
        assert page.run(f"{TABLE}.length") == 40
        page.click('#rows [data-value="fixed"]')
        assert page.run(COUNT) == f"{fixed} / 90 件"
        assert set(page.run(f"{TABLE}.map((row) => row.dataset.change)")) == {"fixed"}
        page.click('#rows [data-value="all"]')
        page.click('#rows input[type="search"]')
        page.type("abc")
        page.wait(f"{COUNT} === '1 / 90 件'")
        page.type("ホールの「カラオケ")  # full and half width are one
        page.wait(f"{COUNT} === '1 / 90 件'")
        assert "ｶﾗｵｹ" in page.run(f"{TABLE}[0].textContent")
        page.type("ない語")
        page.wait(f"{COUNT} === '0 / 90 件'")
        assert page.run("!document.querySelector('#rows > p').hidden")
        page.click("#rows output + button")
        assert page.run(COUNT) == "90 / 90 件"
        choose(page, 2, "unsure")
        shown = page.run(
            f"{TABLE}.map((row) => Number(row.lastChild.querySelector('small').textContent))"
        )
        expected = sorted(said.probability or 0.0 for said in tuned)[:50]
        assert shown == pytest.approx(expected, abs=0.006)
        choose(page, 0, "L0:0")
        assert page.run(COUNT) == "30 / 90 件"
        assert page.said == []


def choose(page: Page, number: int, value: str) -> None:
    """Choose from the n-th list of the table."""
    page.run(
        f"(() => {{ const list = document.querySelectorAll('#rows select')[{number}];"
        f" list.value = {json.dumps(value)}; list.dispatchEvent(new Event('change')); }})()"
    )


@pytest.mark.browser
@browser
def test_charts_answer_to_pointer_and_keys(tmp_path: Path) -> None:
    path = of_paths(tmp_path)
    wrong: dict[tuple[str, str | None], int] = {}
    for row in rows_of(path):
        if not row.systems["tuned"].correct:
            pair = (row.gold, row.systems["tuned"].label)
            wrong[pair] = wrong.get(pair, 0) + 1
    with opened(tmp_path) as page:
        page.open(path / "report.html")
        tip = "document.getElementById('tip').innerText"
        confusion = 'figure[data-chart="confusion"]'
        page.click(f"{confusion} .miss")
        shown = page.run(f"{TABLE}.map((row) => row.children[1].textContent)")
        assert len(set(shown)) == 1
        assert page.run(COUNT) in {f"{count} / 90 件" for count in wrong.values()}
        assert len(shown) == int(page.run(COUNT).split(" ")[0])
        page.click(f'{confusion} [data-value="0"]')
        assert page.run(f"document.querySelectorAll('{confusion} .hit').length") == 3
        page.click(f"{confusion} .hit")
        assert page.run("document.querySelector('#rows select').value") == "L0:0"
        curves = 'figure[data-chart="curves"]'
        page.run(f"document.querySelector('{curves} svg').focus()")
        for _ in range(4):
            page.key("ArrowRight")
        assert page.run(tip).split("\n") == [
            "エポック 1 (ステップ 4)",
            "学習損失 2.5",
            "検証損失 1.6",
        ]
        page.click(f"{curves} button:nth-child(3)")
        assert page.run(f"document.querySelectorAll('{curves} path').length") == 3
        page.run("document.querySelector('figure[data-chart=\"calibration\"] svg').focus()")
        page.key("ArrowRight")
        assert "実際の正解率 50.0 %" in page.run(tip)
        page.click('figure[data-chart="frequency"] .bars')
        assert page.run(COUNT) == "10 / 90 件"
        assert page.said == []


@pytest.mark.browser
@browser
@pytest.mark.parametrize("kind", ["label", "set", "text"])
def test_every_kind_opens_on_any_screen_without_a_complaint(tmp_path: Path, kind: Any) -> None:
    path = handmade.make(tmp_path, kind=kind)
    render(path)
    with opened(tmp_path) as page:
        for width in (1200, 400):
            page.resize(width)
            page.open(path / "report.html")
            assert page.run("document.documentElement.scrollWidth") == width
            assert page.run(f"{TABLE}.length") == 40
        assert page.said == []
        page.without_script()
        page.open(path / "report.html")
        assert page.run(f"{TABLE}.length") == 40
        assert page.run("document.images.length") == page.run(
            "[...document.images].filter((i) => i.clientHeight > 50).length"
        )


@pytest.mark.browser
@browser
def test_text_from_data_stays_text_in_the_page(tmp_path: Path) -> None:
    hostile = "<img src=x onerror='document.title=1'></script><script>document.title=1</script>"
    labels = (hostile, "<b>太</b>", "😀")
    asked = [handmade.with_text(i, hostile) for i in handmade.items(12, labels)]
    said = {"tuned": handmade.answers(asked, 0.5, 1, labels)}
    path = handmade.make(
        tmp_path, asked=asked, labels=labels, said=said, train=handmade.items(12, labels, "train-")
    )
    render(path)
    with opened(tmp_path) as page:
        page.open(path / "report.html")
        assert page.run("document.title") != "1"
        assert page.run("document.querySelectorAll('#rows img, #rows b, svg img').length") == 0
        assert hostile in html.unescape(page.run(f"{TABLE}[0].textContent"))
        assert page.said == []


@pytest.mark.browser
@browser
def test_of_thousands_of_rows_a_page_is_in_the_document(tmp_path: Path) -> None:
    asked: list[Item] = handmade.items(5000)
    said = {"tuned": handmade.answers(asked, 0.7, 2)}
    path = handmade.make(tmp_path, asked=asked, said=said, bootstrap=100)
    render(path)
    with opened(tmp_path) as page:
        page.open(path / "report.html")
        assert page.run(COUNT) == "5,000 / 5,000 件"
        assert page.run(f"{TABLE}.length") == 50
        page.run("judge({ search: '喫茶店' })")
        assert page.run(COUNT) == "500 / 5,000 件"
        assert page.run(f"{TABLE}.length") == 50
