"""What a file is taken apart into: records with their lines, and what is wrong or noteworthy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kunren.errors import Problem
from kunren.types import Where


@dataclass(frozen=True, slots=True)
class Record:
    """One record and the line that it begins on (Parquet: its row number), from 1."""

    line: int
    value: object


@dataclass(slots=True)
class Parsed:
    """The records of one file.

    Attributes:
        columns: of a table, the names of its columns; None for JSON and plain lines.
        header: the line that the names of the columns stand on.
        notes: how the file was read, where that may not be what its writer expects.
        plain: whether each line is a record by itself: a text and nothing else.
    """

    records: list[Record] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    columns: tuple[str, ...] | None = None
    header: int | None = None
    notes: list[Problem] = field(default_factory=list)
    plain: bool = False


def failed(code: str, path: str, line: int | None = None, **fields: object) -> Parsed:
    """A file of which nothing can be read."""
    return Parsed(problems=[Problem(code, Where(path, line), fields)])


def listed(lines: Sequence[int], most: int = 10) -> str:
    """Line numbers for a message: ``3, 5, 8``, the first ones where there are many."""
    return ", ".join(map(str, lines[:most])) + (", …" if len(lines) > most else "")
