"""How a stage tells that it moves on, without knowing who looks.

The command line draws bars from this; a library user may pass nothing and hears nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Task(Protocol):
    """One bar."""

    def advance(self, by: float = 1.0) -> None:
        """Move on by ``by`` of the total."""

    def note(self, said: str) -> None:
        """Show a short text beside the bar, such as the current loss."""


class Progress(Protocol):
    """Something that can show bars and lines."""

    @contextmanager
    def stage(self, name: str, total: float | None) -> Iterator[Task]:
        """Open a bar named ``name`` (already in the user's language); None: length unknown."""

    def say(self, line: str) -> None:
        """Print one line above the bars."""


class _SilentTask:
    def advance(self, by: float = 1.0) -> None:
        pass

    def note(self, said: str) -> None:
        pass


class Silent:
    """A Progress that shows nothing."""

    @contextmanager
    def stage(self, name: str, total: float | None) -> Iterator[Task]:  # noqa: ARG002
        """Open nothing."""
        yield _SilentTask()

    def say(self, line: str) -> None:
        """Say nothing."""
