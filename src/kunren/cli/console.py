"""What the commands share of the terminal: tables, bars, errors. Nothing else uses rich.

Results go to standard output; progress and messages go to standard error, so that output can be
piped. Colour and bars only where there is a terminal and NO_COLOR is not set (rich sees to it).

Text is printed as it is: ``[bold]`` and ``:heart:`` are what someone wrote, and what would steer
the terminal is written out (``printable``). Styles are given beside the text, never in it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
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
from rich.text import Text

from kunren.cli.wrapped import wrapped
from kunren.errors import KunrenError
from kunren.messages import text
from kunren.progress import Progress, Task
from kunren.textfile import printable

_Command = TypeVar("_Command", bound=Callable[..., Any])

_WIDEST = 400

_HEADING = 8
"""Columns of a terminal that a broken heading still has."""

Part = str | tuple[str, str]
"""A piece of a line: plain, or with its style."""


def _console(**settings: Any) -> Console:
    return Console(highlight=False, markup=False, emoji=False, **settings)


out = _console(soft_wrap=True)
err = _console(soft_wrap=True, stderr=True)


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


def _text(*parts: Part) -> Text:
    pieces = (one if isinstance(one, tuple) else (one, "") for one in parts)
    return Text.assemble(*((printable(said), style) for said, style in pieces))


def show(*lines: str) -> None:
    """Print plain lines to standard output."""
    for line in lines:
        out.print(_text(line))


def show_styled(*parts: Part) -> None:
    """Print a line to standard output of which some pieces have a style."""
    out.print(_text(*parts))


def paragraph(said: str, indent: str = "", style: str = "") -> None:
    """Print plain text to standard output: broken into lines on a terminal, else as one line."""
    safe = printable(said)
    room = _room()
    lines = [indent + safe] if room is None else wrapped(safe, room, indent)
    for line in lines:
        out.print(Text(line, style))


def page(content: str) -> None:
    """Write a whole page of Markdown or HTML to standard output."""
    sys.stdout.write(printable(content))


def say(line: str) -> None:
    """Print one plain line to standard error."""
    err.print(_text(line))


def json_text(value: object, indent: int | None = None) -> str:
    """A value as JSON, in which what would steer a terminal is escaped as JSON does it."""
    return printable(json.dumps(value, ensure_ascii=False, indent=indent))


def emit_json(value: object) -> None:
    """Print one JSON value to standard output."""
    sys.stdout.write(json_text(value, indent=2) + "\n")


def _room() -> int | None:
    """Columns that a line may take; None: no terminal says how many it has."""
    asked = os.environ.get("COLUMNS", "")
    return out.width if out.is_terminal or asked.isdecimal() else None


def table(
    title: str | None,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    align: str | None = None,
) -> None:
    """Print a table to standard output; where the terminal is too narrow for it, a block a row.

    Args:
        title: above it.
        columns: headings.
        rows: cells.
        align: a letter a column, ``l`` or ``r``; None: all after the first are numbers, at the
            right.
    """
    # As wide as it must be: numbers cut to fit the terminal would be worth nothing.
    wide, room = _console(file=out.file, width=_WIDEST), _room()
    for narrow in (False, True):
        made = _table(title, columns, rows, align, narrow=narrow)
        if room is None or wide.measure(made).maximum <= room:
            wide.print(made, crop=False)
            return
    assert room is not None  # noqa: S101  (else the first one was printed)
    _blocks(title, columns, rows, room)


def _table(
    title: str | None,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    align: str | None,
    *,
    narrow: bool,
) -> Table:
    """``narrow``: headings are broken into lines that are no wider than the cells below."""
    made = Table(
        title=_text(title) if title else None,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0) if narrow else (0, 1),
    )
    for number, column in enumerate(columns):
        letter = align[number] if align else "l" if number == 0 else "r"
        side = "left" if letter == "l" else "right"
        widest = max((cell_len(printable(row[number])) for row in rows), default=0)
        made.add_column(
            _text(column),
            justify=side,  # type: ignore[arg-type]
            no_wrap=not narrow,
            overflow="fold",
            width=max(widest, min(_HEADING, cell_len(column))) if narrow else None,
        )
    for row in rows:
        made.add_row(*map(_text, row))
    return made


def _blocks(
    title: str | None, columns: Sequence[str], rows: Sequence[Sequence[str]], room: int
) -> None:
    """A table, one block a row: its first cell, and below it what else is in it by heading."""
    if title:
        show_styled((title, "bold"))
    for row in rows:
        show("")
        for line in wrapped(printable(f"{columns[0]}: {row[0]}"), room, "  "):
            out.print(Text(line, "bold"))
        for column, cell in zip(columns[1:], row[1:], strict=True):
            if cell:
                for line in wrapped(printable(f"{column}: {cell}"), room, "    "):
                    out.print(Text(line))
    show("")


def show_error(error: KunrenError) -> None:
    """Tell a user's error: one line a problem, without a traceback."""
    for problem in error.problems:
        err.print(_text((text("cli.error"), "bold red"), f" {problem}"))


class _Bar:
    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, by: float = 1.0) -> None:
        self._bars.advance(self._task, by)

    def note(self, said: str) -> None:
        self._bars.update(self._task, note=printable(said))


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
        task = self._bars.add_task(printable(name), total=total, note="")
        yield _Bar(self._bars, task)
        done = self._bars.tasks[self._bars.task_ids.index(task)].total or 1
        self._bars.update(task, total=done, completed=done)

    def say(self, line: str) -> None:
        self._bars.console.print(_text(line))


class _Lines:
    @contextmanager
    def stage(self, name: str, total: float | None) -> Iterator[Task]:
        begun = time.monotonic()
        quiet = _Quiet()
        count = "" if total is None else f" ({total:.0f})"
        say(f"▶ {name}{count}")
        yield quiet
        note = f"  {quiet.last}" if quiet.last else ""
        say(f"  {name} {time.monotonic() - begun:.1f} s{note}")

    def say(self, line: str) -> None:
        say(line)


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars with the time left on a terminal; one line a stage elsewhere."""
    if not err.is_terminal:
        yield _Lines()
        return
    with Bars(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn(text("cli.time-left"), markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
        console=err,
    ) as bars:
        yield _Live(bars)
