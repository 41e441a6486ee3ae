"""``kunren predict``: labels and probabilities for a file, as JSONL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import click

from kunren.cli.console import json_text, progress, say
from kunren.errors import InputError, Problem, os_reason
from kunren.messages import text
from kunren.records.files import Growing
from kunren.types import Where
from kunren.userfile import real

_MOST_TOLD = 20
"""Lines that cannot be answered of which the terminal tells; the output has all."""


@click.command("predict", help=text("cli.help-predict"))
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--base", is_flag=True, help=text("cli.predict-base"))
@click.option("--output", "-o", type=click.Path(path_type=Path), help=text("cli.predict-output"))
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
@click.option(
    "--repetition-penalty",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help=text("cli.repetition-penalty"),
)
@click.option("--constrained", is_flag=True, help=text("cli.constrained"))
@click.option("--samples", type=click.IntRange(min=1), default=None, help=text("cli.samples"))
@click.option("--format", "format_", type=click.Choice(["json"]), default="json", hidden=True)
def command(
    run: Path,
    file: Path,
    base: bool,
    output: Path | None,
    field: str | None,
    input_format: Literal["auto", "jsonl", "csv", "tsv", "lines"],
    batch_size: int,
    repetition_penalty: float | None,
    constrained: bool,
    samples: int | None,
    format_: str,  # noqa: ARG001  (JSON is the only format; the option exists for uniformity)
) -> int:
    """Predict every line, in order; 1 where some could not be answered: their results say why."""
    from kunren.config.schema import Decoding
    from kunren.experiment import open_finished
    from kunren.samples import samples as draw
    from kunren.use import (
        Drawn,
        Predictor,
        predict_stream,
        read_questions,
        see_that_it_can_choose,
    )

    _, config = open_finished(run)
    if constrained:
        see_that_it_can_choose(config)
    given = None if str(file) == "-" else file
    # All that can be wrong with the files is known before a model is loaded or a line is written.
    asked = read_questions(config, given, field, None if input_format == "auto" else input_format)
    for note in asked.notes:
        say(str(note))
    bad = 0
    with _lines_to(output, given) as write, progress() as shown:
        predictor = Predictor.open(run, base=base, progress=shown)
        if repetition_penalty is not None:
            changed = {"repetition_penalty": repetition_penalty}
            decoding = config.evaluate.decoding.model_copy(update=changed)
            predictor = replace(predictor, decoding=decoding)
        how = (predictor.decoding or config.evaluate.decoding).repetition_penalty
        sampled = Decoding(sample=True, repetition_penalty=how)
        drawn: Drawn | None = None
        if samples:
            drawn = partial(draw, predictor, count=samples, drawn=sampled, constrained=constrained)
        with shown.stage(text("cli.predict-stage"), len(asked.rows)) as bar:
            for result in predict_stream(predictor, asked.rows, batch_size, drawn):
                if "error" in result:
                    bad += 1
                    _tell(result, bad, shown.say)
                write(json_text(result))
                bar.advance()
    every = len(asked.rows)
    say(text("cli.predict-done", all=every, done=every - bad, bad=bad))
    return int(bad > 0)


@contextmanager
def _lines_to(output: Path | None, file: Path | None) -> Iterator[Callable[[str], None]]:
    """Writes lines, to standard output or so that what is in ``output`` stays until all are there.

    Raises:
        InputError: it cannot be written, or is the file that is read.
    """
    if output is None:
        yield _print
        return
    where = Where(str(output))
    if file is not None and real(output) == real(file):
        raise InputError(Problem("cli.predict-same-file", where))
    try:
        growing = Growing(output)
    except OSError as error:
        raise _unwritable(where, error) from None

    def write(line: str) -> None:
        try:
            growing.write(line)
        except OSError as error:
            raise _unwritable(where, error) from None

    try:
        with growing:
            yield write
    finally:
        if growing.kept is not None:
            say(text("cli.predict-kept", count=growing.lines, path=growing.kept))


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _unwritable(where: Where, error: OSError) -> InputError:
    fields: dict[str, object] = {"detail": os_reason(error)}
    return InputError(Problem("cli.predict-unwritable", where, fields))


def _tell(result: dict[str, object], number: int, say_: Callable[[str], None]) -> None:
    if number <= _MOST_TOLD:
        say_(text("cli.predict-bad-line", line=result["line"], reason=result["error"]))
    elif number == _MOST_TOLD + 1:
        say_(text("cli.predict-more-bad-lines"))
