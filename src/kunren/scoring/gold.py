"""The gold rows of a file: what is asked, by which task, and what the closed set is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from kunren.config.schema import Labels, TaskConfig
from kunren.data.answers import AnswerFile
from kunren.data.emoji import is_emoji, split_emoji
from kunren.data.normalize import is_blank
from kunren.data.records import LIST_SEPARATOR
from kunren.errors import Problem
from kunren.tasks import Task
from kunren.tasks.labels import by_frequency
from kunren.types import Item, Message, Row, Where

LabelKind = Literal["auto", "text", "emoji"]

_NOT_WRONG = {"data.one-label", "data.one-answer"}
"""What is wrong with rows to train on, but not with rows to score on."""


def told_kind(gold: AnswerFile) -> Literal["classify", "tag", "answer"]:
    """What kind of answers a file has, by how they are written.

    Sets where any is a list or several emoji, single labels where they repeat, else free text.
    """
    answers = [one.answer for one in gold.given if one.answer]
    if any(LIST_SEPARATOR in answer for answer in answers):
        return "tag"
    pieces = [split_emoji(answer) for answer in answers]
    if answers and all(all(map(is_emoji, found)) for found in pieces):
        return "tag" if any(len(found) > 1 for found in pieces) else "classify"
    if any(one.messages for one in gold.given):
        return "answer"
    return "classify" if 2 * len(set(answers)) <= len(answers) else "answer"


def with_kind(task: TaskConfig, kind: LabelKind, gold: AnswerFile) -> TaskConfig:
    """The task with the kind of its labels decided: "auto" is emoji where all gold labels are."""
    if task.kind == "answer":
        return task
    if kind == "auto":
        answers = [one.answer for one in gold.given if one.answer]
        answers += [m.content for one in gold.given for m in one.messages if m.role == "assistant"]
        pieces = [p for answer in answers for p in split_emoji(answer.replace(LIST_SEPARATOR, ""))]
        kind = "emoji" if pieces and all(map(is_emoji, pieces)) else "text"
    labels = Labels.model_validate(task.labels.model_dump() | {"kind": kind})
    return task.model_copy(update={"labels": labels})


def rows_of(gold: AnswerFile) -> list[Row]:
    """The gold answers as rows; their text is empty where the file has none."""
    on_line = Counter(one.where.line for one in gold.given)
    rows = []
    for number, one in enumerate(gold.given, start=1):
        line = f"{Path(gold.path).name}:{one.where.line}"
        name = line if on_line[one.where.line] == 1 else f"{line}[{number}]"
        flat = (Message("user", one.text), Message("assistant", one.answer or ""))
        rows.append(Row(one.id or name, one.messages or flat, one.where, chat=bool(one.messages)))
    return rows


def closed_rows(labels: Sequence[str]) -> list[Row]:
    """The labels of ``--labels``, one a row, so that the task checks and reads them as any."""
    where = Where("--labels")
    return [Row(label, (Message("assistant", label),), where) for label in labels]


def is_answered(row: Row) -> bool:
    """Whether a row has an answer at all."""
    return any(m.role == "assistant" and not is_blank(m.content) for m in row.messages)


def problems(
    task: Task, gold: Sequence[Row], train: Sequence[Row], closed: Sequence[Row]
) -> list[Problem]:
    """What is wrong with the answers of gold and training rows, and with the closed set.

    A gold set may be empty; a single label or a text may not.
    """
    empty = [row for row in gold if not is_answered(row)]
    found = [] if task.answers == "set" else [Problem("score.gold-empty", r.where) for r in empty]
    rows = [*closed, *train, *(row for row in gold if is_answered(row))]
    return found + [p for p in task.problems(rows) if p.code not in _NOT_WRONG]


def items_of(task: Task, rows: Sequence[Row], gold: AnswerFile) -> tuple[list[Item], list[Where]]:
    """The gold items, in the file's order, and where each stands."""
    items = task.items(task.prepare(rows))
    found = {row.id: (row, one) for row, one in zip(rows, gold.given, strict=True)}
    places = [found[item.row_id][0].where for item in items]
    return [replace(i, row_id=found[i.row_id][1].row_id or i.row_id) for i in items], places


def closed_set(task: Task, closed: Sequence[Row], items: Sequence[Item]) -> tuple[str, ...]:
    """The labels of ``--labels`` in their order, or those of the items, the commonest first."""
    if closed:
        return tuple(dict.fromkeys(label for row in closed for label in task.labels([row])))
    return by_frequency(Counter(label for item in items for label in item.labels))
