"""``kunren score``: score predictions that were made elsewhere."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Literal

import click

from kunren.cli import console
from kunren.cli.console import emit_json, format_option, say, show
from kunren.cli.run import show_scores
from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.types import Where

_FORMATS = {".json": "json", ".md": "markdown"}


@click.command("score", help=text("score.help"))
@click.option(
    "--task",
    "kind",
    type=click.Choice(["classify", "tag", "answer"]),
    help=text("score.option-task"),
)
@click.option(
    "--gold", type=click.Path(path_type=Path), required=True, help=text("score.option-gold")
)
@click.option(
    "--pred",
    "predictions",
    multiple=True,
    required=True,
    metavar="[NAME=]FILE",
    help=text("score.option-pred"),
)
@click.option("--train", type=click.Path(path_type=Path), help=text("score.option-train"))
@click.option("--labels", metavar="A,B,…|FILE", help=text("score.option-labels"))
@click.option(
    "--label-kind",
    type=click.Choice(["auto", "text", "emoji"]),
    default="auto",
    show_default=True,
    help=text("score.option-label-kind"),
)
@click.option("--hierarchy", metavar="SEPARATOR", help=text("score.option-hierarchy"))
@click.option("--separator", metavar="SEPARATOR", help=text("score.option-separator"))
@click.option("--merge-skin-tones", is_flag=True, help=text("score.option-merge-skin-tones"))
@click.option("--pred-field", metavar="COLUMN", help=text("score.option-pred-field"))
@click.option("--gold-field", metavar="COLUMN", help=text("score.option-gold-field"))
@click.option(
    "--field", "fields", multiple=True, metavar="NAME=COLUMN", help=text("score.option-field")
)
@click.option(
    "--bootstrap",
    type=click.IntRange(min=100),
    default=1000,
    show_default=True,
    help=text("score.option-bootstrap"),
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=42, show_default=True,
    help=text("score.option-seed"),
)  # fmt: skip
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False),
    help=text("score.option-output"),
)  # fmt: skip
@format_option("text", "json", "markdown")
@click.pass_context
def command(
    context: click.Context,
    kind: Literal["classify", "tag", "answer"] | None,
    gold: Path,
    predictions: tuple[str, ...],
    train: Path | None,
    labels: str | None,
    label_kind: Literal["auto", "text", "emoji"],
    hierarchy: str | None,
    separator: str | None,
    merge_skin_tones: bool,
    pred_field: str | None,
    gold_field: str | None,
    fields: tuple[str, ...],
    bootstrap: int,
    seed: int,
    output: Path | None,
    format_: str,
) -> None:
    """Score prediction files on the same gold rows and print the result."""
    from kunren.config.schema import EvaluateConfig, Labels, TaskConfig
    from kunren.scoring import arguments
    from kunren.scoring.outside import Asked, score

    if output is not None and context.get_parameter_source("format_") != (
        click.core.ParameterSource.COMMANDLINE
    ):
        format_ = _FORMATS.get(output.suffix.lower(), format_)
    written = Labels(
        hierarchy=hierarchy or None, separator=separator, merge_skin_tones=merge_skin_tones
    )
    asked = Asked(
        gold=gold,
        predictions=arguments.prediction_files(predictions),
        task=None if kind is None else TaskConfig(kind=kind, labels=written),
        written=written,
        label_kind=label_kind,
        train=train,
        labels=None if labels is None else arguments.label_set(labels, label_kind),
        columns=arguments.columns(fields, prediction=pred_field, label=gold_field),
        evaluate=EvaluateConfig(bootstrap=bootstrap, seed=seed),
    )
    if output is not None and not output.resolve().parent.is_dir():
        raise InputError(Problem("score.no-folder", Where(str(output))))
    result = score(asked)
    if output is None:
        _print(result, format_)
        return
    from kunren.records import files

    held = io.StringIO()
    with redirect_stdout(held):
        _print(result, format_)
    files.write_text(output, held.getvalue())
    show(text("score.written", path=output))


def _print(metrics: dict[str, Any], format_: str) -> None:
    from kunren.scoring.show import page, sources, verdicts

    if format_ == "json":
        emit_json(metrics)
        return
    if format_ == "markdown":
        console.page(page(metrics))
        return
    show_scores(metrics)
    said = verdicts(metrics)
    show("", *(said or [text("score.nothing-to-compare")]), "", *sources(metrics))
    for note in metrics["notes"]:
        say(f"{text('score.note')} {note}")
