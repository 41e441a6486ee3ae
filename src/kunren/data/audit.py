"""What rows and items say as a whole, worked out once for all the rules that ask for it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from itertools import takewhile
from typing import ParamSpec, TypeVar

from kunren.data import near as nearness
from kunren.data.near import Near
from kunren.data.normalize import normalize
from kunren.types import Item, Message, Row

SIDES = ("train", "validation", "test")

FRAME = 20
"""Different texts from which on what all of them begin or end with is a template's, not theirs."""

_REMEMBERED = 4

P = ParamSpec("P")
T = TypeVar("T")


def once(function: Callable[P, T]) -> Callable[P, T]:
    """Remember the last results, by which objects they are of.

    Not by what these hold: hashing 100,000 rows each time would cost more than some rules do.
    """
    known: deque[tuple[tuple[object, ...], T]] = deque(maxlen=_REMEMBERED)

    @wraps(function)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> T:
        given = (*args, *kwargs.values())
        for before, result in known:
            if len(before) == len(given) and all(
                a is b for a, b in zip(before, given, strict=True)
            ):
                return result
        result = function(*args, **kwargs)
        known.append((given, result))
        return result

    return remembered


def everything(rows: Mapping[str, Sequence[Row]]) -> tuple[Row, ...]:
    """The rows of all sides; the same object for the same rows."""
    train, validation, test = (rows.get(side, ()) for side in SIDES)
    return _joined(train, validation, test)


@once
def _joined(
    train: Sequence[Row], validation: Sequence[Row], test: Sequence[Row]
) -> tuple[Row, ...]:
    return (*train, *validation, *test)


def asked(messages: Iterable[Message]) -> tuple[str, ...]:
    """What is said, normalised, without the system prompt: it is no part of what a row asks."""
    return tuple(f"{m.role}\0{normalize(m.content)}" for m in messages if m.role != "system")


@once
def questions(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """What each row asks: all that is said in it but the answers."""
    return [asked(m for m in row.messages if m.role != "assistant") for row in rows]


@once
def copies(rows: Sequence[Row]) -> list[tuple[Row, ...]]:
    """Rows that are the same but for spelling, question and answer, together; the most first."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(asked(row.messages), []).append(row)
    groups = [tuple(group) for group in found.values() if len(group) > 1]
    return sorted(groups, key=lambda group: -len(group))


@once
def near(rows: Sequence[Row]) -> Near:
    """The near-duplicates among rows (see ``data.near``)."""
    return nearness.near(rows)


def all_items(items: Mapping[str, Sequence[Item]]) -> list[Item]:
    """The items of all sides; the same object for the same items."""
    train, validation, test = (items.get(side, ()) for side in SIDES)
    return _items(train, validation, test)


@once
def _items(train: Sequence[Item], validation: Sequence[Item], test: Sequence[Item]) -> list[Item]:
    return [*train, *validation, *test]


@once
def inputs(items: Sequence[Item]) -> list[str]:
    """The last user turn of each item, without the words of a template around it.

    What all of at least ``FRAME`` different texts begin and end with is no part of any of them: an
    instruction that names all the labels tells nothing of a row.
    """
    texts = [item.text for item in items]
    different = set(texts)
    if len(different) < FRAME:
        return texts
    head = _common(different)
    tail = _common({text[head:][::-1] for text in different})
    return [text[head : len(text) - tail] for text in texts]


def _common(texts: set[str]) -> int:
    """How many characters all of them begin with."""
    pairs = zip(min(texts), max(texts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


@once
def label_counts(items: Sequence[Item]) -> list[tuple[str, int]]:
    """Label → items that have it, the most frequent first, then by code point."""
    counted = Counter(label for item in items for label in set(item.labels))
    return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
