"""Training, validation and test rows: the right sizes, balanced, and nothing on two sides.

One split, or the folds of a cross-validation.

Which side a row falls on depends on the seed, on what it asks and on what else is in the file, and
neither on the order of the rows nor on their ids: rows are ordered by a hash of the seed and of
their normalised question. Rows that ask the same are placed together.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from kunren.config.schema import Split
from kunren.data.near import Near, near
from kunren.data.overlap import Overlap, overlap
from kunren.data.placing import make_units, place
from kunren.data.read import Files
from kunren.data.together import Bundle, bundles, in_order
from kunren.errors import InputError, Problem
from kunren.textfile import excerpt
from kunren.types import Message, Row, Where

_SIDES = ("train", "test", "validation")
"""In the order in which odd rows are given out."""

_NAMED = 10


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows of an experiment, each side in the order of its file.

    Attributes:
        fingerprint: SHA-256 over the ids and contents of each side; equal if and only if the same
            rows are on the same sides.
        overlaps: "validation" and "test" → what that side has in common with the training rows.
    """

    train: tuple[Row, ...]
    validation: tuple[Row, ...]
    test: tuple[Row, ...]
    fingerprint: str
    overlaps: Mapping[str, Overlap] = field(default_factory=dict, repr=False)


def split(rows: Sequence[Row], key: Callable[[Row], str], config: Split) -> Splits:
    """Split the rows of one file.

    * Sizes are the shares of all rows, rounded by largest remainder; no side is empty. Only
      duplicates too many to fit can make them differ.
    * Every label has a row in ``train`` (if there are no more labels than training rows), and its
      rows are shared out as the sizes are: to the nearest row where a row has one label, as nearly
      as one row's labels bind each other where rows have sets of them.
    * A label with at least three bundles of rows is on every side, unless a side has too few rows
      for the labels that it lacks (see ``every_side``).

    Args:
        rows: all rows.
        key: a row's label, or its labels joined by ``LIST_SEPARATOR``.
        config: the shares and the seed.

    Raises:
        InputError: there are fewer different rows than sides.
    """
    shares = {"train": config.train, "validation": config.validation, "test": config.test}
    near_ = near(rows)
    found = _bundles(rows, near_, least=len(_SIDES))
    sides = _divide(found, key, shares, config.seed)
    return _Made(rows, near_).splits(sides["train"], sides["validation"], sides["test"])


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
    near_ = near(files.rows)
    found = _bundles(files.train, near_, least=len(shares))
    sides = _divide(found, key, shares, config.seed)
    validation = sides["validation"] if files.validation is None else files.validation
    test = sides["test"] if files.test is None else files.test
    return _Made(files.rows, near_).splits(sides["train"], validation, test)


def folds(
    rows: Sequence[Row], key: Callable[[Row], str], k: int, config: Split
) -> tuple[Splits, ...]:
    """Stratified k-fold: every row is a test row once.

    * Test sides differ by at most one row, and so do the rows of a label on them (where rows have
      sets of labels, as nearly as one row's labels bind each other). Only rows that stay together
      and are too many to fit can make that differ.
    * The other rows are divided into training and validation rows as ``split`` does, by the shares
      that these have of each other. Each fold draws its own.

    A label of fewer rows than ``k`` is on some test sides only (``rarer_than_folds`` tells which),
    and one of a single row is not trained where it is tested.

    Args:
        rows: all rows.
        key: a row's label, or its labels joined by ``LIST_SEPARATOR``.
        k: how many folds, at least 2.
        config: the shares and the seed.

    Raises:
        InputError: there are fewer different rows than folds, or too few for validation rows.
    """
    whole = config.train + config.validation
    shares = {"train": config.train / whole, "validation": config.validation / whole}
    near_ = near(rows)
    made = _Made(rows, near_)
    found = []
    tested = _tested(_bundles(rows, near_, least=2 * k), key, k, config.seed, left=2)
    for number, (rest, test) in enumerate(tested):
        sides = _divide(rest, key, shares, config.seed + 1 + number)
        found.append(made.splits(sides["train"], sides["validation"], in_order(test)))
    return tuple(found)


def fold_files(
    files: Files, key: Callable[[Row], str], k: int, config: Split
) -> tuple[Splits, ...]:
    """The folds of ``files.train``.

    Validation rows that have a file of their own are the same in every fold, and all other rows of
    a fold are trained on.

    Raises:
        InputError: there is a file of test rows, or there are too few different rows.
    """
    if files.test is not None:
        where = Where(files.test[0].where.path) if files.test else None
        raise InputError(Problem("data.folds-with-test-file", where))
    if files.validation is None:
        return folds(files.train, key, k, config)
    near_ = near(files.rows)
    found = _bundles(files.train, near_, least=2 * k)
    made = _Made(files.rows, near_)
    return tuple(
        made.splits(in_order(rest), files.validation, in_order(test))
        for rest, test in _tested(found, key, k, config.seed, left=1)
    )


