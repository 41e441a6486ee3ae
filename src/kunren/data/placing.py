"""Rows on their way to sides: units that stay together, stratified by their labels."""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import floor

from kunren.data.every_side import spread
from kunren.data.records import LIST_SEPARATOR
from kunren.data.together import Bundle
from kunren.types import Row


@dataclass(frozen=True, slots=True)
class Unit:
    """Rows that stay together.

    Attributes:
        counted: how many of the rows have each label.
        order: a hash of the seed and of the bundle's name; units are taken in its order.
    """

    rows: tuple[Row, ...]
    counted: Mapping[str, int]
    order: bytes

    @property
    def size(self) -> int:
        """How many rows these are."""
        return len(self.rows)


def make_units(found: Sequence[Bundle], key: Callable[[Row], str], seed: int) -> list[Unit]:
    """Bundles as units, in an order that depends neither on the rows' order nor on their ids.

    Args:
        found: all rows, in bundles.
        key: a row's label, or its labels joined by ``LIST_SEPARATOR``.
        seed: of the order.
    """
    units = []
    for one in found:
        counted = Counter(label for row in one.rows for label in key(row).split(LIST_SEPARATOR))
        # In one order: sums over the labels must not hang on the order of the rows.
        units.append(Unit(one.rows, dict(sorted(counted.items())), _hash(seed, *one.name)))
    return sorted(units, key=lambda unit: unit.order)


def place(
    units: Sequence[Unit], shares: Mapping[str, float], seed: int, anchor: str | None = None
) -> dict[str, str]:
    """Give every unit to a side.

    Args:
        units: at least as many as sides.
        shares: side → its share of all rows; they sum to 1.
        seed: of what the rows' labels leave open.
        anchor: the side that is to have a row of every label, if that can be.

    Returns:
        A row's id → its side.
    """
    placing = _Placing(units, shares, seed)
    if anchor is not None:
        placing.anchor_labels(anchor)
    placing.place_groups()
    if any(len(unit.counted) > 1 for unit in units if unit.size == 1):
        placing.place_sets()
    else:
        placing.place_singles(anchor or list(shares)[-1])
    placing.fill_empty()
    spread(units, placing.side, shares, placing.sizes)
    return {row.id: side for unit, side in placing.side.items() for row in units[unit].rows}


def _hash(seed: int, *content: str) -> bytes:
    return sha256(json.dumps([seed, *content]).encode()).digest()


