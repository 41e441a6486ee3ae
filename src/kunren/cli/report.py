"""``kunren report``: make a finished run's record again."""

from __future__ import annotations

from pathlib import Path

import click

from kunren.cli.console import emit_json, format_option, show
from kunren.messages import text


@click.command("report", help=text("cli.help-report"))
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), help=text("compare.option-against"))
@format_option()
def command(run: Path, against: Path | None, format_: str) -> None:
    """Render summary.md, report.html and the charts of a run folder."""
    from kunren import experiment

    folder = experiment.report(run, against)
    if format_ == "json":
        emit_json({"run": str(folder), "record": str(folder / "summary.md")})
    else:
        if against is not None:
            show(text("compare.against-done", name=against.resolve().name))
        show(text("cli.report-done", path=folder / "summary.md"))
