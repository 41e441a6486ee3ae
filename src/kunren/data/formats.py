"""Files as records: JSONL, a JSON array, CSV, TSV and Parquet, each record with its line."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from kunren.errors import Problem
from kunren.textfile import decode, excerpt
from kunren.types import Where

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
TABLE_SUFFIXES = (".csv", ".tsv")
_WIDE = {"：": ":", "，": ",", "、": ",", "“": '"', "”": '"', "＂": '"', "｛": "{", "｝": "}"}
_WIDE |= {"［": "[", "］": "]", "\u3000": " "}
_FIELD_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Record:
    """One record and the line that it begins on (Parquet: its row number), from 1."""

    line: int
    value: object


@dataclass(slots=True)
class Parsed:
    """The records of one file.

    Attributes:
        columns: of a table, the names of its columns; None for JSON.
        header: the line that the names of the columns stand on.
        notes: what was understood of the file without being told; see ``data.notes``.
    """

    records: list[Record] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    columns: tuple[str, ...] | None = None
    header: int | None = None
    notes: list[Problem] = field(default_factory=list)


def parse(data: bytes, path: str) -> Parsed:
    """Take a file apart. What it is is seen from its content, where that is safe.

    Parquet is known by its first bytes, JSON by its first character whatever the name says, an
    array and one object a line being told apart. Only a table needs its suffix.
    """
    suffix = PurePath(path).suffix.lower()
    if data.startswith(b"PAR1"):
        return _parquet(data, path)
    if data.startswith(b"PK\x03\x04"):
        return _failed("data.excel", path)
    text, encoding = decode(data)
    if encoding is not None:
        return _wrong_encoding(text, encoding, path)
    begins = text.lstrip("\ufeff \t\r\n\u3000")[:1]
    if begins == "":
        return _failed("data.empty-file", path)
    if suffix in TABLE_SUFFIXES:
        return _table(text, path, suffix)
    if suffix in JSON_SUFFIXES or begins in "[{":
        return _json(text, path)
    known = ", ".join((*JSON_SUFFIXES, *TABLE_SUFFIXES, ".parquet"))
    return _failed("data.unknown-format", path, suffix=suffix or "-", known=known)


def parse_lines(data: bytes, path: str) -> Parsed:
    """Take plain text apart: each line is a record, an empty one too, but not a last line break."""
    text, encoding = decode(data)
    if encoding is not None:
        return _wrong_encoding(text, encoding, path)
    lines = text.removesuffix("\n").split("\n") if text else []
    return Parsed([Record(n, line.removesuffix("\r")) for n, line in enumerate(lines, start=1)])


def _failed(code: str, path: str, line: int | None = None, **fields: object) -> Parsed:
    return Parsed(problems=[Problem(code, Where(path, line), fields)])


def _wrong_encoding(text: str, encoding: str, path: str) -> Parsed:
    if encoding == "?":
        return _failed("data.unknown-encoding", path)
    name = PurePath(path)
    first = next((line for line in text.split("\n") if re.search(r"[^\x00-\x7f]", line)), text)
    return _failed(
        "data.wrong-encoding",
        path,
        encoding=encoding,
        sample=excerpt(first.strip()),
        name=shlex.quote(name.name),
        utf8=shlex.quote(f"{name.stem}.utf8{name.suffix}"),
    )


# --- JSON ---


def _json(text: str, path: str) -> Parsed:
    text = text.replace("\ufeff", " ") if text.startswith("\ufeff") else text
    start = re.match(r"\s*", text).end()  # type: ignore[union-attr]  # it matches nothing, too
    if text[start] == "[":
        return _JsonReader(text, path).array(start)
    first = text[start:].split("\n", 1)[0]
    try:
        _DECODER.raw_decode(first)
    except ValueError:
        reader = _JsonReader(text, path)
        if reader.begins_with_object(start):
            return reader.objects(start)
    return _JsonReader(text, path).lines()


class _DuplicateKeyError(ValueError):
    """A key stands twice in one object."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _DuplicateKeyError(next(name for name in names if names.count(name) > 1))
    return found


# Not strict: a tab that was typed into a string is plain enough.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, strict=False)
_PLAIN_DECODER = json.JSONDecoder(strict=False)


