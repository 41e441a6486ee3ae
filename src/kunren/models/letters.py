"""How a tokenizer reads single characters of the data: as an end of text, or without their marks.

A SentencePiece tokenizer put into a model of another kind may give unknown characters the token
that ends a text; one that takes accents off takes the dakuten too, since Unicode makes が of か and
a combining mark.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kunren.models.typed_tokens import encode

_MARKS = frozenset("\u3099\u309a")
"""Dakuten and handakuten, where a character is taken apart."""


@dataclass(frozen=True, slots=True)
class Letters:
    """Characters that are not read as what they are, the most frequent first.

    Attributes:
        ends: character → the token that ends or fills up a text, which it is read as.
        bare: character → the one that it is read as, without its mark.
        rows: each of these characters → rows that have it.
        answers: of ``rows`` those that have a character of ``ends`` in an answer.
    """

    ends: dict[str, str]
    bare: dict[str, str]
    rows: dict[str, int]
    answers: int = 0


def letters(tokenizer: Any, rows: Sequence[tuple[str, str]], never: Collection[int]) -> Letters:
    """Read each character of the rows by itself.

    Args:
        tokenizer: the model's.
        rows: what each row asks, and what it answers.
        never: ids that no character may be read as: the end of a text, and padding.
    """
    counted: Counter[str] = Counter()
    for asked, answer in rows:
        counted.update(_letters(asked + answer))
    found = [letter for letter, _ in counted.most_common()]
    read = encode(tokenizer, found, add_special_tokens=False) if found else []
    ends, bare = {}, {}
    for letter, ids in zip(found, read, strict=True):
        inside = next((n for n in ids if n in never), None)
        if inside is not None:
            ends[letter] = str(tokenizer.convert_ids_to_tokens([inside])[0])
        elif (base := _without_mark(letter)) and tokenizer.decode(ids).strip() == base:
            bare[letter] = base
    answers = sum(any(letter in ends for letter in answer) for _, answer in rows)
    return Letters(ends, bare, {c: counted[c] for c in (*ends, *bare)}, answers)


def _letters(said: str) -> Iterable[str]:
    return {c for c in unicodedata.normalize("NFC", said) if not c.isspace()}


def _without_mark(letter: str) -> str:
    parts = unicodedata.normalize("NFD", letter)
    return parts[0] if len(parts) == 2 and parts[1] in _MARKS else ""
