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


def row(gold: str, said: str) -> Predicted:
    return Predicted("1", "1", "x", gold, {"tuned": Answer(said, 0.5, None, gold == said)})


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
    rows = [row("😀", "😀"), row("😢", "👨‍👩‍👧"), row("𓀀", "😀")]
    size(charts.label_frequency(rows, ["😀", "😢", "👨‍👩‍👧"]))
    size(
        charts.confusion(cells(("😀", "😀", 1), ("😢", "👨‍👩‍👧", 1), ("𓀀", "😀", 1)), ["😀", "😢"])
    )
    assert charts.label_frequency([], ["😀"]) is None
    assert charts.confusion([], ["😀"]) is None


def test_many_labels_stay_readable() -> None:
    labels = [f"分野{n}" for n in range(100)]
    rows = [row(label, labels[0]) for label in labels]
    few = size(charts.label_frequency(rows[:30], labels[:30]))
    assert size(charts.label_frequency(rows, labels)) == few
    many = cells(*((label, labels[0], 1) for label in labels))
    assert size(charts.confusion(many, labels))[0] < 2500