def rarer_than_folds(rows: Sequence[Row], key: Callable[[Row], str], k: int) -> Problem | None:
    """What to tell of labels that cannot be on all of ``k`` test sides; None: there are none.

    Rows that stay together count as one.

    Returns:
        A warning; its ``count`` is how many such labels there are, its ``labels`` names the
        rarest, each with how many different rows have it.
    """
    units = make_units(_bundles(rows, near(rows), least=2 * k), key, seed=0)
    counted = Counter(label for unit in units for label in unit.counted)
    rare = sorted((count, label) for label, count in counted.items() if count < k)
    if not rare:
        return None
    named = "、".join(f"{label} ({count})" for count, label in rare[:_NAMED])
    fields: dict[str, object] = {"count": len(rare), "k": k, "labels": excerpt(named, 200)}
    return Problem("data.labels-rarer-than-folds", Where(rows[0].where.path), fields)


def _tested(
    found: Sequence[Bundle], key: Callable[[Row], str], k: int, seed: int, left: int
) -> list[tuple[list[Bundle], list[Bundle]]]:
    """The other rows and the test rows of each fold.

    ``left``: how many bundles the other rows must be at least.
    """
    if len(found) < k:
        raise InputError(_too_few("data.too-few-for-folds", found, k=k, needed=k))
    fold_of = place(make_units(found, key, seed), {str(n): 1 / k for n in range(k)}, seed)
    folds_ = [
        (
            [one for one in found if fold_of[one.rows[0].id] != fold],
            [one for one in found if fold_of[one.rows[0].id] == fold],
        )
        for fold in map(str, range(k))
    ]
    fewest = min(len(rest) for rest, _ in folds_)
    if fewest < left:
        needed = len(found) + left - fewest
        raise InputError(_too_few("data.too-few-for-folds", found, k=k, needed=needed))
    return folds_


def _bundles(rows: Sequence[Row], found: Near, least: int) -> list[Bundle]:
    """Rows in bundles; near-duplicates stay together unless fewer than ``least`` bundles are left.

    Args:
        rows: the first of the rows that ``found`` is of.
        found: near-duplicates.
        least: how many bundles are needed.
    """
    whole = bundles(rows, found)
    return whole if len(whole) >= least else bundles(rows)


class _Made:
    """Makes ``Splits`` of rows whose near-duplicates are known."""

    def __init__(self, rows: Sequence[Row], found: Near) -> None:
        self._near = found
        self._places = {row.id: place for place, row in enumerate(rows)}

    def splits(
        self, train: Sequence[Row], validation: Sequence[Row], test: Sequence[Row]
    ) -> Splits:
        """The sides, with their fingerprint and what they have in common."""
        seen = sha256()
        for name, rows in (("train", train), ("validation", validation), ("test", test)):
            for row in sorted(rows, key=lambda row: row.id):
                content = [_seen(message) for message in row.messages]
                fields = sorted(row.fields.items())
                seen.update(json.dumps([name, row.id, content, fields]).encode() + b"\n")
        shared = {
            name: overlap(self._near, self._places, train, rows)
            for name, rows in (("validation", validation), ("test", test))
        }
        return Splits(tuple(train), tuple(validation), tuple(test), seen.hexdigest(), shared)


def _seen(message: Message) -> list[object]:
    """What of a message tells one row from another: what a plain one has not only where it has."""
    more = (message.weight, message.reasoning, message.calls)
    plain = Message(message.role, message.content)
    bare = more == (plain.weight, plain.reasoning, plain.calls)
    return [message.role, message.content, *(() if bare else more)]


def _divide(
    found: Sequence[Bundle], key: Callable[[Row], str], shares: Mapping[str, float], seed: int
) -> dict[str, tuple[Row, ...]]:
    sides = [side for side in _SIDES if side in shares]
    if len(found) < len(sides):
        raise InputError(_too_few("data.too-few-rows", found, needed=len(sides)))
    units = make_units(found, key, seed)
    side_of = place(units, {side: shares[side] for side in sides}, seed, anchor="train")
    return {
        side: in_order(one for one in found if side_of[one.rows[0].id] == side) for side in _SIDES
    }


def _too_few(code: str, found: Sequence[Bundle], **fields: object) -> Problem:
    where = Where(found[0].rows[0].where.path) if found else None
    return Problem(code, where, {"count": len(found), **fields})
