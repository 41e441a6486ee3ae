"""What the record says of probabilities, of labels out of balance, and where metrics stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import comb
from pathlib import Path

import pytest
from tests.records import handmade
from tests.report.test_render import made, section

from kunren.messages import use_language
from kunren.types import Prediction


@pytest.fixture(autouse=True)
def japanese() -> Iterator[None]:
    use_language("ja")
    yield
    use_language("ja")


def sure(tmp_path: Path, confidence: float, right: int, count: int = 40) -> str:
    """The results of a model that is always as sure, and right in the first rows."""
    asked = handmade.items(count)
    said = []
    for n, item in enumerate(asked):
        place = handmade.LABELS.index(item.answer) + (0 if n < right else 1)
        label = handmade.LABELS[place % len(handmade.LABELS)]
        rest = (1 - confidence) / (len(handmade.LABELS) - 1)
        shares = tuple(confidence if x == label else rest for x in handmade.LABELS)
        said.append(Prediction(item.id, (label,), confidence, shares))
    path = handmade.make(tmp_path, asked=asked, said={"base": said, "tuned": said})
    return section(made(path), "結果")


@pytest.mark.parametrize(
    ("confidence", "right", "verdict"),
    [
        (0.95, 20, "45.0 ポイント高く、自信過剰です"),
        (0.55, 38, "40.0 ポイント低く、控えめすぎます"),
        (0.55, 20, "この件数では言えません"),
    ],
)
def test_over_and_underconfidence_only_where_the_rows_carry_it(
    confidence: float, right: int, verdict: str, tmp_path: Path
) -> None:
    said = sure(tmp_path, confidence, right)
    assert verdict in said
    assert f"平均 {100 * confidence:.1f} %" in said
    assert f"正解率は {100 * right / 40:.1f} %" in said
    assert "charts/calibration.png" in said


def test_ece_is_said_to_be_high_on_few_rows(tmp_path: Path) -> None:
    said = sure(tmp_path, 0.55, 20)
    # The mean deviation of a binomial is 2 m C(n, m) p^m q^(n-m+1) (de Moivre), m = 23 here.
    chance = 2 * 23 * comb(40, 23) * 0.55**23 * 0.45**18 / 40
    assert "ECE は件数が少ないほど大きめに出る" in said
    assert f"この 40 件では平均 {100 * chance:.1f} %" in said


def test_without_probabilities_nothing_is_said_of_them(tmp_path: Path) -> None:
    asked = handmade.items(20)
    said = [Prediction(item.id, item.labels) for item in asked]
    path = handmade.make(tmp_path, asked=asked, said={"base": said, "tuned": said})
    results = section(made(path), "結果")
    assert "較正" not in results
    assert "ECE" not in results
    assert not (path / "charts" / "calibration.png").exists()


def test_the_first_table_is_short_and_the_rest_follows(tmp_path: Path) -> None:
    path = handmade.make(tmp_path)
    results = section(made(path), "結果")
    heads = [line for line in results.splitlines() if line.startswith("| システム")]
    assert heads == [
        "| システム | 正解率 | マクロ F1 | 集合外の回答の割合 |",
        "| システム | 均衡正解率 | MCC | 上位 3 正解率 | ECE | 確率 − 正解率 | 自由生成の正解率 |",
    ]
    page = (path / "report.html").read_text(encoding="utf-8")
    assert "均衡正解率" in page
    assert "確率の信頼性 (較正)" in page


def test_diversity_stands_beside_that_of_gold(tmp_path: Path) -> None:
    frequent = handmade.LABELS[:2]
    path = handmade.make(tmp_path, kind="set", most_frequent=frequent)
    results = section(made(path), "結果")
    metrics = json.loads((path / "eval_metrics.json").read_text(encoding="utf-8"))
    gold = metrics["frequencies"]["gold"]
    share = 1 - sum(gold[label] for label in frequent) / sum(gold.values())
    line = next(line for line in results.splitlines() if line.startswith("| 正解 |"))
    assert f"| {100 * share:.1f} % |" in line
    without = section(made(handmade.make(tmp_path / "old", kind="set")), "結果")
    assert "多様性" not in without  # of older runs, and where nothing is known


def test_labels_out_of_balance_are_named_on_the_page_too(tmp_path: Path) -> None:
    asked = handmade.set_items(40)
    said = [Prediction(i.id, (handmade.LABELS[4],), generated="x") for i in asked]
    path = handmade.make(tmp_path, kind="set", asked=asked, said={"base": said, "tuned": said})
    errors = section(made(path), "間違いの傾向")
    assert "### 出しすぎ・出し足りないラベル" in errors
    assert "出しすぎ・出し足りないラベル" in (path / "report.html").read_text(encoding="utf-8")
    right = [Prediction(i.id, i.labels, generated=i.answer) for i in asked]
    path = handmade.make(
        tmp_path / "right", kind="set", asked=asked, said={"base": right, "tuned": right}
    )
    assert "出し足りない" not in made(path)
