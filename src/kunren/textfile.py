"""Text files as users have them: their encoding, their paths, and how to quote from them."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

from kunren.nearest import nearest

_GUESSES = ("cp932", "euc_jp")
_KANA = re.compile(r"[ぁ-ゖァ-ヺー]")
_NAMES = {"cp932": "CP932", "euc_jp": "EUC-JP"}
ASCII_BASED = frozenset(_NAMES.values())
"""Encodings in which what is ASCII reads the same."""
_UNSAFE = ("Cc", "Cs", "Zl", "Zp")
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def decode(data: bytes) -> tuple[str, str | None]:
    """The text of a file that should be UTF-8, with or without a byte order mark.

    Returns:
        The text and None; or, for a file in another encoding, as much of it as can be read and
        the encoding's name as ``iconv`` knows it (``"?"`` where nothing fits). Single broken bytes
        in a file that is otherwise UTF-8 become U+FFFD, so that their lines can be named.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace"), "UTF-16"
    if data[:4096].count(0) * 10 > len(data[:4096]):
        # Half of the bytes of ASCII in UTF-16 are zero; which half tells the byte order.
        order = "LE" if data[1:4096:2].count(0) >= data[0:4096:2].count(0) else "BE"
        return data.decode(f"utf-16-{order.lower()}", errors="replace"), f"UTF-16{order}"
    if re.search(rb"\x1b\$[@B]", data):
        return data.decode("iso2022_jp", errors="replace"), "ISO-2022-JP"
    text = data.decode("utf-8-sig", errors="replace")
    broken = text.count("\ufffd") - data.count("\ufffd".encode())
    if broken == 0:
        return text, None
    whole = sum(1 for c in text if ord(c) > 127) - text.count("\ufffd")
    if whole > 4 * broken:
        return text, None
    return _guess(data)


def _guess(data: bytes) -> tuple[str, str]:
    """The Japanese encoding that gives the most kana; half-width katakana are noise."""
    readings = []
    for encoding in _GUESSES:
        try:
            readings.append((data.decode(encoding), _NAMES[encoding]))
        except UnicodeDecodeError:
            continue
    if not readings:
        return data.decode("latin-1"), "?"
    return max(readings, key=lambda reading: len(_KANA.findall(reading[0])))


def json_object(path: Path) -> dict[str, Any]:
    """A JSON object that may lie there; empty where it does not or cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def excerpt(text: str, limit: int = 30) -> str:
    """The beginning of ``text``, on one line and safe to print on a terminal."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(_printable(c) for c in cut)


def _printable(char: str) -> str:
    if unicodedata.category(char) in _UNSAFE or char in _BIDI:
        return f"\\u{ord(char):04x}" if char not in "\n\r\t" else "⏎⏎→"["\n\r\t".index(char)]
    return char


def shown(path: Path) -> str:
    """A path as people write it: relative where it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def nearest_file(path: Path) -> str | None:
    """A file that exists and may have been meant by ``path``, which does not exist."""
    if not path.parent.is_dir():
        return None
    names = [p.name for p in path.parent.iterdir() if p.is_file()]
    found = nearest(path.name, names)
    return None if found is None else shown(path.parent / found)
