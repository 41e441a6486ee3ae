"""The answers in a row: its assistant turns, but for those that are only read as context."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kunren.types import Item, Row


def answers(row: Row) -> list[str]:
    """What the assistant is to say in a row, turn by turn."""
    return [message.content for message in row.messages if message.is_answer]


def with_answers(row: Row, said: Sequence[str]) -> Row:
    """The row with other answers, one a turn that is one."""
    left = iter(said)
    messages = [replace(m, content=next(left)) if m.is_answer else m for m in row.messages]
    return replace(row, messages=tuple(messages))


def items(rows: Sequence[Row], labels: Callable[[str], tuple[str, ...]]) -> list[Item]:
    """One item an answer, its context being all messages before it.

    Assistant turns of weight 0 are context alone: they are neither trained on nor predicted. Its id
    is the row's; in a row with several, ``#1``, ``#2``, … are added.

    Args:
        rows: prepared rows.
        labels: the labels that an answer means.
    """
    found = []
    for row in rows:
        turns = [n for n, message in enumerate(row.messages) if message.is_answer]
        for number, turn in enumerate(turns, start=1):
            name = row.id if len(turns) == 1 else f"{row.id}#{number}"
            said = row.messages[turn]
            found.append(
                Item(
                    id=name,
                    row_id=row.id,
                    context=row.messages[:turn],
                    answer=said.content,
                    labels=labels(said.content),
                    weight=said.weight,
                    thinks=bool(said.reasoning),
                )
            )
    return found
