"""When two texts count as the same. For comparing only: a model reads what was written."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Windows and other systems convert these pairs differently from Shift_JIS; NFKC knows only the
# second of each.
_TWINS = (("〜", "~"), ("−", "-"), ("‖", "∥"))
_INVISIBLE = re.compile("[\u00ad\u200b\u200c\u2060\ufe0e\ufe0f\ufeff]")


MISSING_WORDS = frozenset(
    (
        "nan", "-nan", "+nan", "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind",
        "null", "none", "<na>", "nat", "n/a", "na", "#n/a", "#n/a n/a", "#na",
        "#value!", "#ref!", "#name?", "#div/0!", "#null!", "#num!",
    )
)  # fmt: skip
"""What pandas, R, databases and spreadsheets write into a cell that has no value, case-folded."""


def is_missing_word(cell: str) -> bool:
    """Whether a cell holds nothing but such a word."""
    return len(cell) < 16 and cell.strip().casefold() in MISSING_WORDS


@lru_cache(maxsize=1 << 18)
def normalize(text: str) -> str:
    """NFKC, lower case, single spaces, without what cannot be seen.

    ``Ａ　ｂ`` and ``a b`` become the same, ``〜`` and ``～`` too, ❤ with and without its variation
    selector too. Zero-width joiners stay: without them 👨‍👩‍👧 would be three people. Remembered:
    reading, splitting and the rules ask for the same texts.
    """
    seen = _INVISIBLE.sub("", _without_twins(text))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    return " ".join(_without_twins(folded).split())


def _without_twins(text: str) -> str:
    # Much faster than str.translate, which looks at each character.
    for one, other in _TWINS:
        text = text.replace(one, other)
    return text


def is_blank(text: str) -> bool:
    """Whether a text has nothing that can be seen."""
    if text[:1].isalnum():
        return False
    return not _INVISIBLE.sub("", text).strip()
