"""Giving back the input: hard to beat where answers resemble it (correction, style, summaries)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kunren.evaluation.facts import question
from kunren.evaluation.sentences import sentences
from kunren.evaluation.text import char_f1
from kunren.types import Item, Prediction

RESEMBLES = 0.5
"""Mean character F1 from which answers are like what a copy gives. Japanese texts that have nothing
to do with each other share some 0.2 to 0.4 of their characters."""

SAMPLE = 500
"""Training items that are looked at."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a baseline is made from and asked.

    Attributes:
        train: training items; their text and answers.
        validation: likewise, to choose a threshold by.
        test: items to predict; their answers are not looked at.
        labels: the closed set, which holds every training label; empty for free text.
    """

    train: Sequence[Item]
    validation: Sequence[Item]
    test: Sequence[Item]
    labels: Sequence[str]


def _whole(text: str) -> str:
    return text


def _first(text: str) -> str:
    return next(iter(sentences(text)), text)


def _first_of_last(text: str) -> str:
    return _first(question(text))


COPIES: Mapping[str, tuple[Callable[[str], str], ...]] = {
    "copy": (_whole, question),
    "lead": (_first, _first_of_last),
}
"""Baseline → what it may give: of the whole prompt, or of its last paragraph, before which a
template may have put an instruction."""


def copy(rows: Rows) -> list[Prediction]:
    """Give back the input as it is."""
    return _given(rows, COPIES["copy"])


def lead(rows: Rows) -> list[Prediction]:
    """Give back the first sentence of the input, the usual baseline of summaries."""
    return _given(rows, COPIES["lead"])


def resembles(ways: Sequence[Callable[[str], str]], train: Sequence[Item]) -> bool:
    """Whether the training answers are like what one of the ``ways`` gives."""
    return max((_likeness(way, train) for way in ways), default=0.0) >= RESEMBLES


def _given(rows: Rows, ways: Sequence[Callable[[str], str]]) -> list[Prediction]:
    """By the way that comes nearest to the training answers; the first of equals."""
    best = max(ways, key=lambda way: _likeness(way, rows.train))
    return [Prediction(item.id, None, generated=best(item.text)) for item in rows.test]


def _likeness(way: Callable[[str], str], train: Sequence[Item]) -> float:
    """Mean character F1 of what is given and the answers, of at most ``SAMPLE`` items."""
    items = train
    if len(train) > SAMPLE:
        items = random.Random(0).sample(list(train), SAMPLE)  # noqa: S311 - not for secrets
    found = [char_f1(way(item.text), item.answer) for item in items]
    return float(np.mean(found)) if found else 0.0
