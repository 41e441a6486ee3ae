"""What one value of a record means, whatever its type: a text, an amount, or lists written out.

The same value comes as a number from JSON, as text from CSV, and with its gaps as NaN from pandas.
"""

from __future__ import annotations

import ast
import datetime
import decimal
import json
import math
import re
import unicodedata
from collections.abc import Iterator

from kunren.data import missing

_YES = frozenset(
    [
        "true",
        "yes",
        "y",
        "t",
        "on",
        "はい",
        "有",
        "あり",
        "○",
        "◯",
        "〇",
        "●",
        "◎",
        "✓",
        "✔",
        "☑",
        "✅",
    ]
)
_NO = frozenset(
    [
        "false",
        "no",
        "n",
        "f",
        "off",
        "いいえ",
        "無",
        "なし",
        "×",
        "✕",
        "✖",
        "✗",
        "✘",
        "☐",
        "❌",
        "-",
        "–",
        "—",
        "ー",
    ]
)
"""A Latin ``x`` is in neither: it marks a yes in one country and a no in another."""

_OPENS = ("[", "{", "(")
_TOKEN = re.compile(
    r"""(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<open>[\[{(])|(?P<close>[\]})])"""
    r"""|(?P<between>[,:])|(?P<space>\s+)|(?P<word>[^\s'"\[\]{}(),:]+)""",
    re.DOTALL,
)
_WORDS = {"nan": "None", "NaN": "None", "null": "None", "true": "True", "false": "False"}
_ARRAY = re.compile(r",\s*dtype=[\w.'<>|]+\s*(?=\))|\barray(?=\()")


def is_missing(value: object) -> bool:
    """Whether there is no value: null, or the NaN that pandas writes in its place."""
    return value is None or (isinstance(value, float | decimal.Decimal) and math.isnan(value))


def as_text(value: object) -> str | None:
    """A single value as text: strings as they stand, ``3``, ``1.5``, ``true``, ``2024-05-01``.

    None for what is missing and for what has parts.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_missing(value):
        return None
    if isinstance(value, int | float | decimal.Decimal):
        return str(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return None


def amount(value: object) -> float | None:
    """A value as a number, or None for what is none.

    1 for yes and 0 for no, in the ways that tables say so; an empty cell is 0.
    """
    if is_missing(value):
        return 0.0
    if isinstance(value, bool | int | float | decimal.Decimal):
        number = float(value)
        return number if math.isfinite(number) else None
    if not isinstance(value, str):
        return None
    said = unicodedata.normalize("NFKC", value).replace("\ufe0f", "").strip().casefold()
    absent = missing.is_missing(value) or missing.may_be_missing(value)
    if not said or (said not in _NO and absent):
        return 0.0
    if said in _YES or said in _NO:
        return float(said in _YES)
    try:
        number = float(said)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in said else None


def structure(text: str) -> object:
    """The list or mapping that a cell holds written out; None where it holds none.

    As JSON, as Python writes it (single quotes, None), and as numpy does, without commas between
    its elements. Nothing is executed.
    """
    text = text.strip()
    if text == "set()":
        return []
    if not text.startswith(_OPENS):
        return None
    try:
        return _list_or_mapping(json.loads(text))
    except (ValueError, RecursionError):
        pass
    try:
        return _list_or_mapping(ast.literal_eval(_with_commas(text)))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _list_or_mapping(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, set):
        return sorted(value, key=str)
    return value if isinstance(value, list | dict) else None


def _with_commas(text: str) -> str:
    """The text with a comma between values that have only space between them.

    Python would read ``['a' 'b']`` as the one string ``ab``.
    """
    return "".join(_pieces(text))


def _pieces(text: str) -> Iterator[str]:
    text = _outside_strings(text)
    after_value, end = False, 0
    for token in _TOKEN.finditer(text):
        if token.start() != end:
            break
        end = token.end()
        kind, said = token.lastgroup, token.group()
        if kind == "space":
            yield " "
            continue
        if after_value and kind in ("string", "open", "word"):
            yield ","
        after_value = kind in ("string", "close", "word")
        yield _WORDS.get(said, said) if kind == "word" else said
    if end != len(text):
        raise ValueError(f"a quote that nothing closes, at {end}")


def _outside_strings(text: str) -> str:
    """The text without ``array`` and ``dtype=object`` around numpy's lists."""
    if "array(" not in text:
        return text
    found, last = [], 0
    for string in re.finditer(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", text, re.DOTALL):
        found += [_ARRAY.sub("", text[last : string.start()]), string.group()]
        last = string.end()
    return "".join([*found, _ARRAY.sub("", text[last:])])
