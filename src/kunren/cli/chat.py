"""``kunren chat``: talk with a run's model."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from kunren.cli.console import json_text, progress, say
from kunren.messages import text
from kunren.textfile import printable


class _History(click.ParamType[Any]):
    name = "N|all"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "all" or isinstance(value, int):
            return value
        if str(value).isdecimal():
            return int(value)
        return self.fail(text("cli.chat-bad-history", value=value), param, ctx)


@click.command("chat", help=text("cli.help-chat"))
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--base", is_flag=True, help=text("cli.chat-base"))
@click.option("--system", default=None, help=text("cli.chat-system"))
@click.option(
    "--history", type=_History(), default=0, show_default=True, help=text("cli.chat-history")
)
@click.option(
    "--max-new-tokens",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help=text("cli.chat-max-new-tokens"),
)
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help=text("cli.chat-temperature"),
)
@click.option(
    "--top-p",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=1.0,
    show_default=True,
    help=text("cli.chat-top-p"),
)
@click.option(
    "--repetition-penalty",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help=text("cli.repetition-penalty"),
)
@click.option("--constrained", is_flag=True, help=text("cli.constrained"))
@click.option("--samples", type=click.IntRange(min=1), default=None, help=text("cli.samples"))
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help=text("cli.chat-format"),
)
def command(
    run: Path,
    base: bool,
    system: str | None,
    history: Any,
    max_new_tokens: int,
    temperature: float,
    top_p: float,
    repetition_penalty: float,
    constrained: bool,
    samples: int | None,
    format_: str,
) -> None:
    """Read lines, stream answers; Ctrl+C or Ctrl+D ends cleanly."""
    from kunren.config.schema import Decoding
    from kunren.experiment import open_finished
    from kunren.samples import samples as count_samples
    from kunren.use import Chat, Predictor, see_that_it_can_choose

    if constrained:
        see_that_it_can_choose(open_finished(run)[1])
    with progress() as shown:
        predictor = Predictor.open(run, base=base, progress=shown)
    predictor.asked("")
    chat = Chat(predictor, system, history, asked=predictor.asked, constrained=constrained)
    which = text("cli.chat-which-base" if base else "cli.chat-which-tuned")
    say(text("cli.chat-intro", which=which, history=_said(history)))
    if chat.system:
        say(text("cli.chat-system-is", system=chat.system))
    sampling: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p}
    sampling["repetition_penalty"] = repetition_penalty
    drawn = Decoding(
        sample=True,
        temperature=temperature or 1.0,
        top_p=top_p,
        repetition_penalty=repetition_penalty,
    )
    draw = partial(
        count_samples,
        predictor,
        count=samples or 0,
        drawn=drawn,
        constrained=constrained,
        max_new_tokens=max_new_tokens,
    )
    try:
        while True:
            said = _ask()
            if not said.strip():
                continue
            context = chat.context(said)
            pieces = chat.reply(said, max_new_tokens, **sampling)
            if format_ == "json":
                exchange = {"user": said, "assistant": "".join(pieces).strip()}
                result: dict[str, Any] = exchange | {"ended": chat.ended}
                if samples:
                    counted = draw(context)
                    result["samples"] = [{"answer": a, "count": n} for a, n in counted]
                sys.stdout.write(json_text(result))
            else:
                for piece in pieces:
                    sys.stdout.write(printable(piece))
                    sys.stdout.flush()
            sys.stdout.write("\n")
            sys.stdout.flush()
            if chat.ended is False and format_ == "text":
                say(text("cli.chat-cut", limit=max_new_tokens))
            if samples and format_ == "text":
                for answer, times in draw(context):
                    sys.stdout.write(f"{times}/{samples}  {printable(answer)}\n")
                sys.stdout.flush()
    except (KeyboardInterrupt, EOFError):
        if format_ == "text":
            sys.stdout.write("\n")
        say(text("cli.chat-bye"))


def _said(history: Any) -> str:
    if history == "all":
        return text("cli.chat-history-all")
    return (
        text("cli.chat-history-some", count=history) if history else text("cli.chat-history-none")
    )


def _ask() -> str:
    if sys.stdin.isatty():
        import readline  # noqa: F401  (line editing that knows multi-byte characters)

        return input("> ")
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")
