"""What one emoji is."""

from __future__ import annotations

from functools import cache

import emoji
import regex

_SELECTORS = str.maketrans({"\ufe0e": None, "\ufe0f": None})


def split_graphemes(text: str) -> list[str]:
    """What a person would count as characters: 👨‍👩‍👧, 🇯🇵 and が (か + ゛) are one each."""
    found: list[str] = regex.findall(r"\X", text)
    return found


def is_emoji(text: str) -> bool:
    """Whether ``text`` is exactly one emoji, with or without its variation selector.

    Emoji are those that Unicode recommends for interchange, as the ``emoji`` package lists them:
    flags, families, skin tones and keycaps are emoji; ``1``, ★, kaomoji, a lone regional indicator
    and a lone skin tone are not.
    """
    return text.translate(_SELECTORS) in _canonical() and len(split_graphemes(text)) == 1


def normalize_emoji(text: str) -> str:
    """``text`` with each emoji in the one form that keyboards type (Unicode's "fully qualified").

    ❤ and ❤︎ become ❤️. Everything else stays as it is.
    """
    return "".join(
        _canonical().get(grapheme.translate(_SELECTORS), grapheme)
        for grapheme in split_graphemes(text)
    )


@cache
def _canonical() -> dict[str, str]:
    """Each emoji without variation selectors → its fully qualified form."""
    qualified = emoji.STATUS["fully_qualified"]
    return {
        form.translate(_SELECTORS): form
        for form, about in emoji.EMOJI_DATA.items()
        if about["status"] == qualified
    }
