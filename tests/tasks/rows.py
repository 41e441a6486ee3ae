"""Rows for the tests of tasks."""

from __future__ import annotations

from kunren.types import Message, Role, Row, Where


def chat(*turns: str, line: int = 1, system: str | None = None, **fields: str) -> Row:
    """A row: user and assistant in turn; ``fields`` are its other columns."""
    roles: list[Role] = ["user", "assistant"]
    messages = [Message(roles[n % 2], content) for n, content in enumerate(turns)]
    if system is not None:
        messages.insert(0, Message("system", system))
    return Row(f"rows.jsonl:{line}", tuple(messages), Where("rows.jsonl", line), fields)


def contents(row: Row) -> list[tuple[str, str]]:
    """Who says what."""
    return [(message.role, message.content) for message in row.messages]
