"""How rules of the data quote rows, labels and shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from kunren.messages import text
from kunren.textfile import excerpt
from kunren.types import Item, Row

_LONGEST = 40

SHOWN = 3
"""Examples in a message: enough to see of what kind they are."""


def share(part: float) -> str:
    """0.456 → ``45.6 %``."""
    return f"{100 * part:.1f} %"


def asked(row: Row) -> str:
    """What a row asks, shortened."""
    return excerpt(_question(row), _LONGEST)


def alike(one: Row, other: Row) -> tuple[str, str]:
    """What two rows ask, shortened so that where they differ can be seen."""
    said = _question(one), _question(other)
    if max(map(len, said)) <= _LONGEST:
        return excerpt(said[0], _LONGEST), excerpt(said[1], _LONGEST)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*said, strict=False)))
    start = max(0, same - _LONGEST // 2)
    first, second = ("…" * (start > 0) + excerpt(one[start:], _LONGEST) for one in said)
    return first, second


def _question(row: Row) -> str:
    return "".join(m.content for m in row.messages if m.role == "user")


def quoted(texts: Iterable[str], limit: int = 30) -> str:
    """Texts in brackets, shortened: the first few that differ."""
    shown = list(dict.fromkeys(excerpt(one, limit) for one in texts))[:SHOWN]
    return " ".join(text("rules_data.quoted", said=one) for one in shown)


def counted(pairs: Sequence[tuple[str, int]], shown: int = 5) -> str:
    """Labels with how often each occurs: ``✨ (500), 📚 (111)``."""
    return listed(f"{excerpt(label)} ({count:,})" for label, count in pairs[:shown])


def places(rows: Iterable[Row]) -> str:
    """Where rows stand in the user's files: the first few."""
    return listed(str(row.where) for row in list(rows)[:SHOWN])


def ids(items: Iterable[Item]) -> str:
    """The ids of items: the first few."""
    return listed(excerpt(item.id, 60) for item in list(items)[:SHOWN])


def listed(names: Iterable[str]) -> str:
    """Names one after the other, as the user's language does it."""
    return text("rules_data.between").join(names)


def joined(sentences: Iterable[str]) -> str:
    """Sentences one after the other; in Japanese there is no space between them."""
    return text("rules_data.join").join(sentences)
