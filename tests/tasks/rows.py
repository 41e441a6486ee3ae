"""Rows for the tests of tasks."""

from __future__ import annotations

from kunren.types import Message, Role, Row, Where


def chat(*turns: str, line: int = 1, system: str | None = None, **fields: str) -> Row:
    """A row: user and assistant in turn; ``fields`` are its other columns.

    One with a system prompt was a conversation in its file.
    """
    roles: list[Role] = ["user", "assistant"]
    messages = [Message(roles[n % 2], content) for n, content in enumerate(turns)]
    if system is not None:
        messages.insert(0, Message("system", system))
    where = Where("rows.jsonl", line)
    return Row(where.path + f":{line}", tuple(messages), where, fields, chat=system is not None)


def contents(row: Row) -> list[tuple[str, str]]:
    """Who says what."""
    return [(message.role, message.content) for message in row.messages]
