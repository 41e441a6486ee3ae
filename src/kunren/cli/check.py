"""``kunren check``: what can be known of an experiment before any weight is loaded."""

from __future__ import annotations

import gc
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kunren.cli.console import (
    Part,
    emit_json,
    format_option,
    page,
    paragraph,
    progress,
    show,
    show_styled,
    table,
)
from kunren.cli.findings import all_options, markdown_findings, show_findings
from kunren.messages import text

if TYPE_CHECKING:
    from kunren.check_preview import Piece, Shown

_REACHED = {"warning": ("warning", "critical"), "critical": ("critical",)}


@click.command("check", help=text("cli.help-check"))
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=text("cli.run-set"))
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("outputs/experiments"),
    show_default=True,
    help=text("cli.check-output"),
)
@click.option(
    "--fail-on",
    type=click.Choice(list(_REACHED)),
    default=None,
    help=text("cli.check-fail-on"),
)
@click.option("--select", default="", metavar="SLUG,…", help=text("cli.check-select"))
@click.option("--ignore", default="", metavar="SLUG,…", help=text("cli.check-ignore"))
@click.option("--fetch", is_flag=True, help=text("cli.check-fetch"))
@format_option("text", "markdown", "json")
def command(
    config: Path,
    overrides: tuple[str, ...],
    output: Path,
    fail_on: str | None,
    select: str,
    ignore: str,
    fetch: bool,
    format_: str,
) -> int:
    """Check an experiment and print what was found; 1 where ``--fail-on`` is reached."""
    from kunren import check, check_report

    with progress() as shown, _no_collector():
        checked = check.check(
            config, overrides, shown, fetch=fetch, select=_slugs(select), ignore=_slugs(ignore)
        )
    told = check_report.as_json(checked, output)
    if format_ == "json":
        emit_json(told)
    elif format_ == "markdown":
        page(check_report.markdown(checked, told, markdown_findings(told)))
    else:
        _show(config, checked, told)
    grave = _REACHED[fail_on] if fail_on else ()
    return int(any(finding["severity"] in grave for finding in told["findings"]))


@contextmanager
def _no_collector() -> Iterator[None]:
    """Without Python's search for cycles, which walks over all of 100,000 rows again and again.

    Rows make none, and the command ends soon.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _slugs(said: str) -> tuple[str, ...]:
    return tuple(slug.strip() for slug in said.split(",") if slug.strip())


def _show(config: Path, checked: Any, told: Mapping[str, Any]) -> None:
    from kunren import check_preview, check_report

    show_styled((text("check.title", name=told["name"]), "bold"))
    show("", *check_report.lines(checked, told))
    if told["labels"]:
        show("")
        table(text("check.labels"), check_report.label_columns(), check_report.label_rows(told))
    if checked.reading is not None:
        show_styled("\n", (text("check.preview"), "bold"))
        show(text("check.legend"))
        for row in check_preview.preview(checked.plan, checked.reading):
            _show_row(row)
    show_styled("\n", (text("check.findings"), "bold"))
    show_findings(told)
    for line in _next(config, told):
        paragraph(line)


def _next(config: Path, told: Mapping[str, Any]) -> Iterator[str]:
    """What to do now: train, with the changes that were found or without."""
    command = f"kunren run {shlex.quote(str(config))}"
    yield text("check.next", command=command)
    if options := all_options(told["findings"]):
        yield text("check.next-changed", command=f"{command} {options}")


def _show_row(row: Shown) -> None:
    show_styled("\n", (row.where, "dim"))
    apart = bool(row.written or row.labels)
    read = _coloured(row.read)
    show_styled(*(_within("check.part-read", read) if apart else read))
    if row.written:
        show_styled(*_within("check.part-written", _coloured(row.written)))
    if row.labels:
        labels = [(f"⟦{label}⟧", "bold green") for label in row.labels]
        spaced: list[Part] = [part for label in labels for part in (" ", label)][1:]
        show_styled(*_within("check.part-labels", spaced))


def _within(key: str, said: list[Part]) -> list[Part]:
    """A message with styled pieces where it has ``{said}``."""
    before, _, after = text(key, said="\0").partition("\0")
    return [before, *said, after]


def _coloured(pieces: tuple[Piece, ...]) -> list[Part]:
    """As ``check_report.drawn``, with colours where the terminal has them."""
    from kunren import check_report

    found: list[Part] = []
    before = False
    for piece in check_report.elided(pieces):
        if isinstance(piece, int):
            found += ["|", (text("check.left-out", count=piece), "dim")]
            before = False
        elif piece.trained:
            found += [] if before or not found else [" "]
            found.append((f"⟦{piece.text}⟧", "bold green"))
            before = True
        else:
            gap = " " if before else "|" if found else ""
            found += [(gap, "dim"), (piece.text, "cyan" if piece.special else "default")]
            before = False
    return found
