"""Training, validation and test rows: the right sizes, balanced, and nothing on two sides.

Which side a row falls on depends on the seed, on what it asks and on what else is in the file, and
neither on the order of the rows nor on their ids: rows are ordered by a hash of the seed and of
their normalised question. Rows that ask the same are placed together.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import floor

from kunren.config.schema import Split
from kunren.data.duplicates import groups, question
from kunren.data.read import Files
from kunren.data.records import LIST_SEPARATOR
from kunren.errors import InputError, Problem
from kunren.types import Row, Where

_SIDES = ("train", "test", "validation")
"""In the order in which odd rows are given out."""


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows of an experiment, each side in the order of its file.

    Attributes:
        fingerprint: SHA-256 over the ids and contents of each side; equal if and only if the same
            rows are on the same sides.
    """

    train: tuple[Row, ...]
    validation: tuple[Row, ...]
    test: tuple[Row, ...]
    fingerprint: str


def split(rows: Sequence[Row], key: Callable[[Row], str], config: Split) -> Splits:
    """Split the rows of one file.

    * Sizes are the shares of all rows, rounded by largest remainder; no side is empty. Only
      duplicates too many to fit can make them differ.
    * Every label has a row in ``train`` (if there are no more labels than training rows), and its
      rows are shared out as the sizes are: to the nearest row where a row has one label, as nearly
      as one row's labels bind each other where rows have sets of them.

    Args:
        rows: all rows.
        key: a row's label, or its labels joined by ``LIST_SEPARATOR``.
        config: the shares and the seed.

    Raises:
        InputError: there are fewer different rows than sides.
    """
    shares = {"train": config.train, "validation": config.validation, "test": config.test}
    sides = _divide(rows, key, shares, config.seed)
    return _splits(sides["train"], sides["validation"], sides["test"])


def split_files(files: Files, key: Callable[[Row], str], config: Split) -> Splits:
    """The sides that a config asks for: named files as they are, the others shares of ``train``.

    The share of a side that has its own file goes to the training rows.

    Raises:
        InputError: there are too few different rows to take shares of.
    """
    shares = {}
    if files.validation is None:
        shares["validation"] = config.validation
    if files.test is None:
        shares["test"] = config.test
    shares["train"] = 1 - sum(shares.values())
    sides = _divide(files.train, key, shares, config.seed)
    validation = sides["validation"] if files.validation is None else files.validation
    test = sides["test"] if files.test is None else files.test
    return _splits(sides["train"], validation, test)


def _splits(train: Sequence[Row], validation: Sequence[Row], test: Sequence[Row]) -> Splits:
    seen = sha256()
    for name, rows in (("train", train), ("validation", validation), ("test", test)):
        for row in sorted(rows, key=lambda row: row.id):
            content = [[m.role, m.content] for m in row.messages]
            fields = sorted(row.fields.items())
            seen.update(json.dumps([name, row.id, content, fields]).encode() + b"\n")
    return Splits(tuple(train), tuple(validation), tuple(test), seen.hexdigest())


@dataclass(frozen=True, slots=True)
class _Unit:
    """Rows that stay together, under the rarest of their labels.

    ``counted``: how many rows of each label they are taken for; of the stratum alone, where no row
    has several labels.
    """

    rows: tuple[Row, ...]
    labels: frozenset[str]
    stratum: str
    counted: Mapping[str, int]
    order: bytes

    @property
    def size(self) -> int:
        return len(self.rows)


def _divide(
    rows: Sequence[Row], key: Callable[[Row], str], shares: Mapping[str, float], seed: int
) -> dict[str, tuple[Row, ...]]:
    sides = [side for side in _SIDES if side in shares]
    units = _units(rows, key, seed)
    if len(units) < len(sides):
        where = Where(rows[0].where.path) if rows else None
        fields: dict[str, object] = {"count": len(units), "needed": len(sides)}
        raise InputError(Problem("data.too-few-rows", where, fields))
    placing = _Placing(units, {side: shares[side] for side in sides}, len(rows), seed)
    placing.anchor_labels()
    placing.place_groups()
    if any(len(unit.counted) > 1 for unit in units):
        placing.place_sets()
    else:
        placing.place_singles()
    placing.fill_empty()
    side_of = {row.id: side for unit, side in placing.side.items() for row in units[unit].rows}
    return {side: tuple(r for r in rows if side_of[r.id] == side) for side in _SIDES}


def _units(rows: Sequence[Row], key: Callable[[Row], str], seed: int) -> list[_Unit]:
    labels_of = {row.id: key(row).split(LIST_SEPARATOR) for row in rows}
    sets = any(len(labels) > 1 for labels in labels_of.values())
    count = Counter(label for labels in labels_of.values() for label in labels)
    units = []
    for group in groups(rows):
        counted = Counter(label for row in group for label in labels_of[row.id])
        stratum = min(counted, key=lambda label: (count[label], label))
        order = _hash(seed, *question(group[0]))
        taken = counted if sets else {stratum: len(group)}
        units.append(_Unit(group, frozenset(counted), stratum, taken, order))
    return sorted(units, key=lambda unit: unit.order)


