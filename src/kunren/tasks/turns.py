"""The answers in a row: its assistant turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kunren.types import Item, Message, Row


def answers(row: Row) -> list[str]:
    """What the assistant says in a row, turn by turn."""
    return [message.content for message in row.messages if message.role == "assistant"]


def with_answers(row: Row, said: Sequence[str]) -> Row:
    """The row with other answers, one an assistant turn."""
    left = iter(said)
    messages = [Message(m.role, next(left)) if m.role == "assistant" else m for m in row.messages]
    return replace(row, messages=tuple(messages))


def items(rows: Sequence[Row], labels: Callable[[str], tuple[str, ...]]) -> list[Item]:
    """One item an assistant turn, its context being all messages before it.

    Its id is the row's; in a row with several, ``#1``, ``#2``, … are added.

    Args:
        rows: prepared rows.
        labels: the labels that an answer means.
    """
    found = []
    for row in rows:
        turns = [n for n, message in enumerate(row.messages) if message.role == "assistant"]
        for number, turn in enumerate(turns, start=1):
            name = row.id if len(turns) == 1 else f"{row.id}#{number}"
            said = row.messages[turn].content
            found.append(Item(name, row.id, row.messages[:turn], said, labels(said)))
    return found
