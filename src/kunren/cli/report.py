"""``kunren report``: make a finished run's record again."""

from __future__ import annotations

from pathlib import Path

import click

from kunren.cli.console import emit_json, format_option, show
from kunren.messages import text


@click.command("report", help=text("cli.help-report"))
@click.argument("run", type=click.Path(path_type=Path))
@format_option()
def command(run: Path, format_: str) -> None:
    """Render summary.md, report.html and the charts of a run folder."""
    from kunren import experiment

    folder = experiment.report(run)
    if format_ == "json":
        emit_json({"run": str(folder), "record": str(folder / "summary.md")})
    else:
        show(text("cli.report-done", path=folder / "summary.md"))
