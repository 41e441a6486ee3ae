"""Rows that are the same but for spelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kunren.data.normalize import normalize
from kunren.errors import Problem
from kunren.textfile import excerpt
from kunren.types import Row, Where


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


def without_overlaps(
    files: Mapping[str, Sequence[Row]],
) -> tuple[dict[str, frozenset[str]], list[Problem]]:
    """Which rows to leave out, so that none stands in two files: never one of a later file.

    Args:
        files: "train", "validation" and "test", those that there are, in this order → rows as they
            are compared.

    Returns:
        File → ids of its rows to leave out, and a note for each file that loses any (a problem,
        where it loses all).
    """
    left_out: dict[str, frozenset[str]] = {}
    notes: list[Problem] = []
    names = list(files)
    for place, name in enumerate(names):
        held = {whole(row) for later in names[place + 1 :] for row in files[later]}
        found = [row for row in files[name] if whole(row) in held] if held else []
        left_out[name] = frozenset(row.id for row in found)
        if found:
            lines = excerpt("、".join(str(row.where.line) for row in found[:10]), 80)
            said: dict[str, object] = {"file": name, "rows": len(found), "lines": lines}
            whole_file = len(found) == len(files[name])
            code = "data.all-in-two-files" if whole_file else "notes.overlap-dropped"
            notes.append(Problem(code, Where(found[0].where.path), said))
    return left_out, notes


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
