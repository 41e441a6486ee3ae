"""From probabilities to sets, and what becomes of an empty one."""

from __future__ import annotations

import pytest

from kunren.models.answering import choose_threshold, cut, decide, has_empty
from kunren.types import Item, Message, Prediction

LABELS = ("喜", "怒", "哀")


def item(number: int, *labels: str) -> Item:
    return Item(str(number), str(number), (Message("user", "x"),), "", labels)


def said(number: int, *probabilities: float) -> Prediction:
    return Prediction(str(number), None, probabilities=probabilities)


def test_a_set_is_empty_only_where_it_may_be() -> None:
    low = (0.1, 0.3, 0.2)
    assert cut(low, LABELS, 0.5) == ("怒",)
    assert cut(low, LABELS, 0.5, empty=True) == ()
    assert cut(low, LABELS, 0.2, empty=True) == cut(low, LABELS, 0.2) == ("怒", "哀")
    (never,) = decide([said(0, *low)], LABELS, 0.5)
    (empty,) = decide([said(0, *low)], LABELS, 0.5, empty=True)
    assert (never.labels, never.probability) == (("怒",), 0.3)
    assert (empty.labels, empty.probability, empty.label) == ((), None, None)
    assert has_empty([item(0, "喜"), item(1)])
    assert not has_empty([item(0, "喜")])


def test_the_threshold_is_chosen_by_what_then_is_answered() -> None:
    items = [item(0), item(1), item(2, "喜"), item(3, "怒")]
    probabilities = [(0.4, 0.1, 0.1), (0.3, 0.2, 0.1), (0.8, 0.3, 0.1), (0.2, 0.7, 0.1)]
    predictions = [said(n, *row) for n, row in enumerate(probabilities)]
    threshold = choose_threshold(items, predictions, LABELS, empty=True)
    assert 0.4 < threshold <= 0.7
    answers = decide(predictions, LABELS, threshold, empty=True)
    assert [answer.labels for answer in answers] == [(), (), ("喜",), ("怒",)]


@pytest.mark.parametrize("empty", [False, True])
def test_nothing_to_choose_by(empty: bool) -> None:
    assert choose_threshold([], [], LABELS, empty=empty) == 0.5
