"""Which of the known words someone meant."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from rapidfuzz import fuzz, process

_ENOUGH = 60.0
"""Of 100: ``epoch`` and ``batch`` find ``epochs`` and ``batch_size``; ``foo`` finds nothing."""


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most like ``word``, or None where none is like it.

    Case, width (full or half) and ``-`` against ``_`` do not count as differences.
    """
    found = process.extractOne(
        word, list(choices), scorer=fuzz.ratio, processor=_fold, score_cutoff=_ENOUGH
    )
    return None if found is None else str(found[0])


def _fold(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold().strip().replace("-", "_")
