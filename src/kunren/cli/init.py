"""``kunren init``: a YAML to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from kunren.cli.console import emit_json, format_option, show
from kunren.errors import InputError, Problem, os_reason
from kunren.messages import text
from kunren.presets import NAMES, preset
from kunren.types import Where


@click.command("init", help=text("cli.help-init"))
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--preset", "name", type=click.Choice(NAMES), default=None, help=text("cli.init-preset")
)
@format_option()
def command(path: Path | None, name: str | None, format_: str) -> None:
    """Write the preset's YAML; without one, say which there are."""
    if name is None and path is not None:
        raise click.UsageError(text("cli.init-which", names=", ".join(NAMES)))
    if name is None:
        if format_ == "json":
            emit_json({"presets": list(NAMES)})
            return
        show(text("cli.init-choose"))
        for known in NAMES:
            show(f"  kunren init --preset {known:<15} {text(f'cli.preset-{known}')}")
        return
    target = path or Path(f"{name}.yaml")
    if target.is_dir():
        target /= f"{name}.yaml"
    content = preset(name)
    try:
        # "x": what stands there is never written over.
        with target.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError as error:
        raise InputError(Problem("cli.init-exists", Where(str(target)))) from error
    except OSError as error:
        said: dict[str, object] = {"reason": os_reason(error)}
        raise InputError(Problem("cli.init-unwritable", Where(str(target)), said)) from error
    if format_ == "json":
        emit_json({"path": str(target)})
    else:
        show(text("cli.init-written", path=target))
