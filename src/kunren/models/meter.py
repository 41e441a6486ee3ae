"""How many tokens go through the models while somebody counts.

A family says what a call computed; whoever measures opens ``counting``. Nothing is counted
otherwise, and no signature has to carry a counter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Tokens:
    """Tokens that went through a model; padding is none.

    Attributes:
        read: of prompts (what a batch shares and computes once, once) and of labels to be scored.
        written: of answers, each with the token that ended it.
    """

    read: int = 0
    written: int = 0


_counted: ContextVar[Tokens | None] = ContextVar("counted", default=None)


@contextmanager
def counting() -> Iterator[Tokens]:
    """Count what is read and written within."""
    tokens = Tokens()
    token = _counted.set(tokens)
    try:
        yield tokens
    finally:
        _counted.reset(token)


def count(read: int = 0, written: int = 0) -> None:
    """Say that so many tokens were read and written."""
    tokens = _counted.get()
    if tokens is not None:
        tokens.read += read
        tokens.written += written
