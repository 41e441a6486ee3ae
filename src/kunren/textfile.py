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
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BIDI = frozenset("\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def decode(data: bytes) -> tuple[str, str | None]:
    """The text of a file that should be UTF-8, with or without a byte order mark.

    Returns:
        The text and None; or, for a file in another encoding, as much of it as can be read and
        the encoding's name as ``iconv`` knows it (``"?"`` where nothing fits). Single broken bytes
        in a file that is otherwise UTF-8 become U+FFFD, so that their lines can be named.
    """
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return data.decode("utf-32", errors="replace"), "UTF-32"
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
    guessed = _guess(data)
    return (text, None) if guessed[1] == "?" and _mostly_whole(data) else guessed


def _mostly_whole(data: bytes) -> bool:
    """Whether most lines that are not ASCII are UTF-8: files were joined, or some lines damaged."""
    lines = [line for line in data.splitlines() if not line.isascii()]
    return 2 * sum(map(_is_utf8, lines)) > len(lines)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


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


def printable(text: str) -> str:
    r"""All of a text as a terminal may show it: line breaks stay, what would steer it is told.

    Escape sequences, other control characters, marks that turn the writing direction and halves of
    surrogate pairs become ``\u001b`` and the like.
    """
    lines = text.replace("\r\n", "\n")
    return _STEERING.sub(lambda found: f"\\u{ord(found.group()):04x}", lines)


def shown(path: Path) -> str:
    """A path as people write it: relative where it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def nearest_file(path: Path) -> str | None:
    """A file that exists and may have been meant by ``path``, which does not exist."""
    try:
        names = [p.name for p in path.parent.iterdir() if p.is_file()]
    except OSError:  # no such folder, or one that may not be looked into
        return None
    found = nearest(path.name, names)
    return None if found is None else shown(path.parent / found)
