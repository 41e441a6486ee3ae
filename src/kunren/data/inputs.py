"""Texts to predict, line by line, from files that may have bad lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from kunren.config.schema import Fields
from kunren.data.records import fields_of
from kunren.errors import InputError, Problem
from kunren.types import Message, Where

InputFormat = Literal["jsonl", "csv", "tsv", "lines"]
_BY_SUFFIX: Mapping[str, InputFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
}


@dataclass(frozen=True, slots=True)
class Input:
    """One thing to predict, and the line (from 1) that it begins at.

    ``fields`` are all its columns, as text, for prompt templates, as ``Row.fields`` are.
    """

    line: int
    id: str | None
    messages: tuple[Message, ...]
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that could not be read, and why."""

    line: int
    problem: Problem


class _UnreadableError(Exception):
    def __init__(self, code: str, **fields: object) -> None:
        self.problem = Problem(code, fields=fields)


def read_inputs(
    stream: IO[bytes], name: str, fields: Fields, format_: InputFormat | None = None
) -> Iterator[Input | BadLine]:
    """Read texts or conversations, one an output item, in the order of the file.

    Without ``format_`` the file name's ending decides; where it says nothing, a first line that
    begins with ``{`` means JSONL, anything else one text a line. Blank lines are passed over, but
    counted. A conversation's last assistant turn, if it stands at the end, is left out: that is
    what is to be predicted.

    Raises:
        InputError: a CSV or TSV file has no text column.
    """
    # surrogateescape keeps a line with broken bytes apart from the good ones around it.
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    chosen = format_ or _BY_SUFFIX.get(Path(name).suffix.lower())
    if chosen in ("csv", "tsv"):
        yield from _table(lines, name, fields, "," if chosen == "csv" else "\t")
        return
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line:
            continue
        if chosen is None:
            chosen = "jsonl" if line.startswith("{") else "lines"
        try:
            _check_bytes(line)
            record = json.loads(line) if chosen == "jsonl" else {fields.text: line}
            yield _input(number, record, fields)
        except json.JSONDecodeError as error:
            yield BadLine(number, Problem("cli.predict-not-json", fields={"detail": error.msg}))
        except _UnreadableError as error:
            yield BadLine(number, error.problem)


def _table(
    lines: Iterable[str], name: str, fields: Fields, delimiter: str
) -> Iterator[Input | BadLine]:
    reader = csv.reader(lines, delimiter=delimiter)
    header = next(reader, [])
    if fields.text not in header:
        said = {"field": fields.text, "found": "、".join(header) or "-"}
        raise InputError(Problem("cli.predict-no-column", Where(name, 1), said))
    begins = reader.line_num + 1
    for cells in reader:
        line, begins = begins, reader.line_num + 1
        if not cells:
            continue
        try:
            _check_bytes("".join(cells))
            yield _input(line, dict(zip(header, cells, strict=False)), fields)
        except _UnreadableError as error:
            yield BadLine(line, error.problem)


def _check_bytes(text: str) -> None:
    if any("\udc80" <= c <= "\udcff" for c in text):
        raise _UnreadableError("cli.predict-not-utf8")


def _input(line: int, record: object, fields: Fields) -> Input:
    if not isinstance(record, dict):
        raise _UnreadableError("cli.predict-not-json", detail=type(record).__name__)
    known = record.get(fields.id)
    name = None if known is None else str(known)
    return Input(line, name, _messages(record, fields), fields_of(record, fields))


def _messages(record: Mapping[str, object], fields: Fields) -> tuple[Message, ...]:
    if isinstance(turns := record.get(fields.messages), list):
        return _conversation(turns, fields)
    if fields.text not in record:
        raise _UnreadableError(
            "cli.predict-no-text", field=fields.text, found="、".join(map(str, record)) or "-"
        )
    text = record[fields.text]
    if not isinstance(text, str) or not text.strip():
        raise _UnreadableError("cli.predict-empty")
    return (Message("user", text),)


def _conversation(turns: Sequence[object], fields: Fields) -> tuple[Message, ...]:
    messages = []
    for turn in turns:
        spoken = turn if isinstance(turn, dict) else {}
        role, content = spoken.get("role"), spoken.get("content")
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise _UnreadableError(
                "cli.predict-no-text", field=fields.messages, found=str(turn)[:40]
            )
        messages.append(Message(role, content))
    if messages and messages[-1].role == "assistant":
        messages.pop()
    if not messages or not messages[-1].content.strip():
        raise _UnreadableError("cli.predict-empty")
    return tuple(messages)
