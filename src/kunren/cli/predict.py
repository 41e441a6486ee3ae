"""``kunren predict``: labels and probabilities for a file, as JSONL."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import click

from kunren.cli.console import progress, say
from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.types import Where


@click.command("predict", help=text("cli.help-predict"))
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--base", is_flag=True, help=text("cli.predict-base"))
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help=text("cli.predict-output"),
)
@click.option("--field", default=None, help=text("cli.predict-field"))
@click.option(
    "--input-format", type=click.Choice(["auto", "jsonl", "csv", "tsv", "lines"]), default="auto"
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help=text("cli.predict-batch-size"),
)
@click.option("--format", "format_", type=click.Choice(["json"]), default="json", hidden=True)
def command(
    run: Path,
    file: Path,
    base: bool,
    output: Path | None,
    field: str | None,
    input_format: Literal["auto", "jsonl", "csv", "tsv", "lines"],
    batch_size: int,
    format_: str,  # noqa: ARG001  (JSON is the only format; the option exists for uniformity)
) -> None:
    """Predict every line, in order; bad lines are reported and stand in the output as errors."""
    from kunren.use import Predictor, predict_stream

    with ExitStack() as stack:
        if str(file) == "-":
            source = sys.stdin.buffer
        elif file.is_file():
            source = stack.enter_context(file.open("rb"))
        else:
            raise InputError(Problem("cli.predict-no-file", Where(str(file))))
        shown = stack.enter_context(progress())
        predictor = Predictor.open(run, base=base, progress=shown)
        target = stack.enter_context(output.open("w", encoding="utf-8")) if output else sys.stdout
        done = bad = 0
        with shown.stage(text("cli.predict-stage"), None) as bar:
            results = predict_stream(
                predictor,
                source,
                str(file),
                field=field,
                format_=None if input_format == "auto" else input_format,
                batch_size=batch_size,
            )
            for result in results:
                if "error" in result:
                    bad += 1
                    shown.say(
                        text("cli.predict-bad-line", line=result["line"], reason=result["error"])
                    )
                else:
                    done += 1
                target.write(json.dumps(result, ensure_ascii=False) + "\n")
                target.flush()
                bar.advance()
    say(text("cli.predict-done", done=done, bad=bad))
    if bad and not done:
        raise SystemExit(2)
