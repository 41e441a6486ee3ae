"""Rows with labels, by hand and by chance, for the tests of splits and folds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st

from kunren.config.schema import Split
from kunren.data.records import LIST_SEPARATOR
from kunren.types import Message, Row, Where


def row(number: int, text: str, label: str) -> Row:
    messages = (Message("user", text), Message("assistant", label))
    return Row(f"r{number}", messages, Where("rows.jsonl", number))


def rows_of(pairs: Sequence[tuple[str, str]]) -> list[Row]:
    return [row(n, text, label) for n, (text, label) in enumerate(pairs, start=1)]


def label_of(one: Row) -> str:
    return one.messages[-1].content


def labels_of(one: Row) -> list[str]:
    return label_of(one).split(LIST_SEPARATOR)


LABELS = st.sampled_from("abcdefgh")
DISTINCT = st.lists(LABELS, min_size=3, max_size=120).map(
    lambda labels: rows_of([(f"text {n}", label) for n, label in enumerate(labels)])
)
TEXTS = st.integers(0, 40).flatmap(lambda n: st.sampled_from([f"t{n}", f"T{n}", f" ｔ{n}　"]))
REPEATED = st.lists(st.tuples(TEXTS, LABELS), min_size=3, max_size=120).map(rows_of)


@st.composite
def shares(draw: st.DrawFn, least: int = 1, most: int = 49) -> Split:
    """Any shares; each held-out side has between ``least`` and ``most`` hundredths."""
    hundredths = draw(st.tuples(st.integers(least, most), st.integers(least, most)))
    return Split(
        train=1 - sum(hundredths) / 100,
        validation=hundredths[0] / 100,
        test=hundredths[1] / 100,
        seed=draw(st.integers(0, 2**32 - 1)),
    )


SETS = st.lists(st.sets(LABELS, min_size=1, max_size=4), min_size=3, max_size=120).map(
    lambda found: rows_of(
        [(f"text {n}", LIST_SEPARATOR.join(sorted(labels))) for n, labels in enumerate(found)]
    )
)


def grouped(sizes: Sequence[int], chance: random.Random, labels: str = "abcde") -> list[Row]:
    """Rows of users, ``sizes`` of each; users differ in which labels are frequent."""
    found: list[Row] = []
    for user, size in enumerate(sizes):
        weights = [chance.random() ** 2 for _ in labels]
        for label in chance.choices(labels, weights, k=size):
            one = row(len(found), f"text {len(found)}", label)
            found.append(replace(one, group=f"user {user}"))
    return found


def demo() -> list[Row]:
    """As the shipped example: 25 labels, ten rows each."""
    return rows_of([(f"ツイート {n}", f"{n % 25:02}") for n in range(250)])


def emoji_sets(seed: int, rows: int = 1000, kinds: int = 100) -> list[Row]:
    """Long-tailed sets of one to five labels, some texts twice."""
    chance = random.Random(seed)
    weights = [1 / (n + 1) for n in range(kinds)]
    found = []
    for number in range(rows):
        chosen = chance.choices(range(kinds), weights, k=chance.randint(1, 5))
        labels = LIST_SEPARATOR.join(dict.fromkeys(map(str, chosen)))
        text = f"text {number - 1 if number % 50 == 1 else number}"
        found.append((text, labels))
    return rows_of(found)
