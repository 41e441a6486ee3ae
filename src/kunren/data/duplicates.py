"""Rows that are the same but for spelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kunren.data.normalize import normalize
from kunren.errors import Problem
from kunren.types import Row


def question(row: Row) -> tuple[str, ...]:
    """What a row asks, normalised: all that is said in it but the answers."""
    return tuple(f"{m.role}\0{normalize(m.content)}" for m in row.messages if m.role != "assistant")


def whole(row: Row) -> tuple[str, ...]:
    """A whole row, normalised. The system prompt is no part of what makes a row a row."""
    return tuple(f"{m.role}\0{normalize(m.content)}" for m in row.messages if m.role != "system")


def groups(rows: Sequence[Row]) -> list[tuple[Row, ...]]:
    """Rows that ask the same, together, in the order of their first ones."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(question(row), []).append(row)
    return [tuple(group) for group in found.values()]


def overlaps(files: Mapping[str, Sequence[Row]]) -> list[Problem]:
    """Rows, question and answer, that stand in two files.

    A test row that was trained on measures memory. The same question with another answer is not
    told here: it gives nothing away.

    Args:
        files: the config's name of each file → its rows.
    """
    if len(files) < 2:
        return []
    first: dict[tuple[str, ...], tuple[str, Row]] = {}
    problems = []
    for name, rows in files.items():
        for row in rows:
            file, other = first.setdefault(whole(row), (name, row))
            if file != name:
                fields: dict[str, object] = {"file": file, "other": other.where}
                problems.append(Problem("data.in-two-files", row.where, fields))
    return problems
