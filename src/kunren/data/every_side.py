"""Each label on every side of a split, where its rows allow it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

FEW = 3
PART = 0.25
"""Labels that a side may lack for all of them to be brought to it: so many, or as this share of its
rows. Where it lacks more, it cannot hold them and still tell how frequent labels are; then only
those are brought of which ``DUE`` rows are due to it."""

DUE = 3.0
"""Rows of a label due to a side, of which a random draw has none once in twenty times (Poisson)."""

GROUPED = 0.8
"""Share of rows in units of several from which on sizes cannot be kept to the row."""

OFTEN = 2_000
"""Units up to which the order in which a side can spare them is worked out for each label anew."""

UNEVEN = 0.5
"""The share of its size by which a side may then be too large or too small."""


class Unit(Protocol):
    """Rows that stay together: see ``placing.Unit``."""

    @property
    def counted(self) -> Mapping[str, int]:
        """How many of the rows have each label."""

    @property
    def size(self) -> int:
        """How many rows these are."""


def spread(
    units: Sequence[Unit],
    side_of: dict[int, str],
    shares: Mapping[str, float],
    sizes: Mapping[str, int],
) -> None:
    """Exchange units until each label with as many units as there are sides is on all of them.

    The sizes of the sides stay as they are (with ``GROUPED`` data: nearly), no side loses a label,
    and a split whose sides have all labels stays as it is. What cannot be had is left.

    Args:
        units: in an order that the rows' order does not change.
        side_of: a unit's number → its side; this is changed.
        shares: side → its share of all rows.
        sizes: side → how many rows it is to have.
    """
    spreading = _Spreading(units, side_of, shares, sizes)
    for side in shares:
        spreading.complete(side)


class _Spreading:
    def __init__(
        self,
        units: Sequence[Unit],
        side_of: dict[int, str],
        shares: Mapping[str, float],
        sizes: Mapping[str, int],
    ) -> None:
        self._units, self._side_of, self._shares, self._sizes = units, side_of, shares, sizes
        self._having: dict[str, list[int]] = {}
        self._there: Counter[tuple[str, str]] = Counter()  # units
        self._rows: Counter[tuple[str, str]] = Counter()
        self._used: Counter[str] = Counter()
        self._total: Counter[str] = Counter()
        for number, unit in enumerate(units):
            self._count(number, side_of[number], 1)
            self._total.update(unit.counted)
            for label in unit.counted:
                self._having.setdefault(label, []).append(number)
        several = sum(unit.size for unit in units if unit.size > 1)
        self._order: dict[str, list[int]] = {}
        self._grouped = several >= GROUPED * sum(unit.size for unit in units)

    def complete(self, side: str) -> None:
        """Bring the labels to a side that it lacks, the most frequent first."""
        lacking = [label for label in self._having if not self._there[label, side]]
        if len(lacking) > max(FEW, PART * self._sizes[side]):
            lacking = [la for la in lacking if self._total[la] * self._shares[side] >= DUE]
        lacking.sort(key=lambda la: (-self._total[la], self._having[la][0], la))
        for place, label in enumerate(lacking):
            if place % max(1, len(self._units) // OFTEN) == 0:
                self._order.clear()
            if len(self._having[label]) >= len(self._shares) and not self._there[label, side]:
                self._bring(label, side)

    def _bring(self, label: str, side: str) -> None:
        givers = [one for one in self._shares if self._there[label, one] > 1]
        for giver in sorted(givers, key=lambda one: self._lack(label, one)):
            units = [n for n in self._having[label] if self._side_of[n] == giver]
            for number in sorted(units, key=lambda n: (self._size(n), len(self._labels(n)), n)):
                if self._can_go(number) and self._exchanged(number, side):
                    return

    def _exchanged(self, number: int, side: str) -> bool:
        """Whether a unit has come to a side, for others of as many rows."""
        size, giver = self._size(number), self._side_of[number]
        self._put(number, side)
        same = next((n for n in self._leaving(side, number) if self._size(n) == size), None)
        if same is not None:
            self._put(same, giver)
            return True
        if size > 1 and self._made_up(size, self._leaving(side, number), giver):
            return True
        for other in list(self._leaving(side, number)):
            if self._size(other) > size:
                self._put(other, giver)
                if self._made_up(self._size(other) - size, self._leaving(giver, other), side):
                    return True
                self._put(other, side)
        if self._grouped and self._nearly(number, giver):
            return True
        self._put(number, giver)
        return False

    def _made_up(self, rows: int, candidates: Iterable[int], side: str) -> bool:
        """Whether so many single rows of ``candidates`` have gone to a side; else none has."""
        moved: list[tuple[int, str]] = []
        for number in candidates:
            if len(moved) == rows:
                break
            if self._size(number) == 1 and self._can_go(number):
                moved.append((number, self._side_of[number]))
                self._put(number, side)
        if len(moved) == rows:
            return True
        for number, before in moved:
            self._put(number, before)
        return False

    def _nearly(self, number: int, giver: str) -> bool:
        """Whether a unit may stay on its new side, with at most one other going back for it."""
        side = self._side_of[number]
        found: list[tuple[float, int, int | None]] = []
        for place, other in enumerate([None, *self._leaving(side, but=number)]):
            back = 0 if other is None else self._size(other)
            off = [self._used[side] - back, self._used[giver] + back]
            parts = [
                abs(used / self._sizes[one] - 1) if self._sizes[one] else float(used)
                for one, used in zip((side, giver), off, strict=True)
            ]
            if max(parts) <= UNEVEN:
                found.append((sum(parts), place, other))
        if not found:
            return False
        if (other := min(found, key=lambda one: one[:2])[2]) is not None:
            self._put(other, giver)
        return True

    def _leaving(self, side: str, but: int) -> Iterator[int]:
        """The units that a side can spare, first those of labels of which it has most to spare.

        In the order that they had a few labels ago: to sort thousands of rows anew for each of
        thousands of labels takes minutes.
        """
        if side not in self._order:
            there = [n for n, at in self._side_of.items() if at == side]
            self._order[side] = sorted(there, key=lambda n: (self._need(n, side), n))
        for number in self._order[side]:
            if number != but and self._side_of[number] == side and self._can_go(number):
                yield number

    def _need(self, number: int, side: str) -> float:
        """How much a side lacks of a unit's labels, on average."""
        lacks = [self._lack(label, side) for label in self._labels(number)]
        return sum(lacks) / len(lacks)

    def _can_go(self, number: int) -> bool:
        """Whether its side keeps all labels without a unit."""
        side = self._side_of[number]
        return all(self._there[label, side] > 1 for label in self._labels(number))

    def _lack(self, label: str, side: str) -> float:
        """How many rows of a label a side lacks of its share."""
        return self._total[label] * self._shares[side] - self._rows[label, side]

    def _size(self, number: int) -> int:
        return self._units[number].size

    def _labels(self, number: int) -> Mapping[str, int]:
        return self._units[number].counted

    def _put(self, number: int, side: str) -> None:
        self._count(number, self._side_of[number], -1)
        self._side_of[number] = side
        self._count(number, side, 1)

    def _count(self, number: int, side: str, times: int) -> None:
        self._used[side] += times * self._size(number)
        for label, rows in self._labels(number).items():
            self._there[label, side] += times
            self._rows[label, side] += times * rows
