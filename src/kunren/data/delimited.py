"""Delimited text: in which style it is written, and what its rows are, each by itself."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_FIELD_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Style:
    """How the writer of a table meant it.

    Attributes:
        delimiter: what divides cells.
        escaped: whether a quote in a cell is written with a backslash, not twice.
        spaced: whether spaces before a cell are no part of it, so that a quote may follow them.
        quoted: whether quotes mean anything at all.
    """

    delimiter: str
    escaped: bool = False
    spaced: bool = False
    quoted: bool = True

    def reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """A reader that refuses what does not follow the style."""
        csv.field_size_limit(_FIELD_LIMIT)
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            doublequote=not self.escaped,
            escapechar="\\" if self.escaped else None,
            skipinitialspace=self.spaced,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            strict=True,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A row: the line that it begins on, from 1, and its cells."""

    line: int
    cells: list[str]


def fits(cells: Sequence[str], width: int) -> bool:
    """Whether a row has as many cells as the table has columns; empty ones may follow."""
    return len(cells) >= width and not any(cell.strip() for cell in cells[width:])


def alone(line: str, style: Style) -> list[str] | None:
    """The cells of one line that is a whole row; None: it is none by itself."""
    try:
        return next(style.reader(iter([line])), [])
    except csv.Error:
        return None


def records(lines: Sequence[str], begin: int, style: Style) -> Iterator[tuple[int, int, list[str]]]:
    """Rows one after the other: index of the first line, of the line after, and the cells.

    A row whose quotes are wrong ends with its line, the quotes being text.
    """
    at = begin
    while at < len(lines):
        read = Lines(lines, at)
        try:
            for cells in style.reader(read):
                yield at, read.at, cells
                at = read.at
        except csv.Error:
            yield at, at + 1, literal(lines[at], style)
            at += 1


def literal(line: str, style: Style) -> list[str]:
    """The cells of one line if quotes are text."""
    return line.lstrip("\ufeff").rstrip("\r\n").split(style.delimiter)


class Lines(Iterator[str]):
    """Lines from an index on; ``at`` is the index of the next."""

    def __init__(self, lines: Sequence[str], at: int) -> None:
        self._lines = lines
        self.at = at

    def __next__(self) -> str:
        if self.at >= len(self._lines):
            raise StopIteration
        self.at += 1
        return self._lines[self.at - 1]
