"""Rows that a model cannot read whole, cut: what they ask becomes shorter, their answers never do.

Cut is what the user's rows say (the text and the columns that the template names; in a chat what
user and tools say), before the template is put around it: the words of the template, the system
prompt, and what the assistant says stay whole. The longest parts are cut first, all to one length.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import regex

from kunren.config.schema import Truncation
from kunren.errors import Problem
from kunren.types import Row

_CLUSTER = regex.compile(r"\X")
_BETWEEN = "…"
_ROUNDS = 24
_SLACK = 100
"""A row is short enough where it leaves less than one in so many of the tokens unused."""

_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Cut:
    """A row that was cut.

    Attributes:
        most: characters that each part of it may have.
        kept: share of the characters of these parts that is left.
    """

    most: int
    kept: float


def shortened(row: Row, most: int, where: Truncation, columns: Collection[str]) -> Row:
    """A row as it was read, with no part longer than so many characters.

    Args:
        row: not yet with its template.
        most: characters; 0 leaves nothing but system prompt and answers.
        where: what of a longer part is taken out.
        columns: those of ``row.fields`` that the template names.
    """
    messages = tuple(
        replace(m, content=_cut(m.content, most, where)) if m.role in ("user", "tool") else m
        for m in row.messages
    )
    fields = {
        name: _cut(value, most, where) if name in columns else value
        for name, value in row.fields.items()
    }
    return replace(row, messages=messages, fields=fields)


def _cut(said: str, most: int, where: Truncation) -> str:
    if len(said) <= most:
        return said
    if where == "end":
        return _head(said, most)
    if where == "start":
        return _tail(said, most)
    half = (most - len(_BETWEEN)) // 2
    return (
        "" if half < 1 else _head(said, most - len(_BETWEEN) - half) + _BETWEEN + _tail(said, half)
    )


def _head(said: str, most: int) -> str:
    """The beginning, without a part of a character that is put together of several."""
    end = 0
    for found in _CLUSTER.finditer(said, max(0, most - 64)):
        if found.end() > most:
            break
        end = found.end()
    return said[:end]


def _tail(said: str, most: int) -> str:
    start = len(said) - most
    at = next(
        (found.start() for found in _CLUSTER.finditer(said, max(0, start - 64))
         if found.start() >= start),
        len(said),
    )  # fmt: skip
    return said[at:]


def parts(row: Row, columns: Collection[str]) -> list[str]:
    """What of a row can be cut."""
    said = [m.content for m in row.messages if m.role in ("user", "tool")]
    return said + [value for name, value in row.fields.items() if name in columns]


def cuts(
    rows: Sequence[Row],
    limit: int,
    tokens: Callable[[Sequence[Row]], Sequence[int]],
    where: Truncation,
    columns: Collection[str],
) -> dict[str, Cut]:
    """How far each row has to be cut that has more tokens than ``limit``, by its id.

    A row that is too long with nothing left to cut is not among them.

    Args:
        rows: as they were read.
        limit: tokens that a row may have, with all that is read and written for it.
        tokens: how many each of some rows has.
        where: what is taken out.
        columns: those that the template names.
    """
    longer = [(row, size) for row, size in zip(rows, tokens(rows), strict=True) if size > limit]
    if not longer:
        return {}
    bare = tokens([shortened(row, 0, where, columns) for row, _ in longer])
    searched = [
        _Search(row, 0, least, max(map(len, parts(row, columns))), size)
        for (row, size), least in zip(longer, bare, strict=True)
        if least <= limit
    ]
    for number in range(_ROUNDS):
        open_ = [one for one in searched if not one.found(limit)]
        if not open_:
            break
        tried = [one.guess(limit, halve=number % 3 == 2) for one in open_]
        some = [
            shortened(one.row, most, where, columns) for one, most in zip(open_, tried, strict=True)
        ]
        for one, most, size in zip(open_, tried, tokens(some), strict=True):
            one.note(most, size, limit)
    return {one.row.id: _made(one.row, one.low, where, columns) for one in searched}


def _made(row: Row, most: int, where: Truncation, columns: Collection[str]) -> Cut:
    whole = sum(map(len, parts(row, columns)))
    left = sum(map(len, parts(shortened(row, most, where, columns), columns)))
    return Cut(most, left / whole)


@dataclass(slots=True)
class _Search:
    """Between which lengths the right one lies: ``low`` characters fit, ``high`` do not."""

    row: Row
    low: int
    low_tokens: int
    high: int
    high_tokens: int

    def found(self, limit: int) -> bool:
        return self.high - self.low <= 1 or limit - self.low_tokens <= limit // _SLACK

    def guess(self, limit: int, *, halve: bool) -> int:
        share = 0.5
        if not halve and self.high_tokens > self.low_tokens:
            share = (limit - self.low_tokens) / (self.high_tokens - self.low_tokens)
        guessed = self.low + int(share * (self.high - self.low))
        return min(max(guessed, self.low + 1), self.high - 1)

    def note(self, most: int, size: int, limit: int) -> None:
        if size <= limit:
            self.low, self.low_tokens = most, size
        else:
            self.high, self.high_tokens = most, size


def as_json(made: Mapping[str, Cut], limit: int) -> dict[str, Any]:
    """As a run keeps it until it ends."""
    return {"limit": limit, "rows": {name: [cut.most, cut.kept] for name, cut in made.items()}}


def from_json(kept: Mapping[str, Any]) -> tuple[dict[str, Cut], int]:
    """Rows that are cut, and the limit in tokens."""
    return {name: Cut(*cut) for name, cut in kept["rows"].items()}, kept["limit"]


def note(
    made: Mapping[str, Cut], sides: Mapping[str, Sequence[Row]], limit: int, where: Truncation
) -> Problem | None:
    """How many rows of each split were cut, and how much is left of them; None: there are none."""
    if not made:
        return None
    counts = {name: sum(row.id in made for row in sides[name]) for name in _SPLITS}
    kept = sorted(cut.kept for cut in made.values())
    fields: dict[str, object] = {
        "where": where,
        "limit": limit,
        "rows": len(made),
        "all": sum(len(sides[name]) for name in _SPLITS),
        **counts,
        "median": int(100 * kept[len(kept) // 2]),
        "least": int(100 * kept[0]),
    }
    return Problem(f"notes.truncated-{where}", None, fields)
