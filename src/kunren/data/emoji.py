"""What one emoji is, and which emoji a text holds."""

from __future__ import annotations

import re
from functools import cache

import emoji
import regex

_GRAPHEME = regex.compile(r"\X")
_SELECTORS = str.maketrans({"\ufe0e": None, "\ufe0f": None})
_TONES = str.maketrans(dict.fromkeys(range(0x1F3FB, 0x1F400)))
_TONE_NAMES = re.compile(r"_(?:medium-)?(?:light|dark)_skin_tone|_medium_skin_tone")
_NEUTRAL_COUPLES = {
    ":couple_with_heart_person_person:": ":couple_with_heart:",
    ":kiss_person_person:": ":kiss:",
}
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufe0e\ufe0f\ufeff"
_BETWEEN = re.compile(rf"[\s,，、､・{_INVISIBLE}]+")
_LONGEST = 16
"""Code points that no emoji exceeds, selectors and tones counted."""


def split_graphemes(text: str) -> list[str]:
    """What a person would count as characters: 👨‍👩‍👧, 🇯🇵 and が (か + ゛) are one each."""
    found: list[str] = _GRAPHEME.findall(text)
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


def merge_skin_tones(text: str) -> str:
    """``text`` with each emoji in its default, yellow form: 👍🏻 becomes 👍, 👩🏽‍🚀 becomes 👩‍🚀.

    Couples of two skin tones become the couple that has none: 🫱🏻‍🫲🏿 becomes 🤝. Emoji without a
    skin tone, and everything that is no emoji, stay as they are.
    """
    return "".join(_without_tone().get(g, g) for g in split_graphemes(normalize_emoji(text)))


def split_emoji(text: str) -> list[str]:
    """The emoji of a text, normalised, and what stands between them, in order.

    Emoji need nothing between them; white space and commas (also ``、`` and ``・``) are passed
    over, and so is what cannot be seen. Other text comes in pieces, cut where those stand:
    ``😀😢 よね、🎉`` gives 😀, 😢, よね and 🎉, and ``is_emoji`` tells them apart. A skin tone on a
    car, or emoji joined that Unicode does not join, come apart into emoji and the rest.
    """
    pieces: list[str] = []
    other = ""
    for grapheme in split_graphemes(text):
        for part in _parts(grapheme):
            if is_emoji(part):
                pieces += _words(other)
                pieces.append(normalize_emoji(part))
                other = ""
            else:
                other += part
    return pieces + _words(other)


def emoji_name(one: str) -> str | None:
    """The Japanese name of an emoji (Unicode's CLDR): バイオリン for 🎻; None for what is no emoji.

    A name of two parts has a space between them: ``旗 日本``.
    """
    form = _canonical().get(one.translate(_SELECTORS))
    if form is None or not is_emoji(one):
        return None
    named: str = emoji.demojize(form, language="ja")
    return named.strip(":").replace("_", " ") if named != form else None


def _words(text: str) -> list[str]:
    return [word for word in _BETWEEN.split(text) if word]


def _parts(grapheme: str) -> list[str]:
    """A grapheme whole where it is an emoji or has none in it, else its longest emoji and rests."""
    if len(grapheme) == 1 or is_emoji(grapheme):
        return [grapheme]
    parts = []
    at = 0
    while at < len(grapheme):
        ends = range(min(len(grapheme), at + _LONGEST), at + 1, -1)
        end = next((e for e in ends if _begins_emoji(grapheme[at:e])), at + 1)
        parts.append(grapheme[at:end])
        at = end
    return parts


def _begins_emoji(text: str) -> bool:
    return text[0] not in _INVISIBLE and is_emoji(text)


@cache
def _canonical() -> dict[str, str]:
    """Each emoji without variation selectors → its fully qualified form."""
    return {
        form.translate(_SELECTORS): form
        for form, about in emoji.EMOJI_DATA.items()
        if about["status"] == emoji.STATUS["fully_qualified"]
    }


@cache
def _without_tone() -> dict[str, str]:
    """Each fully qualified emoji with a skin tone → the same without.

    Most lose the tone's code point. A couple of two tones is joined from two people, and without
    tones it is one code point of its own: their English names tell which.
    """
    named = {emoji.EMOJI_DATA[form]["en"]: form for form in _canonical().values()}
    plain = {}
    for bare, form in _canonical().items():
        stripped = bare.translate(_TONES)
        if stripped == bare:
            continue
        if stripped in _canonical():
            plain[form] = _canonical()[stripped]
            continue
        name = _TONE_NAMES.sub("", emoji.EMOJI_DATA[form]["en"])
        plain[form] = named[_NEUTRAL_COUPLES.get(name, name)]
    return plain
