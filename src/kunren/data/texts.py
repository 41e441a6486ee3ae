"""Texts that cannot be what someone wrote."""

from __future__ import annotations

import re
from functools import lru_cache

from kunren.textfile import excerpt

_JAPANESE = re.compile(r"[ぁ-ゖァ-ヺ一-鿿]")
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
"""What no text has: Unicode's categories Cc, but for tab and line breaks, and Cs; U+FFFD."""


@lru_cache(maxsize=1 << 14)  # labels and system prompts come again and again
def garbled(text: str) -> tuple[str, dict[str, object]] | None:
    """How a text is garbled, as a problem's name and fields; None if it is not.

    Found are characters that no text has (control characters, U+FFFD, half a surrogate pair) and
    Japanese that was read in the wrong encoding and saved so: text that, encoded back, is UTF-8
    for Japanese, which text that someone wrote is not.
    """
    if (bad := _NO_TEXT.search(text)) is not None:
        return "garbled", {"character": f"U+{ord(bad.group()):04X}", "excerpt": excerpt(text)}
    if text.isascii():
        return None
    western = () if _JAPANESE.search(text) else ("latin-1", "cp1252")  # they have none of these
    for encoding in ("cp932", *western):
        try:
            repaired = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        # One is not enough: a rare kanji and a common one can by chance be a kanji and a letter.
        if len(_JAPANESE.findall(repaired)) > 1:
            return "mojibake", {"excerpt": excerpt(text), "repaired": excerpt(repaired)}
    return None
