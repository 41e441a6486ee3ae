"""``kunren log``: export a finished run to an experiment tracker."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from kunren.cli.console import emit_json, format_option, say, show
from kunren.messages import text


@click.command("log", help=text("log.help"))
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--to",
    type=click.Choice(["mlflow", "trackio", "tensorboard"]),
    required=True,
    help=text("log.option-to"),
)
@click.option("--project", default="kunren", show_default=True, help=text("log.option-project"))
@click.option("--uri", metavar="URI", help=text("log.option-uri"))
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), help=text("log.option-dir")
)
@click.option("--replace", is_flag=True, help=text("log.option-replace"))
@format_option()
def command(
    run: Path,
    to: str,
    project: str,
    uri: str | None,
    folder: Path | None,
    replace: bool,
    format_: str,
) -> None:
    """Export a run; the run folder itself is only read."""
    if uri is not None and to != "mlflow":
        raise click.UsageError(text("log.uri-is-of-mlflow", to=to))
    if folder is not None and to == "mlflow":
        raise click.UsageError(text("log.dir-is-not-of-mlflow"))
    from kunren.export.run import Target, export

    target = Target(project, uri or "sqlite:///mlflow.db", folder, replace)
    done = export(run, to, target)
    if format_ == "json":
        emit_json({"run": str(run), "to": to, **asdict(done)})
        return
    show(text(f"log.{done.status}", place=done.place), text("log.view", command=done.view))
    if done.left_out:
        say(text("log.left-out", files=", ".join(done.left_out)))
