"""What was understood of a file without being told: facts that are shown once and recorded.

A note is a ``Problem`` of which nothing is wrong: a code, a place, and numbers. It says what was
read as what, and how many rows that was, so that nobody has to wonder, and nothing is read
otherwise, joined or left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from kunren.data.texts import garbled
from kunren.errors import Problem
from kunren.messages import text
from kunren.types import Where

_LISTED = 8


@dataclass(slots=True)
class Notes:
    """Counts what is to be noted of the records of one file.

    A field that is a tuple is no part of what makes two notes the same: its values are put
    together.
    """

    path: str
    _found: dict[tuple[object, ...], _Counted] = field(default_factory=dict)

    def add(self, code: str, line: int | None, **fields: str | int | tuple[str, ...]) -> None:
        """One more record of which ``notes.<code>`` is true."""
        plain = {name: value for name, value in fields.items() if not isinstance(value, tuple)}
        key = (code, *plain.items())
        counted = self._found.setdefault(key, _Counted(code, plain, line))
        counted.rows += 1
        for name, value in fields.items():
            if isinstance(value, tuple):
                counted.together.setdefault(name, {}).update(dict.fromkeys(value))

    def problems(self) -> list[Problem]:
        """One a kind, with ``rows``, how many records it is true of, and ``line``, the first."""
        return [
            Problem(
                f"notes.{one.code}",
                Where(self.path),
                {
                    **one.fields,
                    **{name: list(values) for name, values in one.together.items()},
                    "rows": one.rows,
                    "line": one.line,
                },
            )
            for one in self._found.values()
        ]


@dataclass(slots=True)
class _Counted:
    code: str
    fields: Mapping[str, str | int]
    line: int | None
    rows: int = 0
    together: dict[str, dict[str, None]] = field(default_factory=dict)


@dataclass(slots=True)
class RecordLog:
    """What is wrong with a record, and what is to be noted of it."""

    where: Where
    notes: Notes
    problems: list[Problem] = field(default_factory=list)
    _noted: list[tuple[str, dict[str, str | int | tuple[str, ...]]]] = field(default_factory=list)

    def wrong(self, name: str, **fields: object) -> None:
        """A problem with the record."""
        self.problems.append(Problem(f"data.{name}", self.where, fields))

    def note(self, code: str, **fields: str | int | tuple[str, ...]) -> None:
        """Something to be noted, once a record."""
        if (code, fields) not in self._noted:
            self._noted.append((code, fields))

    def keep(self) -> None:
        """Count what was noted: the record is read."""
        for code, fields in self._noted:
            self.notes.add(code, self.where.line, **fields)

    def readable(self, text: str, field_: str) -> bool:
        """Whether a text is none that is garbled; else that is a problem."""
        bad = garbled(text)
        if bad is not None:
            self.wrong(bad[0], field=field_, **bad[1])
        return bad is None


def said(note: Problem) -> str:
    """A note in the reader's language, with its place."""
    fields = {
        name: text("notes.between").join(_shortened(value)) if isinstance(value, list) else value
        for name, value in note.fields.items()
    }
    told = text(note.code, **fields)
    return told if note.where is None else f"{note.where}: {told}"


def as_json(notes: Iterable[Problem]) -> list[dict[str, Any]]:
    """Notes as plain values. Of a place only the file's name is kept: records name no folders."""
    return [
        {
            "code": note.code,
            "file": None if note.where is None else PurePath(note.where.path).name,
            "line": None if note.where is None else note.where.line,
            "fields": dict(note.fields),
        }
        for note in notes
    ]


def from_json(said: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Notes from plain values."""
    return [
        Problem(
            one["code"],
            None if one["file"] is None else Where(one["file"], one["line"]),
            one["fields"],
        )
        for one in said
    ]


def _shortened(values: Sequence[object]) -> list[str]:
    shown = [str(value) for value in values[:_LISTED]]
    return shown if len(values) <= _LISTED else [*shown, "…"]
