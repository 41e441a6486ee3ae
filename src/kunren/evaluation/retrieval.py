"""Passages of the user's documents for each question: the retrieval in front of a model.

Found by TF-IDF of character n-grams, as the nearest training row is: it needs no model, works for
names and numbers that no embedding has seen, and can be said in one line of the record.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kunren.data.documents import Passage
from kunren.evaluation.likeness import most_alike
from kunren.tasks.templates import render
from kunren.types import Item, Message

TEMPLATE = "retrieved-answer"
"""The ready template that puts passages and question into one user turn."""

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")


def search(passages: Sequence[Passage], questions: Sequence[str], most: int) -> list[list[Passage]]:
    """The passages most like each question, the best first; the earlier of equals.

    Args:
        passages: at least one.
        questions: what is asked.
        most: how many for each.
    """
    places = most_alike([passage.text for passage in passages], questions, most)
    return [[passages[n] for n in of_question] for of_question in places]


def with_passages(item: Item, passages: Sequence[Passage]) -> tuple[Message, ...]:
    """The item's conversation with passages in its last user turn; none: as it was.

    The best passage comes last, next to the question.
    """
    if not passages:
        return item.context
    context = "\n\n".join(passage.text for passage in reversed(passages))
    last = max(n for n, message in enumerate(item.context) if message.role == "user")
    asked = render(TEMPLATE, item.context[last].content, {"context": context})
    return (
        *item.context[:last],
        replace(item.context[last], content=asked),
        *item.context[last + 1 :],
    )


def hits(
    items: Sequence[Item], found: Sequence[Sequence[Passage]], passages: Sequence[Passage]
) -> dict[str, Any]:
    """How often what was retrieved holds the numbers of the reference answer.

    Numbers, since they are what an answer about facts cannot do without and what can be found
    without doubt; those that the question itself names do not count.

    Returns:
        ``items_with_numbers``; of these ``found``: all numbers stand in the item's passages, and
        ``in_documents``: all stand in the documents at all; ``hit_rate``: the share found, None
        where no reference has a number.
    """
    everywhere = _numbers("\n".join(passage.text for passage in passages))
    counted = hit = there = 0
    for item, of_item in zip(items, found, strict=True):
        wanted = _numbers(item.answer) - _numbers(item.text)
        if wanted:
            counted += 1
            hit += wanted <= _numbers("\n".join(passage.text for passage in of_item))
            there += wanted <= everywhere
    return {
        "items_with_numbers": counted,
        "found": hit,
        "in_documents": there,
        "hit_rate": hit / counted if counted else None,
    }


def _numbers(said: str) -> set[str]:
    """``３，２００万円`` → ``3200``."""
    return set(_NUMBER.findall(_THOUSANDS.sub("", unicodedata.normalize("NFKC", said))))
