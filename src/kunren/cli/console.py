"""What the commands share of the terminal: tables, bars, errors.

Results go to standard output; progress and messages go to standard error, so that output can be
piped. Colour and bars only where there is a terminal and NO_COLOR is not set (rich sees to it).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)
from rich.table import Table

from kunren.cli.wrapped import wrapped
from kunren.errors import KunrenError
from kunren.messages import text
from kunren.progress import Progress, Task

_Command = TypeVar("_Command", bound=Callable[..., Any])

_WIDEST = 400

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def format_option(*choices: str) -> Callable[[_Command], _Command]:
    """The option ``--format`` that every command has; json: machine-readable on stdout alone."""
    names = list(choices or ("text", "json"))
    return click.option(
        "--format",
        "format_",
        type=click.Choice(names),
        default=names[0],
        show_default=True,
        help=text("cli.option-format"),
    )


def show(*lines: str) -> None:
    """Print plain lines to standard output; nothing in them is markup."""
    for line in lines:
        out.print(escape(line))


def paragraph(said: str, indent: str = "", style: str = "") -> None:
    """Print plain text to standard output: broken into lines on a terminal, else as one line."""
    lines = wrapped(said, out.width, indent) if out.is_terminal else [indent + said]
    for line in lines:
        out.print(escape(line), style=style or None)


def say(line: str) -> None:
    """Print one plain line to standard error."""
    err.print(escape(line))


def emit_json(value: object) -> None:
    """Print one JSON value to standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def table(
    title: str | None,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    align: str | None = None,
) -> None:
    """Print a table to standard output.

    Args:
        title: above it.
        columns: headings.
        rows: cells.
        align: a letter a column, ``l`` or ``r``; None: all after the first are numbers, at the
            right.
    """
    made = Table(
        title=escape(title) if title else None,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=SIMPLE_HEAD,
    )
    for number, column in enumerate(columns):
        letter = align[number] if align else "l" if number == 0 else "r"
        side = "left" if letter == "l" else "right"
        made.add_column(escape(column), justify=side, no_wrap=True)  # type: ignore[arg-type]
    for row in rows:
        made.add_row(*(escape(cell) for cell in row))
    # As wide as it must be: numbers cut to fit the terminal would be worth nothing.
    Console(file=out.file, highlight=False, width=_WIDEST).print(made, crop=False)


def show_error(error: KunrenError) -> None:
    """Tell a user's error: one line a problem, without a traceback."""
    for problem in error.problems:
        err.print(f"[bold red]{escape(text('cli.error'))}[/] {escape(str(problem))}")


class _Bar:
    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, by: float = 1.0) -> None:
        self._bars.advance(self._task, by)

    def note(self, said: str) -> None:
        self._bars.update(self._task, note=said)


class _Quiet:
    """A stage where there is no terminal: its last note is kept for the closing line."""

    def __init__(self) -> None:
        self.last = ""

    def advance(self, by: float = 1.0) -> None:
        pass

    def note(self, said: str) -> None:
        self.last = said


class _Live:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    @contextmanager
    def stage(self, name: str, total: float | None) -> Iterator[Task]:
        task = self._bars.add_task(escape(name), total=total, note="")
        yield _Bar(self._bars, task)
        done = self._bars.tasks[self._bars.task_ids.index(task)].total or 1
        self._bars.update(task, total=done, completed=done)

    def say(self, line: str) -> None:
        self._bars.console.print(escape(line))


class _Lines:
    @contextmanager
    def stage(self, name: str, total: float | None) -> Iterator[Task]:
        begun = time.monotonic()
        quiet = _Quiet()
        count = "" if total is None else f" ({total:.0f})"
        err.print(escape(f"▶ {name}{count}"))
        yield quiet
        note = f"  {quiet.last}" if quiet.last else ""
        err.print(escape(f"  {name} {time.monotonic() - begun:.1f} s{note}"))

    def say(self, line: str) -> None:
        err.print(escape(line))


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars with the time left on a terminal; one line a stage elsewhere."""
    if not err.is_terminal:
        yield _Lines()
        return
    with Bars(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn(escape(text("cli.time-left"))),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
        console=err,
    ) as bars:
        yield _Live(bars)
