"""The one catalogue of everything that kunren says, in Japanese and English.

Each ``<area>.toml`` beside this file holds tables ``[name]`` with the keys ``ja`` and ``en``; the
message ``data.broken-json`` is table ``broken-json`` of ``data.toml``. Placeholders are those of
``str.format``. Areas are read when first asked for, so that a command pays only for its own.
"""

from __future__ import annotations

import tomllib
from contextvars import ContextVar
from functools import cache
from importlib import resources
from typing import Literal, cast

Language = Literal["ja", "en"]

_language: ContextVar[Language] = ContextVar("language", default="ja")


def use_language(language: Language) -> None:
    """Choose the language of every later message."""
    _language.set(language)


def language() -> Language:
    """The language in use."""
    return _language.get()


@cache
def catalogue(area: str) -> dict[str, dict[str, str]]:
    """All messages of one area: name → language → text.

    Raises:
        KeyError: there is no such area.
    """
    source = resources.files(__package__) / f"{area}.toml"
    if not source.is_file():
        raise KeyError(f"no message area {area!r}")
    return cast("dict[str, dict[str, str]]", tomllib.loads(source.read_text(encoding="utf-8")))


def text(key: str, /, **fields: object) -> str:
    """The message ``area.name`` in the language in use, with its placeholders filled.

    Raises:
        KeyError: no such message, or a placeholder without a value.
    """
    area, _, name = key.partition(".")
    return catalogue(area)[name][language()].format(**fields)
