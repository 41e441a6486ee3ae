"""How much of a text is not Japanese: a model that slips into English or Chinese shows here."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_ADDRESS = re.compile(r"https?://\S+|www\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_IDEOGRAPH = re.compile("[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_UNIT = re.compile(r"(?<=\d)\s?[A-Za-z°℃%]{1,4}(?![A-Za-z])")
_SCRIPTS = ("HIRAGANA", "KATAKANA", "CJK UNIFIED", "CJK COMPATIBILITY", "IDEOGRAPHIC")

REPERTOIRES = ("euc_jis_2004", "cp932")
"""Character sets of Japan, JIS X 0213 and that of Windows (髙, 﨑): a kanji that neither has, such
as 们 or 这, is not used in Japanese."""

SETTINGS = (
    "letters", "kanji:jisx0213+cp932", "allowed:url+mail+unit+words-of-question-and-reference",
    "norm:nfkc", "mean-of-items",
)  # fmt: skip


def has_letters(said: str) -> bool:
    """Whether a text has anything that belongs to a script; emoji and digits do not."""
    return any(character.isalpha() for character in said)


@lru_cache(maxsize=1 << 16)
def foreign_share(said: str, known: str) -> float:
    """Share of the letters of a text that are of another script than Japanese.

    Letters only: digits, punctuation and emoji belong to every language. URLs, mail addresses,
    units behind a number, and words that ``known`` has too are not foreign.

    Args:
        said: the text; at least one letter.
        known: question and reference.
    """
    plain = unicodedata.normalize("NFKC", said)
    letters = sum(character.isalpha() for character in plain)
    allowed = frozenset(_foreign(unicodedata.normalize("NFKC", known)))
    found = _foreign(_UNIT.sub(" ", _ADDRESS.sub(" ", plain)))
    return sum(len(run) for run in found if run not in allowed) / letters


def _foreign(text: str) -> list[str]:
    """The runs of letters that are no Japanese ones, in one case; a kanji is a run of its own."""
    others = {ord(c): " " for c in set(text) if not c.isalpha() or _japanese(c)}
    foreign = text.translate(others)
    return _IDEOGRAPH.sub(r" \g<0> ", foreign).casefold().split()


@lru_cache(maxsize=1 << 14)
def _japanese(character: str) -> bool:
    if not unicodedata.name(character, "").startswith(_SCRIPTS):
        return False
    return any(_has(repertoire, character) for repertoire in REPERTOIRES)


def _has(repertoire: str, character: str) -> bool:
    try:
        character.encode(repertoire)
    except UnicodeEncodeError:
        return False
    return True