class _JsonReader:
    """Reads values out of one text and remembers where each stood."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._counted = (0, 1)  # a position and its line; positions only grow
        self._parsed = Parsed()

    def lines(self) -> Parsed:
        """One value a line."""
        for number, line in enumerate(self._text.split("\n"), start=1):
            value = line.strip("\ufeff \t\r\u3000")
            if value:
                self._line(value, number, line.index(value))
        return self._parsed

    def array(self, start: int) -> Parsed:
        """The elements of the one array that the text is."""
        at = self._space(start + 1)
        indent = at - self._text.rfind("\n", 0, at) - 1 if "\n" in self._text[start:at] else None
        while at < len(self._text) and self._text[at] != "]":
            end = self._value(at)
            if end is None:
                resumed = self._resume(at, indent)
                if resumed is None:
                    return self._parsed
                at = resumed
                continue
            at = self._space(end)
            after = self._text[at : at + 1]
            if after == ",":
                at = self._space(at + 1)
                if self._text[at : at + 1] == "]":
                    self._broken(at, "broken-json-comma")
            elif after not in ("]", ""):
                self._broken(at, "broken-json-no-comma" if after in "{[" else None)
                if after not in "{[":
                    return self._parsed
        if at >= len(self._text):
            self._broken(max(0, len(self._text.rstrip()) - 1), "json-array-open")
        elif self._space(at + 1) < len(self._text):
            self._broken(self._space(at + 1), "broken-json-extra")
        return self._parsed

    def objects(self, start: int) -> Parsed:
        """Values one after the other, each over several lines."""
        at: int | None = start
        while at is not None and at < len(self._text):
            end = self._value(at)
            at = self._resume(at, 0) if end is None else self._space(end)
        return self._parsed

    def begins_with_object(self, at: int) -> bool:
        """Whether a whole object that begins at ``at`` goes on over several lines."""
        try:
            _, end = _PLAIN_DECODER.raw_decode(self._text, at)
        except ValueError:
            return self._text[at : self._text.find("\n", at)].strip() == "{"
        return "\n" in self._text[at:end]

    def _line(self, value: str, number: int, indent: int) -> None:
        where = Where(self._path, number)
        try:
            read, end = _DECODER.raw_decode(value)
        except _DuplicateKeyError as error:
            said: dict[str, object] = {"field": excerpt(str(error))}
            self._parsed.problems.append(Problem("data.duplicate-field", where, said))
            return
        except json.JSONDecodeError as error:
            self._parsed.problems.append(_broken_json(value, error.pos, where, indent))
            return
        except (RecursionError, ValueError):  # too deep, or a number of thousands of digits
            self._parsed.problems.append(_broken_json(value, 0, where, indent))
            return
        rest = value[end:].strip()
        if rest and rest != ",":
            at = value.index(rest, end)
            self._parsed.problems.append(
                _broken_json(value, at, where, indent, "broken-json-extra")
            )
            return
        self._parsed.records.append(Record(number, read))

    def _value(self, at: int) -> int | None:
        """Read the value at ``at``; its end, or None if it is broken."""
        where = Where(self._path, self._line_of(at))
        try:
            value, end = _DECODER.raw_decode(self._text, at)
        except _DuplicateKeyError as error:
            said: dict[str, object] = {"field": excerpt(str(error))}
            self._parsed.problems.append(Problem("data.duplicate-field", where, said))
            return int(_PLAIN_DECODER.raw_decode(self._text, at)[1])
        except json.JSONDecodeError as error:
            self._broken(error.pos, None)
            return None
        except (RecursionError, ValueError):
            self._broken(at, None)
            return None
        self._parsed.records.append(Record(where.line or 0, value))
        return end

    def _resume(self, at: int, indent: int | None) -> int | None:
        """Where the next element begins: the next line that opens an object like the first did."""
        if indent is None:
            return None
        found = re.compile(rf"\n[ \t]{{{indent}}}(?=[{{])").search(self._text, at)
        return None if found is None else found.end()

    def _broken(self, at: int, code: str | None) -> None:
        begin = self._text.rfind("\n", 0, at) + 1
        line = self._text[begin:].split("\n", 1)[0]
        where = Where(self._path, self._text.count("\n", 0, at) + 1)
        before = self._text[max(0, at - 200) : at]
        self._parsed.problems.append(_broken_json(line, at - begin, where, 0, code, before))

    def _space(self, at: int) -> int:
        while at < len(self._text) and self._text[at] in " \t\r\n":
            at += 1
        return at

    def _line_of(self, at: int) -> int:
        position, line = self._counted
        self._counted = (at, line + self._text.count("\n", position, at))
        return self._counted[1]


def _broken_json(
    line: str,
    at: int,
    where: Where,
    indent: int,
    code: str | None = None,
    before: str | None = None,
) -> Problem:
    """What is wrong at position ``at`` of ``line``, as far as the characters around it tell."""
    char = line[at : at + 1]
    last = (line[:at] if before is None else before).rstrip()[-1:]
    # In a string Python points at its beginning, so that its opening quote is what is found here.
    if code is None:
        if char in _WIDE:
            code = "broken-json-wide"
        elif char == "'":
            code = "broken-json-quote"
        elif char == '"' and last not in (",", "{", "[", ":", ""):
            code = "broken-json-no-comma"
        elif char == '"' and not _closed(line[at:]):
            code = "broken-json-open-string"
        elif _is_last_comma(char, last, line[at + 1 :]):
            code = "broken-json-comma"
        else:
            code = "broken-json"
    begin = max(0, at - 12)
    fields = {
        "column": at + indent + 1,
        "excerpt": ("…" if begin else "") + excerpt(line[begin:].rstrip(), 36),
        "found": excerpt(char),
        "wanted": _WIDE.get(char, "").replace(" ", "␣"),
    }
    return Problem(f"data.{code}", where, fields)


def _is_last_comma(char: str, last: str, rest: str) -> bool:
    """Python before 3.13 points at the bracket after a comma too many, later ones at the comma."""
    if char == ",":
        return last not in (",", ":", "[", "{") and rest.strip()[:1] in ("}", "]", "")
    return char in ("}", "]") and last == ","


def _closed(quoted: str) -> bool:
    return re.match(r'"(?:[^"\\]|\\.)*"', quoted) is not None


# --- tables ---


def _table(text: str, path: str, suffix: str) -> Parsed:
    first = text.split("\n", 1)[0]
    delimiter = "\t" if suffix == ".tsv" else ","
    if delimiter not in first and (other := {",": "\t", "\t": ","}[delimiter]) in first:
        delimiter = other
    try:
        rows = list(_cells(text, delimiter))
    except _BrokenTableError as error:
        # A tab-separated file often quotes nothing, and a text may begin with a quote.
        if delimiter == ",":
            return _failed("data.broken-csv", path, error.line, excerpt=error.excerpt)
        rows = [(n, line.split("\t")) for n, line in _lines(text) if line.strip()]
    if not rows:
        return Parsed()
    header, names = rows[0]
    parsed = Parsed(columns=tuple(name.strip() for name in names), header=header)
    columns = parsed.columns or ()
    twice = [column for i, column in enumerate(columns) if column and column in columns[:i]]
    if twice:
        fields: dict[str, object] = {"field": excerpt(twice[0])}
        parsed.problems.append(Problem("data.duplicate-column", Where(path, header), fields))
    for line, cells in rows[1:]:
        _table_row(parsed, line, cells, path)
    return parsed


def _table_row(parsed: Parsed, line: int, cells: list[str], path: str) -> None:
    names = parsed.columns or ()
    extra = any(cell.strip() for cell in cells[len(names) :])
    if extra or len(cells) < len(names):
        fields: dict[str, object] = {"expected": len(names), "found": len(cells)}
        code = "data.too-many-cells" if extra else "data.too-few-cells"
        parsed.problems.append(Problem(code, Where(path, line), fields))
        return
    parsed.records.append(Record(line, dict(zip(names, cells, strict=False))))


class _BrokenTableError(Exception):
    def __init__(self, line: int, text: str) -> None:
        self.line = line
        lines = text.split("\n")
        self.excerpt = excerpt(lines[line - 1].strip() if line <= len(lines) else "", 40)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        yield number, line.removesuffix("\r")


def _cells(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line each begins on; a quoted cell may go on over several."""
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise _BrokenTableError(begins, text) from None
        if any(cell.strip() for cell in cells):
            yield begins, cells
        begins = reader.line_num + 1


# --- Parquet ---


def _parquet(data: bytes, path: str) -> Parsed:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        return _failed("data.broken-parquet", path, detail=excerpt(str(error), 80))
    records = [Record(n, value) for n, value in enumerate(table.to_pylist(), start=1)]
    return Parsed(records, columns=tuple(table.column_names))
