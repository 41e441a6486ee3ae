"""What the quotes of a table mean: cells around which they stand, or text.

A quote that opens a cell and is never closed, or only by a stray one many rows later, turns all
the rows between into one cell, and the number of cells may even come out right. A cell that goes on
over several lines is therefore weighed against the other reading, in which each of its lines is a
row: if every line has as many cells as the table has columns, and what stands in them is what
stands in those columns elsewhere (the same few labels, numbers), then the lines are rows.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import cached_property

from kunren.data.delimited import Line, Lines, Style, alone, fits, literal

_LOOKED_AT = 5_000
"""Lines from which it is learnt what the columns hold."""

_FEW = 4
"""Rows elsewhere that must show what a column holds before anything is concluded from it."""

_PLAIN_LINES = 3
"""Lines that could all be rows, where no column tells: two by chance are a text with commas."""

_LONGEST_CELL = 1_000
"""Lines after which the end of a cell with a stray quote in it is no longer looked for."""

_KEPT = re.compile(r'\s+".*"\s*', re.DOTALL)
"""A cell in quotes behind a space, which keep their meaning only in a style that skips spaces."""

_NUMBER = re.compile(r"\s*[-+]?\d+(\.\d+)?\s*")


@dataclass(frozen=True, slots=True)
class Broken:
    """A row whose quotes cannot be right.

    Attributes:
        code: ``broken-csv``, or ``open-quote`` where it would swallow others.
        line: that it begins on, from 1.
        column: of the quote, from 0.
        text: from the quote on.
        end: the line up to which the quote would reach.
        rows: how many rows it would swallow.
    """

    code: str
    line: int
    column: int
    text: str
    end: int
    rows: int


@dataclass(slots=True)
class Table:
    """The body of a table as it was read.

    Attributes:
        style: as which it was read.
        rows: what holds anything.
        broken: rows that could not be read.
        literal: lines whose quotes were taken as text.
        long: first and last line of cells that could also be so many rows.
    """

    style: Style
    rows: list[Line] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    literal: list[int] = field(default_factory=list)
    long: list[tuple[int, int]] = field(default_factory=list)

    def faults(self, width: int) -> tuple[int, int]:
        """Rows that are not as the style has them, and cells that keep quotes around them.

        The first are broken, of another width, or have quotes that were taken as text.
        """
        other = sum(not fits(row.cells, width) for row in self.rows)
        cells = (cell for row in self.rows for cell in row.cells if cell[:1].isspace())
        kept = sum(_KEPT.fullmatch(cell) is not None for cell in cells)
        return len(self.broken) + other + len(self.literal), kept


def read_body(lines: Sequence[str], begin: int, style: Style, width: int) -> Table:
    """The rows of a table below the names of its columns, in the style that fits them best.

    Args:
        lines: all of the file, with their ends.
        begin: index of the first.
        style: with the usual quotes.
        width: how many columns there are.
    """
    found = _Body(lines, begin, style, width).read()
    for other in _others(lines[begin:], style, clean=found.faults(width) == (0, 0)):
        read = _Body(lines, begin, other, width).read()
        if read.faults(width) < found.faults(width):
            found = read
    if style.delimiter == "\t" and not found.style.escaped:
        return _without_quotes(found, lines, begin, width) or found
    return found


def _others(lines: Sequence[str], style: Style, *, clean: bool) -> Iterator[Style]:
    """Other styles that a table shows signs of; ``clean``: the usual one leaves nothing open."""
    mark = re.escape(style.delimiter)
    backslash = re.compile(rf'\\(?:"|{mark})')
    if not clean and any(map(backslash.search, lines)):
        yield replace(style, escaped=True)
    spaced = re.compile(rf'(?:^|{mark}) +"')
    if any(map(spaced.search, lines)):
        yield replace(style, spaced=True)


def _without_quotes(found: Table, lines: Sequence[str], begin: int, width: int) -> Table | None:
    """A tab-separated table whose writer quotes nothing; None where he does, or it does not fit."""
    if not found.literal and not found.broken:
        return None
    style = replace(found.style, quoted=False)
    plain = Table(style)
    wrapped = 0
    for number, line in enumerate(lines[begin:], start=begin + 1):
        cells = literal(line, style)
        if not any(cell.strip() for cell in cells):
            continue
        if not fits(cells, width):
            return None
        plain.rows.append(Line(number, cells))
        if any(cell.startswith('"') for cell in cells):
            plain.literal.append(number)
        wrapped += any(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)
    return plain if wrapped <= len(found.literal) + len(found.broken) else None


class _Alike(Enum):
    """Whether cells are such as stand elsewhere in their column."""

    YES = auto()
    PERHAPS = auto()
    NOT = auto()


class _Column:
    """What stands in a column, and how much of it holds elsewhere than in some lines."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._total = self._numbers = 0

    def add(self, value: str) -> None:
        """Count one cell."""
        self._counts[value] += 1
        self._total += 1
        self._numbers += _NUMBER.fullmatch(value) is not None

    def alike(self, said: Sequence[str], own: Counter[str]) -> _Alike | None:
        """Whether cells fit the column without ``own`` of its cells; None: it holds anything.

        A row among them may be a rare one, or faulty: of four or more, one need not fit.
        """
        total = self._total - own.total()
        if total < _FEW or not said:
            return None
        kinds = len(self._counts) - sum(self._counts[value] == n for value, n in own.items())
        numbers = self._numbers - sum(n for v, n in own.items() if _NUMBER.fullmatch(v))
        blank = self._counts[""] - own[""]
        if 10 * blank < total:
            total, kinds, blank = total - blank, kinds - (blank > 0), 0
        if numbers == total:
            fit = sum(_NUMBER.fullmatch(value) is not None for value in said)
        elif 2 * kinds <= total:
            fit = sum(
                self._counts[value] > own[value] and (value != "" or blank > 0) for value in said
            )
        elif blank or "" not in said:
            return None
        else:  # any text, but none without one
            fit = sum(value != "" for value in said)
            return _Alike.NOT if 2 * fit < len(said) else _Alike.PERHAPS
        if len(said) - fit <= (max(1, len(said) // 10) if len(said) >= _FEW else 0):
            return _Alike.YES
        return _Alike.PERHAPS if 2 * fit >= len(said) else _Alike.NOT


def _unquoted(cell: str) -> str:
    """A cell as it is compared with others: stray quotes are no part of a value."""
    return cell.strip().strip('"')


def _without_nulls(lines: Sequence[str], style: Style) -> list[str]:
    r"""Lines without ``\N`` in their cells, which databases that escape write for no value."""
    mark = re.escape(style.delimiter)
    null = re.compile(rf"(^|{mark})\\N(?={mark}|[\r\n]|$)")
    return [null.sub(r"\1", line) for line in lines]


class _Body:
    """Reads the body of a table in one style."""

    def __init__(self, lines: Sequence[str], begin: int, style: Style, width: int) -> None:
        self._lines = _without_nulls(lines, style) if style.escaped else lines
        self._begin = begin
        self._style = style
        self._width = width
        self._table = Table(style)
        self._unclosed = 0

    def read(self) -> Table:
        at = self._begin
        while at < len(self._lines):
            at = self._from(at)
        return self._table

    def _from(self, at: int) -> int:
        """Read on from a line, up to a row whose quotes are wrong; the index after it."""
        read = Lines(self._lines, at)
        try:
            for cells in self._style.reader(read):
                if read.at - at > 1 and (after := self._judged(at, read.at, cells)) is not None:
                    return after
                cells[:1] = [cell.lstrip("\ufeff") for cell in cells[:1]]
                if any(cell.strip() for cell in cells):
                    self._table.rows.append(Line(at + 1, cells))
                at = read.at
        except csv.Error:
            return self._wrong(at, read.at)
        return len(self._lines)

    def _judged(self, at: int, end: int, cells: list[str]) -> int | None:
        """What becomes of a row over several lines: the index to read on from; None: it is one."""
        rows = self._as_rows(at, end)
        if rows is None:
            row = fits(literal(self._lines[at], self._style), self._width)
            return self._swallowing(at, end) if row and not fits(cells, self._width) else None
        are_rows = self._are_rows(rows, at, end) if self._width > 1 else None
        if are_rows or not fits(cells, self._width):
            return self._swallowing(at, end)
        if are_rows is None:
            self._table.long.append((at + 1, end))
        return None

    def _as_rows(self, at: int, end: int) -> list[list[str]] | None:
        """The lines as rows of the table, each by itself; None where one is none."""
        column = self._column(at)
        first, last = self._lines[at], self._lines[end - 1]
        closing = last.find('"')
        found = []
        for number in range(at, end):
            line = self._lines[number]
            if number == at:
                line = first[:column] + first[column + 1 :]
            elif number == end - 1 and closing >= 0:
                line = last[:closing] + last[closing + 1 :]
            if not line.strip():
                continue
            cells = alone(line, self._style) or literal(line, self._style)
            if not fits(cells, self._width):
                return None
            found.append(cells)
        return found

    def _are_rows(self, rows: Sequence[Sequence[str]], at: int, end: int) -> bool | None:
        """Whether rows are such as the table has elsewhere; None: it cannot be told."""
        if len(rows) < 2:
            return False
        own = [Counter[str]() for _ in range(self._width)]
        for cells in self._alone(at, end):
            for counts, cell in zip(own, cells, strict=False):
                counts[cell] += 1
        before = alone(self._lines[at][: self._column(at)], self._style) or [""]
        opened = len(before) - 1
        judged = []
        for column, its in enumerate(self._columns):
            # What stands before the quote, or after it is closed, is the same in either reading.
            told = rows[1:] if column < opened else rows[:-1] if column > opened else rows
            said = [_unquoted(row[column]) for row in told]
            judged.append(its.alike(said, own[column]))
        known = [one for one in judged if one is not None]
        if any(one is _Alike.NOT for one in known):
            return False
        if any(one is _Alike.PERHAPS for one in known):
            return None
        return True if _Alike.YES in known or self._must_be(rows) else None

    def _must_be(self, rows: Sequence[Sequence[str]]) -> bool:
        """Whether there are too many lines like rows for chance, and nobody quotes properly."""
        return len(rows) >= _PLAIN_LINES and not self._quotes_elsewhere

    @cached_property
    def _columns(self) -> list[_Column]:
        """What stands in each column, as far as it is looked at."""
        found = [_Column() for _ in range(self._width)]
        for cells in self._alone(self._begin, len(self._lines)):
            for column, cell in zip(found, cells, strict=False):
                column.add(cell)
        return found

    def _alone(self, begin: int, end: int) -> Iterator[list[str]]:
        """The cells of lines that are rows by themselves, as far as it is looked at."""
        for line in self._lines[begin : min(end, self._begin + _LOOKED_AT)]:
            cells = alone(line, self._style)
            if cells and fits(cells, self._width):
                yield [_unquoted(cell) for cell in cells]

    @cached_property
    def _closing(self) -> re.Pattern[str]:
        return re.compile(rf'"\s*(?:{re.escape(self._style.delimiter)}|$)')

    @cached_property
    def _quotes_elsewhere(self) -> bool:
        """Whether the writer puts cells in quotes that need them."""
        mark = re.escape(self._style.delimiter)
        needed = re.compile(rf'(?:^|{mark})"[^"\r\n]*(?:{mark}|"")')
        looked_at = self._lines[self._begin : self._begin + _LOOKED_AT]
        return any(needed.search(line) and alone(line, self._style) for line in looked_at)

    def _wrong(self, at: int, end: int) -> int:
        """A row of lines ``at`` to ``end`` whose quotes are wrong; the index to read on from."""
        if fits(literal(self._lines[at], self._style), self._width):
            if end - at > 1 or self._style.delimiter == "\t":
                return self._swallowing(at, end)
            self._tell("broken-csv", at, end, 0)
            return at + 1
        # The beginning of a cell over several lines, with a stray quote somewhere in it.
        self._tell("broken-csv", at, end, 0)
        last = min(len(self._lines), at + _LONGEST_CELL)
        for number in range(max(at + 1, self._unclosed), last):
            if self._closing.search(self._lines[number].rstrip("\r\n")):
                return number + 1
        self._unclosed = last  # none of the lines up to there closes any cell
        return at + 1

    def _swallowing(self, at: int, end: int) -> int:
        """A row whose quote is text, or stray: told, and nothing after it is lost."""
        cells = literal(self._lines[at], self._style)
        if self._style.delimiter == "\t" and fits(cells, self._width):
            self._table.rows.append(Line(at + 1, cells))
            self._table.literal.append(at + 1)
        else:
            rows = sum(bool(line.strip()) for line in self._lines[at + 1 : end])
            self._tell("open-quote", at, end, rows)
        return at + 1

    def _tell(self, code: str, at: int, end: int, rows: int) -> None:
        column = self._column(at)
        said = self._lines[at].rstrip("\r\n")
        self._table.broken.append(Broken(code, at + 1, column, said[column:].strip(), end, rows))

    def _column(self, at: int) -> int:
        """Where the quote stands that opens a cell in a line and is not closed there properly."""
        line, mark = self._lines[at].rstrip("\r\n"), re.escape(self._style.delimiter)
        cell = re.compile(rf'(?P<whole> *"(?:[^"]|"")*"(?={mark}|$))|[^{mark}]*')
        start = 0
        while start <= len(line) and (found := cell.match(line, start)) is not None:
            said = found.group().lstrip() if self._style.spaced else found.group()
            if said.startswith('"') and found["whole"] is None:
                return start + found.group().index('"')
            start = found.end() + 1
        return max(0, line.find('"'))