class _Placing:
    """Units on their way to sides.

    Attributes:
        sizes: side → how many rows it is to have.
        side: a unit's number → its side.
    """

    def __init__(self, units: Sequence[Unit], shares: Mapping[str, float], seed: int) -> None:
        self._units = units
        self._shares = shares
        sizes = largest_remainder(sum(unit.size for unit in units), list(shares.values()))
        self.sizes = dict(zip(shares, sizes, strict=True))
        self._used = dict.fromkeys(shares, 0)
        self._label_used: Counter[tuple[str, str]] = Counter()
        self._label_size: Counter[str] = Counter()
        for unit in units:
            self._label_size.update(unit.counted)
        self._label_order = {label: _hash(seed, label) for label in self._label_size}
        self._seed = seed
        self.side: dict[int, str] = {}

    def anchor_labels(self, side: str) -> None:
        """One unit of each label to a side, the rarest labels first."""
        having: dict[str, list[int]] = defaultdict(list)
        for number, unit in enumerate(self._units):
            for label in unit.counted:
                having[label].append(number)
        size = {label: sum(self._units[n].size for n in ns) for label, ns in having.items()}
        for label in sorted(having, key=lambda label: (size[label], _hash(self._seed, label))):
            if any(n in self.side for n in having[label]):
                continue
            smallest = min(having[label], key=lambda n: self._units[n].size)
            if self._fits(smallest, side):
                self._put(smallest, side)

    def place_groups(self) -> None:
        """Units of several rows, the hardest first, where their labels lack most and they fit."""
        groups_ = [n for n, u in enumerate(self._units) if u.size > 1 and n not in self.side]
        for number in sorted(groups_, key=self._weight, reverse=True):
            fitting = [side for side in self._shares if self._fits(number, side)]
            self._put(
                number,
                min(
                    fitting or self._shares,
                    key=lambda side: (
                        self._strain(number, side) if fitting else 0.0,
                        -self._room(side) / (self.sizes[side] or 1),
                    ),
                ),
            )

    def place_singles(self, last: str) -> None:
        """All other rows, so that the sizes are met exactly and each label is shared out.

        Args:
            last: the side that gets what the others leave.
        """
        singles: dict[str, list[int]] = defaultdict(list)
        for number, unit in enumerate(self._units):
            if number not in self.side:
                singles[next(iter(unit.counted))].append(number)
        labels = sorted(singles, key=lambda s: (-self._label_size[s], self._label_order[s]))
        left = sum(map(len, singles.values()))
        rooms = [float(max(0, self._room(side))) for side in self._shares]
        room = dict(zip(self._shares, largest_remainder(left, rooms), strict=True))
        held = [side for side in self._shares if side != last]
        # First what is held out of training, then which of it is test and which validation.
        ideals = [sum(self._lack(label, side) for side in held) for label in labels]
        most = [len(singles[label]) for label in labels]
        taken = apportion(sum(room[side] for side in held), ideals, most)
        for n, side in enumerate(held):
            given = apportion(room[side], self._part(held[n:], labels, taken), taken)
            for label, count in zip(labels, given, strict=True):
                for _ in range(count):
                    self._put(singles[label].pop(), side)
            taken = [had - gave for had, gave in zip(taken, given, strict=True)]
        for numbers in singles.values():
            for number in numbers:
                self._put(number, last)

    def place_sets(self) -> None:
        """All other rows, where rows have several labels: iterative stratification.

        The label with the fewest rows left goes first, and each of its rows to the side that lacks
        most of that label (Sechidis, Tsoumakas & Vlahavas 2011). Unlike there, where sides are not
        equal, labels too rare to have a row due on every side are left out: they would all go to
        training with the rows that have them, and the test rows would be easier than what the
        model will meet.
        """
        left: Counter[str] = Counter()
        having: dict[str, list[int]] = defaultdict(list)
        least, most = min(self._shares.values()), max(self._shares.values())
        enough = 1 / least - 1e-9 if least < most else 1
        open_ = [n for n in range(len(self._units)) if n not in self.side]
        for number in open_:
            for label in self._units[number].counted:
                if self._label_size[label] >= enough:
                    having[label].append(number)
                    left[label] += 1
        while left:
            label = min(left, key=lambda label: (left[label], self._label_order[label]))
            for number in having[label]:
                if number not in self.side:
                    self._put(number, max(self._open(), key=lambda s: self._lack(label, s)))
                    left.subtract(self._units[number].counted.keys() & having.keys())
            del left[label]
        for number in open_:
            if number not in self.side:
                side = max(self._open(), key=lambda s: self._room(s) / self._shares[s])
                self._put(number, side)

    def _open(self) -> list[str]:
        """The sides with room, the one with most of it first."""
        rooms = {side: self._room(side) for side in self._shares}
        return sorted((s for s in rooms if rooms[s] > 0), key=lambda s: -rooms[s])

    def _part(
        self, sides: Sequence[str], labels: Sequence[str], taken: Sequence[int]
    ) -> list[float]:
        """How many of the ``taken`` rows of each label the first of ``sides`` should have."""
        share = self._shares[sides[0]] / sum(self._shares[side] for side in sides)
        return [
            self._lack(label, sides[0]) + share * (count - sum(self._lack(label, s) for s in sides))
            for label, count in zip(labels, taken, strict=True)
        ]

    def fill_empty(self) -> None:
        """A side that rounding or large groups left empty gets a unit of the fullest side."""
        for side in self._shares:
            if side in self.side.values():
                continue
            fullest = Counter(self.side.values()).most_common(1)[0][0]
            there = [n for n, s in self.side.items() if s == fullest]
            common = Counter(label for n in there for label in self._units[n].counted)
            moved = min(
                there,
                key=lambda n: (
                    any(common[label] == 1 for label in self._units[n].counted),
                    self._units[n].size,
                    self._units[n].order,
                ),
            )
            self.side[moved] = side

    def _fits(self, number: int, side: str) -> bool:
        return self._units[number].size <= self._room(side)

    def _room(self, side: str) -> int:
        return self.sizes[side] - self._used[side]

    def _lack(self, label: str, side: str) -> float:
        """How many rows of a label a side lacks of its share."""
        return self._label_size[label] * self._shares[side] - self._label_used[label, side]

    def _weight(self, number: int) -> float:
        """How hard a unit is to make up for: many rows, and many of a rare label."""
        counted = self._units[number].counted.items()
        return sum(count * count / self._label_size[label] for label, count in counted)

    def _strain(self, number: int, side: str) -> float:
        """How much worse a unit makes a side's distances from its shares of the unit's labels.

        The change of their squares, each over how many rows the label has: rare labels count too.
        """
        return sum(
            count * (count - 2 * self._lack(label, side)) / self._label_size[label]
            for label, count in self._units[number].counted.items()
        )

    def _put(self, number: int, side: str) -> None:
        unit = self._units[number]
        self.side[number] = side
        self._used[side] += unit.size
        for label, count in unit.counted.items():
            self._label_used[label, side] += count


def largest_remainder(total: int, weights: Sequence[float]) -> list[int]:
    """``total`` shared out in proportion to ``weights``, in whole numbers that sum to it.

    Hamilton's method; of equal remainders the first gets the odd one.
    """
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    ideals = [total * weight / whole for weight in weights]
    return apportion(total, ideals, [total] * len(weights))


def apportion(total: int, ideals: Sequence[float], most: Sequence[int]) -> list[int]:
    """Whole numbers near ``ideals`` that sum to ``total``, each at most its ``most``.

    Starting from the ideals rounded down, one at a time goes to (or comes from) the number that
    is farthest from its ideal; of equally far ones the first.

    Raises:
        ValueError: ``most`` sums to less than ``total``.
    """
    if sum(most) < total:
        raise ValueError(f"cannot share out {total} where at most {sum(most)} fit")
    # 0.29 * 100 is a little less than 29.
    ideals = [round(ideal, 9) for ideal in ideals]
    numbers = [min(limit, max(0, floor(i))) for i, limit in zip(ideals, most, strict=True)]
    step = 1 if sum(numbers) < total else -1
    queue = [(-step * (ideals[n] - numbers[n]), n) for n in range(len(numbers))]
    heapq.heapify(queue)
    while sum_left := total - sum(numbers):
        for _ in range(abs(sum_left)):
            while True:
                _, n = heapq.heappop(queue)
                if 0 <= numbers[n] + step <= most[n]:
                    break
            numbers[n] += step
            heapq.heappush(queue, (-step * (ideals[n] - numbers[n]), n))
    return numbers
