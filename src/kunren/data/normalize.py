"""When two texts count as the same. For comparing only: a model reads what was written."""

from __future__ import annotations

import re
import unicodedata

# Windows and other systems convert these pairs differently from Shift_JIS; NFKC knows only the
# second of each.
_TWINS = str.maketrans({"〜": "~", "−": "-", "‖": "∥"})
_INVISIBLE = re.compile("[\u00ad\u200b\u200c\u2060\ufe0e\ufe0f\ufeff]")
_SPACE = re.compile(r"\s+")


def normalize(text: str) -> str:
    """NFKC, lower case, single spaces, without what cannot be seen.

    ``Ａ　ｂ`` and ``a b`` become the same, ``〜`` and ``～`` too, ❤ with and without its variation
    selector too. Zero-width joiners stay: without them 👨‍👩‍👧 would be three people.
    """
    seen = _INVISIBLE.sub("", text.translate(_TWINS))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    return _SPACE.sub(" ", folded.translate(_TWINS)).strip()


def is_blank(text: str) -> bool:
    """Whether a text has nothing that can be seen."""
    return not _INVISIBLE.sub("", text).strip()
