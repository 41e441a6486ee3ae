"""Tables as text: which line names the columns, by what cells are divided, and what quotes mean.

A quote that nobody closed would make one cell of all the rows up to the next one. So a cell over
several lines is believed only where its lines are no rows of the table themselves; see ``quotes``.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from kunren.data.columns import Wanted, renamed
from kunren.data.delimited import Style, alone, literal, records
from kunren.data.missing import is_missing
from kunren.data.parsed import Parsed, Record, listed
from kunren.data.quotes import Table, read_body
from kunren.errors import Problem
from kunren.textfile import excerpt
from kunren.types import Where

SUFFIXES = (".csv", ".tsv", ".tab")

_DELIMITERS = (",", "\t", ";")
_TOP = 20
"""Lines among which the names of the columns are looked for: above them may stand a title."""

_SEP = re.compile(r'\ufeff?"?sep=(.)"?\s*', re.I)
"""By which Excel is told what divides the cells."""


def read_table(text: str, path: str, wanted: Wanted, usual: str) -> Parsed:
    """The rows of a table, each a record of its cells by the names of their columns.

    Args:
        text: the file.
        path: as it is shown.
        wanted: the columns that will be read. They tell the line of names from a title above it.
        usual: what divides the cells of such files, unless the content shows another.
    """
    lines = list(io.StringIO(text, newline=""))
    said = _SEP.fullmatch(lines[0]) if lines else None
    begin = 0 if said is None else 1
    chosen = _delimiter(lines, usual, wanted) if said is None else said.group(1)
    head = _head(lines, begin, chosen, wanted)
    if head is None:
        return Parsed()
    parsed = Parsed(columns=head.names, header=head.line)
    if said is None and chosen != usual:
        _note(parsed, path, head.line, "delimiter", delimiter="TAB" if chosen == "\t" else chosen)
    if head.above:
        _note(parsed, path, head.line, "title-lines", count=len(head.above), title=head.above[0])
    _rename(parsed, path, wanted)
    columns = parsed.columns or ()
    twice = [column for i, column in enumerate(columns) if column and column in columns[:i]]
    if twice:
        fields: dict[str, object] = {"field": excerpt(twice[0])}
        parsed.problems.append(Problem("data.duplicate-column", Where(path, head.line), fields))
    table = read_body(lines, head.end, Style(chosen), _width(columns))
    _take(parsed, table, head.names, path, wanted)
    _tell(parsed, table, path)
    return parsed


def looks_like_table(text: str, wanted: Wanted) -> str | None:
    """What divides the cells of a text whose first line names the columns; None: it is no table.

    For files whose name does not tell. One column alone could be any line, so there must be two.
    """
    lines = list(io.StringIO(text[: 2**16], newline=""))
    first = next((line for line in lines if line.strip()), "")
    for delimiter in ("\t", ",", ";", "|"):
        names = alone(first, Style(delimiter)) or []
        if len(names) > 1 and wanted.are_in(names):
            return delimiter
    return None


@dataclass(frozen=True, slots=True)
class _Head:
    """The line that names the columns, and what stands above it.

    Attributes:
        names: of the columns, without spaces around them; an unnamed one is empty.
        line: that they stand on, from 1.
        end: the index of the line after them.
        above: the beginnings of the lines above that hold something.
    """

    names: tuple[str, ...]
    line: int
    end: int
    above: tuple[str, ...] = ()


def _delimiter(lines: Sequence[str], usual: str, wanted: Wanted) -> str:
    """What divides the cells: what makes the wanted names appear, or what all first lines have."""
    candidates = (usual, *(one for one in _DELIMITERS if one != usual), "|")
    top = [line for line in lines[: 2 * _TOP] if line.strip()][:_TOP]
    for delimiter in candidates:
        for line in top:
            cells = alone(line, Style(delimiter)) or []
            if len(cells) > 1 and wanted.are_in(cells):
                return delimiter
    first = top[0] if top else ""
    if usual in first:
        return usual
    for delimiter in candidates[1:-1]:
        counts = [line.count(delimiter) for line in top]
        if counts and counts[0] and 2 * counts.count(counts[0]) > len(counts):
            return delimiter
    return usual


def _head(lines: Sequence[str], begin: int, delimiter: str, wanted: Wanted) -> _Head | None:
    """The first line of cells; a later one where that has the wanted names, or that is a title."""
    top = []
    for start, end, cells in records(lines, begin, Style(delimiter)):
        if any(cell.strip() for cell in cells):
            first = _names(literal(lines[start], Style(delimiter)))
            if end - start > 1 and wanted.are_in(first):  # a stray quote among the names
                top.append(_Head(first, start + 1, start + 1))
                break
            top.append(_Head(_names(cells), start + 1, end))
        if len(top) == _TOP:
            break
    if not top:
        return None
    at = next((n for n, head in enumerate(top) if wanted.are_in(head.names)), None)
    if at is None or (at and len(wanted.valued) < 2 and not all(map(_is_title, top[:at]))):
        at = next((n for n, head in enumerate(top) if not _is_title(head)), 0)
        at = at if all(len(head.names) == len(top[at].names) > 1 for head in top[:at]) else 0
    head = top[at]
    above = tuple(excerpt(" ".join(filter(None, one.names))) for one in top[:at])
    return _Head(head.names, head.line, head.end, above)


def _names(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.strip("\ufeff \t\u3000").strip('"').strip() for cell in cells)


def _is_title(head: _Head) -> bool:
    """Whether a line has one cell that says something, and room for more."""
    return sum(1 for name in head.names if name) == 1


def _rename(parsed: Parsed, path: str, wanted: Wanted) -> None:
    names = parsed.columns or ()
    new = renamed(names, wanted)
    for old, becomes in new.items():
        if _is_other_width(old, becomes):
            told = {"field": excerpt(old), "name": excerpt(becomes)}
            _note(parsed, path, parsed.header, "column-renamed", **told)
    parsed.columns = tuple(new.get(name, name) for name in names)


def _is_other_width(old: str, new: str) -> bool:
    return unicodedata.normalize("NFC", old) != unicodedata.normalize("NFC", new)


def _note(parsed: Parsed, path: str, line: int | None, code: str, **fields: object) -> None:
    parsed.notes.append(Problem(f"data.{code}", Where(path, line), fields))


def _width(names: Sequence[str]) -> int:
    """How many cells a row must have: up to the last column that has a name."""
    return max((n for n, name in enumerate(names, start=1) if name), default=0)


def _take(parsed: Parsed, table: Table, header: Sequence[str], path: str, wanted: Wanted) -> None:
    """The rows of a table's body as records; those of another width are problems."""
    names = parsed.columns or ()
    width = _width(names)
    again: list[int] = []
    for row in table.rows:
        if tuple(cell.strip() for cell in row.cells) == header:
            again.append(row.line)
            continue
        extra = any(cell.strip() for cell in row.cells[len(names) :])
        if extra or len(row.cells) < width:
            fields: dict[str, object] = {"expected": width, "found": len(row.cells)}
            code = "data.too-many-cells" if extra else "data.too-few-cells"
            parsed.problems.append(Problem(code, Where(path, row.line), fields))
            continue
        # Of text and label it is told that a program wrote "nan"; elsewhere the cell is empty.
        record = {
            name: None if is_missing(cell) and name not in wanted.valued else cell
            for name, cell in zip(names, row.cells, strict=False)
            if name
        }
        parsed.records.append(Record(row.line, record))
    if again:
        _note(parsed, path, again[0], "header-again", count=len(again), lines=listed(again))


def _tell(parsed: Parsed, table: Table, path: str) -> None:
    """What is wrong with the quotes, and how they were read."""
    for broken in table.broken:
        fields: dict[str, object] = {"column": broken.column + 1}
        fields["excerpt"] = excerpt(broken.text, 40)
        if broken.code == "open-quote":
            fields |= {"end": broken.end, "rows": broken.rows}
        parsed.problems.append(Problem(f"data.{broken.code}", Where(path, broken.line), fields))
    parsed.problems.sort(key=lambda p: p.where.line or 0 if p.where else 0)
    if lines := table.literal:
        _note(parsed, path, lines[0], "quotes-as-text", count=len(lines), lines=listed(lines))
    if table.style.escaped:
        _note(parsed, path, None, "backslash-quotes")
    if table.long:
        line, end = max(table.long, key=lambda span: span[1] - span[0])
        count = len(table.long)
        _note(parsed, path, line, "long-cells", count=count, end=end, rows=end - line + 1)
