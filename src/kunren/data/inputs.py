"""What is to be predicted: the records of a file, no answer required, some of which may be bad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kunren.data.columns import Wanted
from kunren.data.formats import Form, Record, parse
from kunren.data.normalize import is_blank
from kunren.data.notes import Notes
from kunren.data.read import capped
from kunren.data.records import Manner, read_record
from kunren.errors import InputError, Problem
from kunren.types import Message, Where


@dataclass(frozen=True, slots=True)
class Input:
    """One thing to predict, and the line (from 1) that it begins at.

    ``fields`` and ``chat`` are as those of a ``Row``.
    """

    line: int
    id: str | None
    messages: tuple[Message, ...]
    fields: Mapping[str, str] = field(default_factory=dict)
    chat: bool = False


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that could not be read, why, and its id if it has one."""

    line: int
    problem: Problem
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a file asks, in its order, and how it was read."""

    rows: tuple[Input | BadLine, ...]
    notes: tuple[Problem, ...] = ()


def read_inputs(data: bytes, name: str, manner: Manner, form: Form | None = None) -> Inputs:
    """Read texts or conversations from what a file holds, in the order of the file.

    Read as by every other command (see ``formats.parse``); besides, the lines of a file that is
    nothing else are texts. Its blank lines are passed over, but counted.

    Args:
        data: what the file holds.
        name: as it is shown; ``-`` is standard input.
        manner: how its records are to be read, without their answers.
        form: what it is, where the user says so.

    Raises:
        InputError: nothing can be read, or no record has the text column.
    """
    fields, notes = manner.fields, Notes(name)
    parsed = parse(data, name, Wanted.of(fields, ("text",)), plain=True, form=form)
    lines = [problem.where.line if problem.where else None for problem in parsed.problems]
    of_file = [n for n, line in enumerate(lines) if line is None or line == parsed.header]
    if of_file or not parsed.records:
        problems = [parsed.problems[n] for n in of_file] or parsed.problems
        raise InputError(capped(problems or [Problem("data.no-rows", Where(name))]))
    if parsed.plain:
        texts = [(record.line, str(record.value).strip()) for record in parsed.records]
        records = [Record(n, {fields.text: text}) for n, text in texts if not is_blank(text)]
    else:
        records = parsed.records
    rows = [_row(record, manner, name, notes) for record in records]
    if not rows:
        raise InputError(Problem("data.empty-file", Where(name)))
    _see_that_any_has_text(rows, name, parsed.header)
    bad = [BadLine(line or 0, _bare(p)) for line, p in zip(lines, parsed.problems, strict=True)]
    ordered = sorted([*rows, *bad], key=lambda one: one.line)
    return Inputs(tuple(ordered), (*parsed.notes, *notes.problems()))


def _row(record: Record, manner: Manner, name: str, notes: Notes) -> Input | BadLine:
    content = read_record(record.value, manner, Where(name, record.line), notes)
    known = record.value.get(manner.fields.id) if isinstance(record.value, dict) else None
    id_ = str(known).strip() if isinstance(known, str | int) else ""
    if content.problems:
        return BadLine(record.line, _bare(content.problems[0]), id_ or None)
    return Input(record.line, id_ or None, content.messages, content.fields, content.chat)


def _bare(problem: Problem) -> Problem:
    """A problem without its place, which stands beside it, and for who has no config at hand."""
    fields = problem.fields
    return Problem(problem.code, fields={**fields, "key": "--field"} if "key" in fields else fields)


def _see_that_any_has_text(rows: Sequence[Input | BadLine], name: str, header: int | None) -> None:
    """A column that no record has is a wrong name, not many wrong records."""
    lacking = [
        one.problem
        for one in rows
        if isinstance(one, BadLine) and one.problem.code.startswith("data.missing-field")
    ]
    if len(lacking) == len(rows):
        near = lacking[0].fields.get("nearest")
        code = "cli.predict-no-column" if near is None else "cli.predict-no-column-near"
        raise InputError(Problem(code, Where(name, header), lacking[0].fields))