def _hash(seed: int, *content: str) -> bytes:
    return sha256(json.dumps([seed, *content]).encode()).digest()


class _Placing:
    """Units on their way to sides; ``side`` maps a unit's number to its side."""

    def __init__(
        self, units: Sequence[_Unit], shares: Mapping[str, float], total: int, seed: int
    ) -> None:
        self._units = units
        self._shares = shares
        self._sizes = dict(
            zip(shares, largest_remainder(total, list(shares.values())), strict=True)
        )
        self._used = dict.fromkeys(shares, 0)
        self._label_used: Counter[tuple[str, str]] = Counter()
        self._label_size: Counter[str] = Counter()
        for unit in units:
            self._label_size.update(unit.counted)
        self._label_order = {label: _hash(seed, label) for label in self._label_size}
        self._seed = seed
        self.side: dict[int, str] = {}

    def anchor_labels(self) -> None:
        """One unit of each label to the training rows, the rarest labels first."""
        having: dict[str, list[int]] = defaultdict(list)
        for number, unit in enumerate(self._units):
            for label in unit.labels:
                having[label].append(number)
        size = {label: sum(self._units[n].size for n in ns) for label, ns in having.items()}
        for label in sorted(having, key=lambda label: (size[label], _hash(self._seed, label))):
            if any(n in self.side for n in having[label]):
                continue
            smallest = min(having[label], key=lambda n: self._units[n].size)
            if self._fits(smallest, "train"):
                self._put(smallest, "train")

    def place_groups(self) -> None:
        """Units of several rows, the largest first, where their label lacks most and they fit."""
        groups_ = [n for n, u in enumerate(self._units) if u.size > 1 and n not in self.side]
        for number in sorted(groups_, key=lambda n: -self._units[n].size):
            label = self._units[number].stratum
            fitting = [side for side in self._shares if self._fits(number, side)]
            self._put(
                number,
                max(
                    fitting or self._shares,
                    key=lambda side: (
                        self._lack(label, side) if fitting else 0.0,
                        self._room(side) / (self._sizes[side] or 1),
                    ),
                ),
            )

    def place_singles(self) -> None:
        """All other rows, so that the sizes are met exactly and each label is shared out."""
        singles: dict[str, list[int]] = defaultdict(list)
        for number, unit in enumerate(self._units):
            if number not in self.side:
                singles[unit.stratum].append(number)
        labels = sorted(singles, key=lambda s: (-self._label_size[s], self._label_order[s]))
        left = sum(map(len, singles.values()))
        rooms = [float(max(0, self._room(side))) for side in self._shares]
        room = dict(zip(self._shares, largest_remainder(left, rooms), strict=True))
        held = [side for side in self._shares if side != "train"]
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
                self._put(number, "train")

    def place_sets(self) -> None:
        """All other rows, where rows have several labels: iterative stratification.

        The label with the fewest rows left goes first, and each of its rows to the side that lacks
        most of that label (Sechidis, Tsoumakas & Vlahavas 2011). Unlike there, labels too rare to
        have a row due on every side are left out: they would all go to training with the rows that
        have them, and the test rows would be easier than what the model will meet.
        """
        left: Counter[str] = Counter()
        having: dict[str, list[int]] = defaultdict(list)
        enough = 1 / min(self._shares.values()) - 1e-9
        open_ = [n for n in range(len(self._units)) if n not in self.side]
        for number in open_:
            for label in self._units[number].labels:
                if self._label_size[label] >= enough:
                    having[label].append(number)
                    left[label] += 1
        while left:
            label = min(left, key=lambda label: (left[label], self._label_order[label]))
            for number in having[label]:
                if number not in self.side:
                    self._put(number, max(self._open(), key=lambda s: self._lack(label, s)))
                    left.subtract(self._units[number].labels & having.keys())
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
            common = Counter(label for n in there for label in self._units[n].labels)
            moved = min(
                there,
                key=lambda n: (
                    any(common[label] == 1 for label in self._units[n].labels),
                    self._units[n].size,
                    self._units[n].order,
                ),
            )
            self.side[moved] = side

    def _fits(self, number: int, side: str) -> bool:
        return self._units[number].size <= self._room(side)

    def _room(self, side: str) -> int:
        return self._sizes[side] - self._used[side]

    def _lack(self, label: str, side: str) -> float:
        """How many rows of a label a side lacks of its share."""
        return self._label_size[label] * self._shares[side] - self._label_used[label, side]

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
