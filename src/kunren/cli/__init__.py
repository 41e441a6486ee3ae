"""The command line: one module a command, loaded when it is called.

Nothing heavy is imported here, so that ``kunren --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, cast

import click

from kunren import __version__
from kunren.cli import streams
from kunren.messages import Language, text, use_language

if TYPE_CHECKING:
    from kunren.errors import KunrenError

COMMANDS = {
    "init": "kunren.cli.init:command",
    "check": "kunren.cli.check:command",
    "run": "kunren.cli.run:command",
    "report": "kunren.cli.report:command",
    "compare": "kunren.cli.compare:command",
    "doctor": "kunren.cli.doctor:command",
    "chat": "kunren.cli.chat:command",
    "predict": "kunren.cli.predict:command",
    "score": "kunren.cli.score:command",
    "log": "kunren.cli.log:command",
    "models": "kunren.cli.models:command",
}


class Lazy(click.Group):
    """A group that imports a command's module when the command is called, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names in the order in which a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command, or None where there is none of that name."""
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        return cast("click.Command", getattr(import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the catalogue, so that none has to be imported."""
        with formatter.section(text("cli.commands")):
            formatter.write_dl(
                [(name, text(f"cli.help-{name}")) for name in self.list_commands(ctx)]
            )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve, naming the nearest command where there is none of that name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            said = text("cli.no-command", name=args[0])
            ctx.fail(said + (text("cli.did-you-mean", name=near[0]) if near else ""))
        return super().resolve_command(ctx, args)


def _group() -> click.Group:
    @click.group(
        cls=Lazy,
        help=text("cli.help"),
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=text("cli.epilog"),
    )
    @click.option(
        "--lang", type=click.Choice(["ja", "en"]), help=text("cli.option-lang"), expose_value=False
    )
    @click.version_option(__version__, "--version", prog_name="kunren")
    def kunren() -> None:
        pass

    return kunren


def _take_language(arguments: list[str]) -> list[str]:
    """Set the language from ``--lang`` wherever it stands, or from KUNREN_LANG.

    Help texts are made when a command is defined, so the language has to be known before that.
    """
    chosen = os.environ.get("KUNREN_LANG", "ja")
    rest = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word.startswith("--lang="):
            chosen = word.removeprefix("--lang=")
        elif word == "--lang":
            chosen = next(words, "")
        else:
            rest.append(word)
    if chosen not in ("ja", "en"):
        sys.stderr.write(f"--lang: {chosen!r}: ja | en\n")
        raise SystemExit(2)
    use_language(cast("Language", chosen))
    return rest


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exit codes: 0 done, 1 a check failed or training stopped, 2 bad input."""
    streams.prepare()
    rest = _take_language(list(sys.argv[1:] if arguments is None else arguments))
    from kunren.errors import KunrenError

    _tell_warnings()
    try:
        result: Any = _group().main(args=rest, prog_name="kunren", standalone_mode=False)
        streams.finish()
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except KunrenError as error:
        _fail(error)
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("\n" + text("cli.interrupted") + "\n")
        raise SystemExit(130) from None
    except BrokenPipeError:
        # The reader (head, less) has gone: nothing to tell, and nothing more may be written.
        streams.give_up_output()
        raise SystemExit(0) from None
    except Exception as error:
        from kunren.cli import unforeseen

        if unforeseen.wanted():
            raise
        streams.give_up_output()
        _fail(unforeseen.told(error))
    raise SystemExit(result if isinstance(result, int) else 0)


def _tell_warnings() -> None:
    """Let kunren's own warnings be lines for the user, each once, without a place in the code."""
    from kunren.errors import KunrenWarning

    others, told = warnings.showwarning, set[str]()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if not issubclass(category, KunrenWarning):
            others(message, category, *place, **more)
        elif str(message) not in told:
            from kunren.cli.console import say

            told.add(str(message))
            say(f"{text('cli.warning')} {message}")

    warnings.showwarning = show


def _fail(error: KunrenError) -> NoReturn:
    from kunren.cli.console import show_error

    show_error(error)
    raise SystemExit(error.exit_code) from None
