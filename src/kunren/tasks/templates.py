"""Prompt templates: a text with named fields in braces, or the name of a ready one.

``{text}`` is the row's text, whatever its column is called, ``{labels}`` the list of all labels,
every other name a column. ``{{`` and ``}}`` are braces. Nothing else of Python's format language
is understood: a template is data, and data must not reach into objects.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from string import Formatter

from kunren.errors import InputError, Problem
from kunren.nearest import nearest
from kunren.textfile import excerpt

TEXT = "text"
LABELS = "labels"

_NAME = re.compile(r"[\w-]{1,40}")
"""What may have been meant as the name of a ready template: one word."""


class _BadTemplateError(Exception):
    def __init__(self, code: str, **fields: object) -> None:
        self.problem = Problem(code, fields=fields)


@cache
def ready() -> Mapping[str, str]:
    """The ready templates: name → text."""
    source = resources.files(__package__) / "ready.toml"
    entries = tomllib.loads(source.read_text(encoding="utf-8"))
    return {name: str(entry["text"]) for name, entry in entries.items()}


def resolve(name_or_text: str) -> str:
    """The text of a ready template, or the text itself."""
    return ready().get(name_or_text.strip(), name_or_text)


@cache
def names(template: str) -> tuple[str, ...]:
    """The names in braces, each once, in their order.

    Raises:
        InputError: its braces make no sense, or they hold more than a name.
    """
    try:
        found = [name for _, name in _pieces(template) if name is not None]
    except _BadTemplateError as error:
        raise InputError(error.problem) from None
    return tuple(dict.fromkeys(found))


def template_problems(template: str) -> list[Problem]:
    """What is wrong with a template, ready or not, whatever the data is.

    Besides its form: it must name a field of the row, or every row would read the same.
    """
    try:
        found = [name for _, name in _pieces(template) if name is not None]
    except _BadTemplateError as error:
        return [error.problem]
    if any(name != LABELS for name in found):
        return []
    if found or not _NAME.fullmatch(template.strip()):
        return [Problem("task.template-without-text")]
    near = nearest(template, ready())
    said: dict[str, object] = {"name": template.strip(), "ready": ", ".join(ready())}
    if near is None:
        return [Problem("task.template-unknown-ready", fields=said)]
    return [Problem("task.template-unknown-ready-near", fields=said | {"nearest": near})]


def render(template: str, text: str, fields: Mapping[str, str], labels: Sequence[str] = ()) -> str:
    """A template with its names replaced, once: braces in the row's own text mean nothing.

    Args:
        template: its text, or the name of a ready one.
        text: what ``{text}`` stands for.
        fields: the row's columns.
        labels: what ``{labels}`` lists; empty: it is left standing, for ``with_labels``.

    Raises:
        InputError: the template is no good, or names a field that the row has not.
    """
    values = {**fields, TEXT: text, LABELS: "、".join(labels) or f"{{{LABELS}}}"}
    missing = [name for name in names(template) if name not in values]
    if missing:
        raise InputError([missing_field(name, fields) for name in missing])
    return "".join(
        literal if name is None else literal + values[name] for literal, name in _pieces(template)
    )


def with_labels(template: str, labels: Sequence[str]) -> str:
    """A template with the labels written out where it says ``{labels}``.

    Raises:
        InputError: the template is no good.
    """
    if LABELS not in names(template):
        return template
    listed = _escaped("、".join(labels))
    return "".join(
        _escaped(literal) + ("" if name is None else listed if name == LABELS else f"{{{name}}}")
        for literal, name in _pieces(template)
    )


def missing_field(name: str, columns: Mapping[str, str]) -> Problem:
    """That a template names a field which is not there, with those that are."""
    known = [TEXT, *(column for column in columns if column != TEXT)]
    near = nearest(name, known)
    said: dict[str, object] = {"name": name, "columns": excerpt("、".join(known), 80)}
    if near is None:
        return Problem("task.template-no-field", fields=said)
    return Problem("task.template-no-field-near", fields=said | {"nearest": near})


def _escaped(literal: str) -> str:
    return literal.replace("{", "{{").replace("}", "}}")


@cache
def _pieces(template: str) -> tuple[tuple[str, str | None], ...]:
    """The template cut into (literal, the name after it); None after the last literal."""
    try:
        parsed = list(Formatter().parse(resolve(template)))
    except ValueError:
        raise _BadTemplateError("task.template-braces") from None
    pieces = []
    for literal, field, spec, conversion in parsed:
        name = None if field is None else field.strip()
        if name == "":
            raise _BadTemplateError("task.template-no-name")
        if name is not None and (spec or conversion or re.search(r"[.\[\]]", name)):
            raise _BadTemplateError("task.template-expression", found=excerpt(name))
        pieces.append((literal, name))
    return tuple(pieces)
