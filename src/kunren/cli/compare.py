"""``kunren compare``: several runs in one table, and which to use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kunren.cli.console import emit_json, format_option, paragraph, say, show, table
from kunren.cli.console import page as write_page
from kunren.errors import InputError, Problem, os_reason
from kunren.messages import text
from kunren.types import Where

if TYPE_CHECKING:
    from kunren.records.entry import Entry
    from kunren.report.comparison import Page, Part
    from kunren.report.format import Table


@click.command(
    "compare", help=text("cli.help-compare") + "\n\nFOLDER: " + text("compare.arg-folders")
)
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True)
@click.option("--baseline", metavar="NAME", help=text("compare.option-baseline"))
@click.option("--metric", "metrics", multiple=True, help=text("compare.option-metric"))
@click.option("--rows", nargs=2, metavar="A B", default=None, help=text("compare.option-rows"))
@format_option("text", "markdown", "html", "csv", "json")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help=text("compare.option-output"),
)
def command(
    folders: tuple[str, ...],
    baseline: str | None,
    metrics: tuple[str, ...],
    rows: tuple[str, str] | None,
    format_: str,
    output: Path | None,
) -> None:
    """Compare run folders; what cannot be read is named and left out."""
    from kunren.records.compare import compare_runs
    from kunren.records.layouts import gather
    from kunren.report.comparison import page

    gathered = gather(folders)
    if not gathered.entries:
        raise InputError([*gathered.left_out, Problem("compare.nothing")])
    names = [entry.name for entry in gathered.entries]
    chosen = None if baseline is None else _named(baseline, names)
    pair = None if rows is None else _pair(rows, gathered.entries)
    groups = compare_runs(gathered.entries, chosen, metrics)
    for problem in gathered.left_out:
        say(text("compare.left-out", problem=problem))
    if format_ == "json":
        from kunren.report.comparison_page import as_json

        found = as_json(groups, gathered.left_out, pair)
        if output is None:
            emit_json(found)
            return
        _write(output, json.dumps(found, ensure_ascii=False, indent=2) + "\n")
        return
    if format_ == "text" and output is None:
        _show(page(groups, gathered.left_out, pair, brief=not metrics))
        return
    if format_ == "csv":
        from kunren.report.comparison_page import as_csv

        made = as_csv(groups)
    else:
        from kunren.report.comparison_page import as_html, as_markdown

        shown = page(groups, gathered.left_out, pair)
        made = as_html(shown) if format_ == "html" else as_markdown(shown)
    if output is None:
        write_page(made)
    else:
        _write(output, made)


def _named(wanted: str, names: Sequence[str]) -> str:
    """A run by its name or by the path of its folder."""
    return wanted if wanted in names else Path(wanted).name


def _pair(wanted: tuple[str, str], entries: Sequence[Entry]) -> tuple[Entry, Entry]:
    from kunren.records.compare import unknown_run

    names = [entry.name for entry in entries]
    found = [_named(name, names) for name in wanted]
    problems = [unknown_run(name, names) for name in found if name not in names]
    if problems:
        raise InputError(problems)
    a, b = (entries[names.index(name)] for name in found)
    if a.answers != b.answers:
        raise InputError(Problem("compare.rows-other-kinds", None, {"a": a.name, "b": b.name}))
    return a, b


def _write(path: Path, content: str) -> None:
    from kunren.records import files

    try:
        files.write_text(path, content)
    except OSError as error:
        fields: dict[str, object] = {"detail": os_reason(error)}
        raise InputError(Problem("compare.unwritable", Where(str(path)), fields)) from None
    say(text("compare.written", path=path))


def _show(shown: Page) -> None:
    """Print a comparison: tables first, then what follows from them."""
    for note in shown.notes:
        show(note, "")
    for part in shown.parts:
        if len(shown.parts) > 1:
            show(f"■ {text('compare.h-kind', kind=part.kind)}", "")
        _show_part(part)
    if shown.rows is not None:
        show("", f"● {shown.rows.title}", *shown.rows.said)
        if shown.rows.table is not None:
            _table(None, shown.rows.table)


def _show_part(part: Part) -> None:
    from kunren.report.comparison import choice_said
    from kunren.report.sketch import sketch

    _table(text("compare.h-overview"), part.overview)
    if part.alike is not None:
        paragraph(part.alike)
        show("")
    _list("compare.h-warnings", part.warnings)
    _list("compare.h-missing", part.missing)
    if part.settings is not None:
        _table(text("compare.h-settings"), part.settings)
    if part.changes is not None:
        _table(part.changes_title, part.changes)
    if not part.choices:
        return
    show(f"● {part.plot.title}", *sketch(part.plot), part.plot.said, "")
    _list("compare.h-findings", part.findings)
    show(f"● {text('compare.h-choices')}")
    for choice in part.choices:
        paragraph(f"{text(f'compare.purpose-{choice.purpose}')}: {choice_said(choice)}", "  ")
        cautions = [text("compare.caution", said=said) for said in choice.cautions]
        for said in (*choice.reasons, *cautions):
            paragraph(text("compare.bullet", said=said), "    ")
    show("")


def _list(key: str, lines: Sequence[str]) -> None:
    if lines:
        show(f"● {text(key)}")
        for said in lines:
            paragraph(text("compare.bullet", said=said), "  ")
        show("")


def _table(title: str | None, it: Table) -> None:
    table(title, it.columns, it.rows, it.align)
