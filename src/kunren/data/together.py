"""Rows that stay on one side of a split: of one group, or asking the same or nearly the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kunren.data.duplicates import question
from kunren.data.near import Near
from kunren.types import Row

LARGEST = 0.05
"""The share of all rows up to which bundles are joined for rows that are alike: a chain of rows,
each like the next, must not grow until nothing is left to test."""

LEAST = 10
"""Rows up to which bundles are joined even where that is a larger share."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Rows that stay together, in the order of their file.

    Attributes:
        places: where each row stands among all rows, from 0.
        name: what tells this bundle from all others, whatever the rows' order and ids.
    """

    rows: tuple[Row, ...]
    places: tuple[int, ...]
    name: tuple[str, ...]


def in_order(found: Iterable[Bundle]) -> tuple[Row, ...]:
    """The rows of bundles, in the order of their file."""
    placed = [pair for one in found for pair in zip(one.places, one.rows, strict=True)]
    return tuple(row for _, row in sorted(placed, key=lambda pair: pair[0]))


def bundles(rows: Sequence[Row], found: Near | None = None) -> list[Bundle]:
    """All rows in bundles, in the order of their first rows.

    Rows of a group (``data.fields.group``) are always in one bundle, and so are rows without a
    group that ask the same. Bundles are joined where a row of one asks the same as a row of the
    other, or nearly the same, the most alike first, unless the whole would be more than
    ``LARGEST`` of all rows and more than ``LEAST``: if every user says 「ありがとう」, each user
    still is on one side, though not all on the same.

    Args:
        rows: all rows.
        found: the near-duplicates among them; None: they may be divided.
    """
    asked = [question(row) for row in rows]
    joined = _Joined(len(rows))
    first: dict[str | tuple[str, ...], int] = {}
    for number, row in enumerate(rows):
        joined.join(first.setdefault(row.group or asked[number], number), number)
    limit = max(LEAST, int(LARGEST * len(rows)))
    names = [(*asks, row.group or "") for asks, row in zip(asked, rows, strict=True)]
    for one, other in pairwise(sorted(range(len(rows)), key=names.__getitem__)):
        if asked[one] == asked[other]:
            joined.join(one, other, limit)
    if found is not None:
        _join_near(joined, found, names, limit)
    whole: dict[int, list[int]] = {}
    for number in range(len(rows)):
        whole.setdefault(joined.root(number), []).append(number)
    return [
        Bundle(tuple(rows[n] for n in ns), tuple(ns), _name(min(names[n] for n in ns)))
        for ns in whole.values()
    ]


def _join_near(joined: _Joined, found: Near, names: Sequence[tuple[str, ...]], limit: int) -> None:
    """Join rows of equal forms, then rows of forms that are near."""
    having: dict[int, list[int]] = {}
    for number in sorted(range(len(names)), key=names.__getitem__):
        having.setdefault(found.forms[number], []).append(number)
    for numbers in having.values():
        for one, other in pairwise(numbers):
            joined.join(one, other, limit)
    for form, near_form, _ in found.links:
        if form not in having or near_form not in having:
            continue  # of a row in another file
        joined.join(having[form][0], having[near_form][0], limit)


def _name(of_row: tuple[str, ...]) -> tuple[str, ...]:
    """Rows without a group are named by what they ask alone."""
    return of_row if of_row[-1] else of_row[:-1]


class _Joined:
    """Disjoint sets of numbers (Tarjan 1975), by size."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))
        self._size = [1] * count

    def root(self, number: int) -> int:
        """The number that stands for the set of ``number``."""
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def join(self, one: int, other: int, limit: int | None = None) -> None:
        """Make one set of two, unless it would have more than ``limit`` numbers."""
        small, large = sorted((self.root(one), self.root(other)), key=self._size.__getitem__)
        size = self._size[small] + self._size[large]
        if small == large or (limit is not None and size > limit):
            return
        self._parent[small] = large
        self._size[large] = size
