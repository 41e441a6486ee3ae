"""What the answers of a file as a whole tell of how its labels are written.

Of one cell it cannot be said whether ``悲しみ;驚き`` is one label or two, and whether ``1.0`` is a
version or a class that pandas wrote. Of a column it can. What is decided here goes into the config,
so that a run, its record and its predictions agree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set

from kunren.config.schema import Labels, TaskConfig
from kunren.data.cells import structure
from kunren.data.normalize import is_blank, normalize
from kunren.data.records import LIST_SEPARATOR
from kunren.errors import Problem
from kunren.tasks.labels import whole_number
from kunren.tasks.separators import COMMAS, pieces_of, separator_of
from kunren.tasks.turns import answers
from kunren.textfile import excerpt
from kunren.types import Row, Where

NONE_WORDS = ("なし", "該当なし", "（なし）")
"""What is written where no label applies: the first that is no label itself."""

_VISIBLE: Mapping[str, str] = {"\t": "\\t", "\n": "\\n", " ": "␣"}
_MARKS = (",", "、", ";", "|", "／", "/")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def settle(config: TaskConfig, rows: Sequence[Row]) -> tuple[TaskConfig, tuple[Problem, ...]]:
    """The task with what its config leaves to the data, and what is to be noted of that.

    Args:
        config: of the task.
        rows: all rows as they were read, of all files.
    """
    if config.kind == "answer" or not rows:
        return config, ()
    given = Counter(answer for row in rows for answer in answers(row))
    where = Where(rows[0].where.path)
    labels, notes = config.labels, []
    if config.kind == "tag":
        notes += _written_lists(given, where)
    if config.kind == "tag" and labels.kind == "text":
        labels, found = _with_separator(labels, given, where)
        notes += found
    cells: Counter[str] = Counter()
    for answer, count in given.items():
        for cell in _cells(answer, config, labels):
            cells[cell] += count
    labels, found = _with_numbers(labels, cells, where)
    notes += found
    if config.kind == "tag":
        labels, found = _with_none(labels, given, cells, where)
        notes += found
    return config.model_copy(update={"labels": labels}), tuple(notes)


def written_list(answer: str) -> list[str] | None:
    """The labels of a list that is written out as text; None where the text is none.

    ``(笑)`` and ``[A]`` are labels, ``['A']`` is a list.
    """
    if not answer.lstrip().startswith(("[", "{", "set()")):
        return None
    listed = structure(answer)
    if not isinstance(listed, list):
        return None
    named = [str(one) for one in listed if isinstance(one, str | int | float)]
    if len(named) < len(listed) or any(map(is_blank, named)):
        return None
    return [one.lower() if one in ("True", "False") else one for one in named]


def _cells(answer: str, config: TaskConfig, labels: Labels) -> list[str]:
    """The labels of an answer as they stand."""
    if config.kind == "classify":
        return [answer.strip()]
    listed = written_list(answer)
    return pieces_of(answer, labels) if listed is None else listed


def _written_lists(given: Counter[str], where: Where) -> list[Problem]:
    written = {answer: count for answer, count in given.items() if written_list(answer)}
    if not written:
        return []
    said: dict[str, object] = {"example": excerpt(next(iter(written)))}
    return [Problem("notes.written-list", where, said | {"rows": sum(written.values())})]


def _with_separator(
    labels: Labels, given: Counter[str], where: Where
) -> tuple[Labels, list[Problem]]:
    """What separates labels, if any row has several in one text."""
    texts = {
        answer: count
        for answer, count in given.items()
        if LIST_SEPARATOR not in answer and not is_blank(answer) and written_list(answer) is None
    }
    if labels.separator is None:
        found = separator_of(texts)
        if found is not None and found.name != COMMAS:
            labels = labels.model_copy(update={"separator": found.written})
    parted = [(pieces_of(text, labels), count) for text, count in texts.items()]
    several = sum(count for pieces, count in parted if len(pieces) > 1)
    if not several:
        return labels, []
    known = {piece for pieces, _ in parted for piece in pieces}
    shown = labels.separator or "、"
    shown = _VISIBLE.get(shown, shown)
    said: dict[str, object] = {"separator": shown, "rows": several, "labels": len(known)}
    notes = [Problem("notes.separator", where, said)]
    return labels, notes + _left(parted, shown, known, where)


def _left(
    parted: Sequence[tuple[Sequence[str], int]], separator: str, known: Set[str], where: Where
) -> list[Problem]:
    """That labels still hold another mark, between what are labels elsewhere."""
    for other in _MARKS:
        kept = [
            (piece, count)
            for pieces, count in parted
            for piece in pieces
            if other in piece and all(part.strip() in known for part in piece.split(other))
        ]
        if kept:
            said: dict[str, object] = {"other": other, "separator": separator}
            said |= {"rows": sum(count for _, count in kept), "example": excerpt(kept[0][0])}
            return [Problem("notes.separator-left", where, said)]
    return []


def _with_numbers(
    labels: Labels, cells: Counter[str], where: Where
) -> tuple[Labels, list[Problem]]:
    """Whether ``1.0`` is ``1``."""
    rewritten = {cell: whole for cell in cells if (whole := whole_number(cell)) is not None}
    if not rewritten:
        return labels, []
    if labels.whole_numbers is None:
        numbers = [cell for cell in cells if _NUMBER.fullmatch(cell)]
        fractions = [n for n in numbers if n not in rewritten and ("." in n or "e" in n.lower())]
        twice = any(whole in cells for whole in rewritten.values())
        labels = labels.model_copy(update={"whole_numbers": twice or not fractions})
    if not labels.whole_numbers:
        return labels, []
    both = [cell for cell, whole in rewritten.items() if whole in cells]
    written = max(both or rewritten, key=lambda cell: cells[cell])
    said: dict[str, object] = {
        "written": written,
        "label": rewritten[written],
        "rows": sum(cells[cell] for cell in rewritten),
    }
    return labels, [Problem(f"notes.{'same' if both else 'whole'}-number", where, said)]


def _with_none(
    labels: Labels, given: Counter[str], cells: Counter[str], where: Where
) -> tuple[Labels, list[Problem]]:
    """What a model writes for an empty set, if there are any."""
    empty = sum(
        count
        for answer, count in given.items()
        if is_blank(answer) or answer.strip() == labels.none or written_list(answer) == []
    )
    if labels.none is None and empty:
        known = set(map(normalize, cells))
        word = next((word for word in NONE_WORDS if normalize(word) not in known), NONE_WORDS[-1])
        labels = labels.model_copy(update={"none": word})
    if not empty:
        return labels, []
    said: dict[str, object] = {"none": labels.none, "rows": empty}
    return labels, [Problem("notes.empty-sets", where, said)]
