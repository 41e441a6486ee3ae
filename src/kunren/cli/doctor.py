"""``kunren doctor``: what went wrong in a run, with evidence and a fix."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from kunren.cli.console import emit_json, format_option, paragraph, say, show
from kunren.cli.findings import markdown_findings, show_findings
from kunren.messages import text

_ORDER = ("critical", "warning", "info")


@click.command("doctor", help=text("cli.help-doctor"))
@click.argument("run", type=click.Path(path_type=Path))
@format_option("text", "markdown", "json")
@click.option(
    "--fail-on", type=click.Choice(["warning", "critical"]), help=text("doctor.command-fail-on")
)
@click.option("--select", default="", metavar="SLUG,…", help=text("doctor.command-select"))
@click.option("--ignore", default="", metavar="SLUG,…", help=text("doctor.command-ignore"))
@click.option("--fix", is_flag=True, help=text("doctor.command-fix"))
def command(
    run: Path, format_: str, fail_on: str | None, select: str, ignore: str, fix: bool
) -> None:
    """Examine a run folder, a trainer_state.json or a CSV of losses."""
    if fix:
        from kunren.cli.fix import fix as mend

        if fail_on or select or ignore or format_ == "markdown":
            raise click.UsageError(text("doctor.fix-alone"))
        mend(run, format_)
        return
    from kunren.doctor.look import look

    found = look(run, _slugs(select), _slugs(ignore))
    if format_ == "json":
        emit_json(found)
    elif format_ == "markdown":
        show(*_markdown(run, found))
    else:
        _text(run, found)
    if fail_on is not None:
        grave = _ORDER[: _ORDER.index(fail_on) + 1]
        if any(finding["severity"] in grave for finding in found["findings"]):
            raise SystemExit(1)


def _slugs(said: str) -> list[str]:
    return [slug.strip() for slug in said.split(",") if slug.strip()]


def _text(run: Path, found: Mapping[str, Any]) -> None:
    for note in found["notes"]:
        say(note)
    show_findings(found)
    for line in _next(run, found):
        paragraph(line)


def _next(run: Path, found: Mapping[str, Any]) -> Iterator[str]:
    """What to do now: mend the config of a run of ours."""
    from kunren.doctor import foreign

    mended = any(f["fix"] and f["severity"] != "info" for f in found["findings"])
    if mended and foreign.is_ours(run):
        yield text("doctor.next-fix", run=shlex.quote(str(run)))


def _markdown(run: Path, found: Mapping[str, Any]) -> list[str]:
    from kunren.report.format import markdown as escape

    lines = ["# " + text("doctor.page-title", name=escape(run.resolve().name)), ""]
    for note in found["notes"]:
        lines += [escape(note), ""]
    return [*lines, *markdown_findings(found)]
