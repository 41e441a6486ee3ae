"""How a row becomes a prompt, the same for every task: system prompt and template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from kunren.config.schema import TaskConfig
from kunren.data.records import LIST_SEPARATOR
from kunren.errors import Problem
from kunren.tasks.templates import LABELS, TEXT, missing_field, names, render, template_problems
from kunren.types import Message, Row


def is_flat(row: Row) -> bool:
    """Whether a row is one question, with or without its answer, and gets the template.

    The file may have been a chat all the same. A row with a system prompt of its own is kept as it
    is.
    """
    return [m.role for m in row.messages] in (["user"], ["user", "assistant"])


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
    written = lru_cache(maxsize=1 << 12)(lambda said: Message("assistant", answer(said)))
    found = []
    for row in rows:
        first, *others = row.messages
        if not plain and is_flat(row):
            first = Message("user", render(config.template, first.content, row.fields))
        messages = [written(m.content) if m.role == "assistant" else m for m in (first, *others)]
        if system is not None and first.role != "system":
            messages.insert(0, system)
        found.append(Row(row.id, tuple(messages), row.where, row.fields, row.group))
    return found


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
