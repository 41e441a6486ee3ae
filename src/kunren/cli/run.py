"""``kunren run``: one YAML, one experiment, one record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kunren.cli.console import emit_json, format_option, progress, say, show, table
from kunren.messages import text


@click.command("run", help=text("cli.help-run"))
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=text("cli.run-set"))
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    show_default="outputs/experiments",
    help=text("cli.run-output"),
)
@click.option(
    "--resume", type=click.Path(path_type=Path), default=None, help=text("cli.run-resume")
)
@click.option("--fix", is_flag=True, help=text("cli.run-fix"))
@click.option(
    "--max-fixes",
    type=click.IntRange(min=1),
    default=None,
    show_default="3",
    help=text("cli.run-max-fixes"),
)
@format_option()
def command(
    config: Path | None,
    overrides: tuple[str, ...],
    output: Path | None,
    resume: Path | None,
    fix: bool,
    max_fixes: int | None,
    format_: str,
) -> None:
    """Run or resume an experiment and print its result."""
    if (config is None) == (resume is None):
        raise click.UsageError(text("cli.run-needs-one"))
    if resume is not None and (overrides or output is not None or fix):
        raise click.UsageError(text("cli.run-resume-alone"))
    if max_fixes is not None and not fix:
        raise click.UsageError(text("cli.run-max-fixes-alone"))
    from kunren import experiment, repair

    with progress() as shown:
        if resume is not None:
            result = (
                repair.resume(resume, shown)
                if repair.under_way(resume)
                else experiment.resume(resume, shown)
            )
        else:
            assert config is not None  # noqa: S101  (exactly one of the two, see above)
            output = output or Path("outputs/experiments")
            if fix:
                most = max_fixes or repair.MAX_FIXES
                result = repair.run(config, overrides, output, shown, most)
            else:
                result = experiment.run(config, overrides, output, shown)
    record = result.folder / "summary.md"
    if format_ == "json":
        emit_json(
            {"run": str(result.folder), "record": str(record), "verdict": result.verdict}
            | result.metrics
        )
        return
    show_scores(result.metrics)
    show("", text("cli.run-verdict", verdict=result.verdict))
    show(text("cli.run-record", path=record))
    for finding in result.findings:
        if finding["severity"] != "info":
            say(f"[{finding['severity']}] {finding['message']}")


def show_scores(metrics: dict[str, Any]) -> None:
    """Print the table of all systems, with their intervals."""
    from kunren.evaluation.told import cell, headline, metric_name, system_name, unit

    shown = headline(metrics)
    rows = [
        [system_name(system, metrics), *(cell(scores.get(m), unit(metrics, m)) for m in shown)]
        for system, scores in metrics["systems"].items()
    ]
    # The unit once, in the heading.
    rows = [[value.replace(" %", "") for value in row] for row in rows]
    columns = [
        metric_name(metric) + (" (%)" if unit(metrics, metric) == "share" else "")
        for metric in shown
    ]
    title = text("cli.run-title", rows=metrics["rows"])
    table(title, [text("cli.run-system"), *columns], rows)
