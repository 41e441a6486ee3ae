from __future__ import annotations

import io
import warnings
from typing import Any

import pytest
from PIL import Image
from tests.records import handmade

from kunren.records.predictions import Answer, Predicted
from kunren.records.trainlog import by_epoch
from kunren.report import charts


def size(picture: bytes | None) -> tuple[int, int]:
    assert picture is not None
    with Image.open(io.BytesIO(picture)) as image:
        found: tuple[int, int] = image.size
    return found


def cells(*counted: tuple[str, str, int]) -> list[dict[str, Any]]:
    return [{"gold": g, "predicted": p, "count": n} for g, p, n in counted]


@pytest.fixture(autouse=True)
def no_missing_glyphs() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a glyph that the font lacks
        yield


@pytest.mark.parametrize(
    ("label", "drawn"),
    [
        ("経済", "経済"),
        ("😂", "嬉し泣き"),
        ("❤️", "赤いハート"),
        ("$x$", r"\$x\$"),
        ("𓀀", "U+13000"),
    ],
)
def test_labels_that_the_font_lacks_are_named(label: str, drawn: str) -> None:
    assert charts.drawable(label) == drawn


def test_loss_curve() -> None:
    log = handmade.history([1.6, 0.9, 1.2])
    picture = charts.loss_curve(log, by_epoch(log), 2)
    assert size(picture)[0] > 800
    assert picture == charts.loss_curve(log, by_epoch(log), 2)
    assert picture != charts.loss_curve(log, by_epoch(log), 3)
    assert charts.loss_curve([], [], None) is None


def test_loss_curve_of_a_run_that_broke() -> None:
    log = [{"epoch": 0.5, "loss": float("nan"), "step": 1.0}, {"epoch": 1.0, "loss": 2.0}]
    size(charts.loss_curve(log, by_epoch(log), None))


def test_label_frequency_and_confusion_with_emoji() -> None:
    gold, said = {"😀": 1, "😢": 1, "𓀀": 1}, {"😀": 2, "👨‍👩‍👧": 1}
    size(charts.label_frequency(gold, said, ["😀", "😢", "👨‍👩‍👧"]))
    size(
        charts.confusion(cells(("😀", "😀", 1), ("😢", "👨‍👩‍👧", 1), ("𓀀", "😀", 1)), ["😀", "😢"])
    )
    assert charts.label_frequency(gold, {}, ["😀"]) is None
    assert charts.confusion([], ["😀"]) is None


def test_many_labels_stay_readable() -> None:
    labels = [f"分野{n:03}" for n in range(100)]
    gold = dict.fromkeys(labels, 1)
    few = size(charts.label_frequency(dict.fromkeys(labels[:20], 1), {labels[0]: 5}, labels[:20]))
    assert size(charts.label_frequency(gold, {labels[0]: 100}, labels)) == few
    many = cells(*((label, labels[0], 1) for label in labels))
    assert size(charts.confusion(many, labels))[0] < 2500


def test_a_label_answered_to_everything_is_drawn_even_if_gold_has_it_once() -> None:
    labels = [f"分野{n:03}" for n in range(100)]
    gold = {label: 100 - n for n, label in enumerate(labels)}
    usual = charts.label_frequency(gold, {labels[0]: 1}, labels)
    assert usual != charts.label_frequency(gold, {labels[0]: 1, labels[99]: 500}, labels)


def test_metric_curves() -> None:
    log = [
        {"epoch": float(n), "eval_jaccard": n / 10, "eval_top1_share": 0.9, "eval_chrf": 20.0 * n}
        for n in (1, 2, 3)
    ]
    log[1]["eval_jaccard"] = float("nan")
    epochs = by_epoch(log)
    names = ["jaccard", "top1_share", "chrf"]
    picture = charts.metric_curves(epochs, names, 3)
    size(picture)
    assert picture != charts.metric_curves(epochs, names, None)
    assert charts.metric_curves(epochs, [], 3) is None


def test_score_distribution() -> None:
    rows = [
        Predicted(
            str(n),
            str(n),
            "x",
            "y",
            (),
            {"base": Answer(score=0.0), "tuned": Answer(score=100.0 * (n % 2))},
        )
        for n in range(6)
    ]
    picture = charts.score_distribution(rows)
    size(picture)
    assert picture != charts.score_distribution(rows[:3])
    assert charts.score_distribution([]) is None


def test_reliability() -> None:
    bins = [
        {"lo": 0.3, "hi": 0.4, "count": 8, "confidence": 0.35, "accuracy": 0.75},
        {"lo": 0.9, "hi": 1.0, "count": 67, "confidence": 0.97, "accuracy": 1.0},
    ]
    picture = charts.reliability(bins, 0.07)
    width, height = size(picture)
    assert width > 700
    assert height > 700
    assert picture == charts.reliability(bins, 0.07)
    assert picture != charts.reliability([bins[0] | {"count": 80}, bins[1]], 0.07)
    assert charts.reliability([], None) is None
    assert charts.reliability((), 0.1) is None
