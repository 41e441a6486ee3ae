"""How a row becomes a prompt, the same for every task: system prompt and template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from kunren.config.schema import TaskConfig
from kunren.data.records import LIST_SEPARATOR
from kunren.errors import Problem
from kunren.tasks.templates import LABELS, TEXT, missing_field, names, render, template_problems
from kunren.types import Message, Row


def is_flat(row: Row) -> bool:
    """Whether a row is one question, with or without its answer, and gets the template.

    The file may have been a chat all the same. A chat with a system prompt of its own is kept as it
    is; beside a flat row's text the system prompt was a column.
    """
    roles = [m.role for m in row.messages]
    if roles[:1] == ["system"] and not row.chat:
        roles = roles[1:]
    return roles in (["user"], ["user", "assistant"])


def prepared(rows: Sequence[Row], config: TaskConfig, answer: Callable[[str], str]) -> list[Row]:
    """Rows with the system prompt and the template, and each answer in its one form.

    Call it once: the template would be applied again.

    Args:
        rows: as they were read.
        config: whose ``system`` and ``template`` count.
        answer: an assistant turn as it was read → as the model is to write it.

    Raises:
        InputError: the template names a field that a row has not; ``problems`` tells that before.
    """
    plain = config.template == f"{{{TEXT}}}"
    system = Message("system", config.system) if config.system else None
    thinks = config.kind == "answer"

    @lru_cache(maxsize=1 << 12)
    def written(said: Message) -> Message:
        if not said.is_answer:
            return said
        return replace(said, content=answer(said.content), reasoning=said.reasoning * thinks)

    found = []
    for row in rows:
        templated = not plain and is_flat(row)
        messages = [
            replace(m, content=render(config.template, m.content, row.fields))
            if templated and m.role == "user"
            else written(m)
            for m in row.messages
        ]
        if system is not None and messages[0].role != "system":
            messages.insert(0, system)
        found.append(replace(row, messages=tuple(messages)))
    return found


def compared(rows: Iterable[Row], config: TaskConfig) -> list[Row]:
    """Rows as they are told apart: by all that the template gives the model to read, and no more.

    The user turn of a flat row holds its text and columns in the template's order, without the
    template's words, which all rows share. Rows of a template that names the text alone are as they
    were read.
    """
    used = () if template_problems(config.template) else names(config.template)
    read = [name for name in used if name != LABELS]
    if read in ([], [TEXT]):
        return list(rows)

    def of(row: Row) -> Row:
        if not is_flat(row):
            return row
        messages = tuple(
            replace(m, content="\n".join(_value(row, m, name) for name in read))
            if m.role == "user"
            else m
            for m in row.messages
        )
        return replace(row, messages=messages, fields={})

    return [of(row) for row in rows]


def _value(row: Row, asked: Message, name: str) -> str:
    return asked.content if name == TEXT else row.fields.get(name, "")


def columns(config: TaskConfig) -> tuple[str, ...]:
    """The columns that the template names: those that are for it to read.

    None of a template that makes no sense; ``problems`` tells of that.
    """
    if template_problems(config.template):
        return ()
    return tuple(name for name in names(config.template) if name not in (TEXT, LABELS))


def problems(rows: Sequence[Row], config: TaskConfig) -> list[Problem]:
    """What is wrong with the template for these rows, as they were read."""
    found = template_problems(config.template)
    if found:
        return found
    flat = [row for row in rows if is_flat(row)]
    for name in names(config.template):
        if name in (TEXT, LABELS):
            continue
        without = [row for row in flat if name not in row.fields]
        if without and len(without) == len(flat):
            found.append(missing_field(name, without[0].fields))
        elif without:
            found += [replace(missing_field(name, row.fields), where=row.where) for row in without]
        elif flat and all(row.fields[name] == _answer(row) for row in flat):
            found.append(Problem("task.template-gives-answer", fields={"name": name}))
    return found


def _answer(row: Row) -> str:
    return row.messages[-1].content.replace(LIST_SEPARATOR, "、")
