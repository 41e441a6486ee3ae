"""Japanese text as words: fugashi (MeCab) with the UniDic dictionary of unidic-lite.

The one tokenizer of every metric here that counts words, asks for a part of speech or for a
conjugated form. A text is tagged once and remembered, so that metrics share the work.
"""

from __future__ import annotations

import csv
import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fugashi import GenericTagger  # type: ignore[import-untyped]

REQUIRES = {"fugashi": "fugashi", "unidic_lite": "unidic-lite"}
"""What ``words`` needs, import name → name for pip: ``Metric.requires``."""

_ABSENT = "*"
_BLANK = re.compile(r"\s")
_UNREADABLE = re.compile("[\0\ud800-\udfff]")
"""Characters at which MeCab stops, or that it cannot be given."""

_LONGEST = 4000
"""Characters that MeCab is given at once: it crashes on a word of more than 65,535 bytes, and a
model that repeats one character without end writes such a word."""


@dataclass(frozen=True, slots=True)
class Word:
    """One short unit word (短単位) of UniDic.

    Attributes:
        surface: as it stands in the text; never empty.
        pos: the levels of its part of speech that there are, such as ("名詞", "固有名詞", "人名",
            "姓").
        lemma: its dictionary entry (語彙素), such as "有る" of "あり", "プラン-plan" of "プラン";
            of a word that the dictionary lacks, the surface.
        kind: conjugation type (活用型), such as "助動詞-マス"; "" where it does not conjugate.
        form: conjugated form (活用形), such as "連用形-一般"; "" likewise.
    """

    surface: str
    pos: tuple[str, ...]
    lemma: str
    kind: str
    form: str


@lru_cache(maxsize=1 << 17)
def words(text: str) -> tuple[Word, ...]:
    """The words of a text, in their order.

    Every character but white space is in exactly one word, as it is: emoji, full-width forms and
    unpaired surrogates too. No word holds white space.

    Raises:
        RuntimeError: the dictionary cannot be read.
    """
    found: list[Word] = []
    begin = 0
    for part in parts(text):
        at = 0
        for node in _tagger()(part):
            at = part.index(node.surface, at)
            end = at + len(node.surface)
            found.append(_word(text[begin + at : begin + end], node.feature_raw))
            at = end
        begin += len(part)
    return tuple(found)


def parts(text: str) -> list[str]:
    """A text as MeCab can take it: in parts, none too long, of as many characters in all.

    White space becomes a plain blank, and what MeCab stops at or fails on "\ufffd".
    """
    readable = _BLANK.sub(" ", _UNREADABLE.sub("\ufffd", text))
    return [readable[at : at + _LONGEST] for at in range(0, len(text), _LONGEST)]


def surfaces(text: str) -> tuple[str, ...]:
    """The words of a text as they stand in it."""
    return tuple(word.surface for word in words(text))


def signature() -> str:
    """Tagger and dictionary with their versions, for the signature of a metric."""
    return "tok:" + "+".join(f"{pip}-{_version(pip)}" for pip in REQUIRES.values())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


@lru_cache(maxsize=1 << 16)
def _word(surface: str, feature: str) -> Word:
    """A word from its line in the dictionary; one object for all places where it stands."""
    # Of the columns pos1 to pos4, cType, cForm, lForm, lemma, … unknown words have the first six.
    columns = next(csv.reader([feature])) if '"' in feature else feature.split(",")
    said = ["" if column == _ABSENT else column for column in columns]
    pos = tuple(level for level in said[:4] if level)
    lemma = said[7] if len(said) > 7 and said[7] else surface
    return Word(surface, pos, lemma, said[4], said[5])


_own = threading.local()
"""The tagger of each thread: MeCab's may not be used by two at once."""


def _tagger() -> GenericTagger:
    found: GenericTagger | None = getattr(_own, "tagger", None)
    if found is None:
        import unidic_lite  # type: ignore[import-untyped]
        from fugashi import GenericTagger

        # Named, since fugashi takes the full UniDic where that happens to be installed too.
        folder = unidic_lite.DICDIR
        found = GenericTagger(f'-r "{folder}/mecabrc" -d "{folder}"')
        _own.tagger = found
    return found
