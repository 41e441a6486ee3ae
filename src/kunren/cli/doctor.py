"""``kunren doctor``: what went wrong in a run, with evidence and a fix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from kunren.cli.console import emit_json, format_option, out, say, show
from kunren.messages import text

_ORDER = ("critical", "warning", "info")
_COLOUR = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


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
        _text(found)
    if fail_on is not None:
        grave = _ORDER[: _ORDER.index(fail_on) + 1]
        if any(finding["severity"] in grave for finding in found["findings"]):
            raise SystemExit(1)


def _slugs(said: str) -> list[str]:
    return [slug.strip() for slug in said.split(",") if slug.strip()]


def _text(found: Mapping[str, Any]) -> None:
    from rich.markup import escape

    for note in found["notes"]:
        say(note)
    for finding in found["findings"]:
        grade = finding["severity"]
        name = text(f"doctor.severity-{grade}")
        head = f"{finding['slug']} ({finding['code']})"
        out.print(f"[{_COLOUR[grade]}]{escape(name)}[/]  {escape(head)}")
        show(f"  {finding['message']}")
        if finding["fix"]:
            show("  " + text("doctor.fix-set", changes=_changes(finding["fix"])))
        show("")
    if not found["findings"]:
        show(text("doctor.nothing-found"), "")
    show(_summary(found))
    if found["skipped"]:
        say("")
        say(text("doctor.skipped-title") + ":")
        for rule in found["skipped"]:
            say(f"  {rule['slug']}: {rule['reason']}")


def _markdown(run: Path, found: Mapping[str, Any]) -> list[str]:
    from kunren.report.format import markdown as escape

    lines = ["# " + text("doctor.page-title", name=escape(run.resolve().name)), ""]
    for note in found["notes"]:
        lines += [escape(note), ""]
    lines += [_summary(found), ""]
    for finding in found["findings"]:
        name = text(f"doctor.severity-{finding['severity']}")
        lines += [f"## {name}: {finding['slug']} ({finding['code']})", ""]
        lines += [escape(finding["message"]), ""]
        if finding["fix"]:
            lines += [text("doctor.fix-set", changes=f"`{_changes(finding['fix'])}`"), ""]
    if found["skipped"]:
        lines += ["## " + text("doctor.skipped-title"), ""]
        lines += [f"- {rule['slug']}: {escape(rule['reason'])}" for rule in found["skipped"]]
    return lines


def _summary(found: Mapping[str, Any]) -> str:
    grades = [finding["severity"] for finding in found["findings"]]
    return text(
        "doctor.summary",
        findings=len(grades),
        quiet=len(found["quiet"]),
        skipped=len(found["skipped"]),
        **{grade: grades.count(grade) for grade in _ORDER},
    )


def _changes(fix: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in fix["set"].items()
    )
