"""``kunren check``: what can be known of an experiment before any weight is loaded."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from kunren.cli.console import emit_json, format_option, out, progress, show, table
from kunren.messages import text

if TYPE_CHECKING:
    from kunren.check_preview import Piece, Shown

_COLOURS = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
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
        sys.stdout.write(check_report.markdown(checked, told))
    else:
        _show(checked, told)
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


def _show(checked: Any, told: Mapping[str, Any]) -> None:
    from kunren import check_preview, check_report

    out.print(f"[bold]{escape(text('check.title', name=told['name']))}[/]")
    show("", *check_report.lines(checked, told))
    if told["labels"]:
        columns = [text("check.label"), "train", "validation", "test"]
        show("")
        table(text("check.labels"), columns, check_report.label_rows(told))
    if checked.reading is not None:
        out.print(f"\n[bold]{escape(text('check.preview'))}[/]")
        show(text("check.legend"))
        for row in check_preview.preview(checked.plan, checked.reading):
            _show_row(row)
    out.print(f"\n[bold]{escape(text('check.findings'))}[/]")
    for finding in told["findings"]:
        _show_finding(finding)
    if not told["findings"]:
        show(text("check.nothing", quiet=len(told["quiet"])))
    for line in check_report.skipped(told):
        out.print(f"[dim]{escape(line)}[/]")


def _show_row(row: Shown) -> None:
    out.print(f"\n[dim]{escape(row.where)}[/]")
    apart = bool(row.written or row.labels)
    read = _coloured(row.read)
    out.print(text("check.part-read", said=read) if apart else read)
    if row.written:
        out.print(text("check.part-written", said=_coloured(row.written)))
    if row.labels:
        labels = " ".join(f"[bold green]⟦{escape(label)}⟧[/]" for label in row.labels)
        out.print(text("check.part-labels", said=labels))


def _coloured(pieces: tuple[Piece, ...]) -> str:
    """As ``check_report.drawn``, with colours where the terminal has them."""
    from kunren import check_report

    found, before = [], False
    for piece in check_report.elided(pieces):
        if isinstance(piece, int):
            found.append(f"|[dim]{escape(text('check.left-out', count=piece))}[/]")
            before = False
        elif piece.trained:
            gap = "" if before or not found else " "
            found.append(f"{gap}[bold green]⟦{escape(piece.text)}⟧[/]")
            before = True
        else:
            gap = " " if before else "|" if found else ""
            style = "cyan" if piece.special else "default"
            found.append(f"[dim]{gap}[/][{style}]{escape(piece.text)}[/]")
            before = False
    return "".join(found)


def _show_finding(finding: Mapping[str, Any]) -> None:
    from kunren import check_report

    name = check_report.severity(finding["severity"])
    colour = _COLOURS[finding["severity"]]
    out.print(f"[{colour}]{escape(f'[{name}]')}[/] [bold]{escape(finding['slug'])}[/]")
    show(f"  {finding['message']}")
    if finding["fix"]:
        settings = " ".join(f"--set {k}={_yaml(v)}" for k, v in finding["fix"]["set"].items())
        show("  " + text("check.fix", settings=settings))


def _yaml(value: object) -> str:
    return "null" if value is None else str(value)
