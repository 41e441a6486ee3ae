"""Rows and items for the cases of data rules, made from texts that people might have written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kunren.types import Item, Message, Row, Where

Pair = tuple[str, Any]
"""A text and its label, or its set of labels."""

_DATA = Path(__file__).parents[2] / "examples" / "data"

POSTS: list[str] = [
    json.loads(line)["text"]
    for line in (_DATA / "emoji_sets.jsonl").read_text("utf-8").splitlines()
]
"""400 posts, all different."""

CONFIG: Mapping[str, Any] = {
    "task": {"kind": "classify", "labels": {"kind": "text", "ban": [], "top": None}},
    "data": {"train": "rows.jsonl", "validation": None, "test": None, "fields": {"text": "text"}},
    "model": {"family": None},
    "train": {"loss": {"class_weights": None}},
    "evaluate": {"cv": None},
}


def config(**changes: object) -> dict[str, Any]:
    """``CONFIG`` with changes: ``task__labels__kind="emoji"``."""
    made: dict[str, Any] = json.loads(json.dumps(CONFIG))
    for key, value in changes.items():
        *sections, name = key.split("__")
        place = made
        for section in sections:
            place = place[section]
        place[name] = value
    return made


def row(side: str, number: int, pair: Pair) -> Row:
    said, label = pair
    answer = label if isinstance(label, str) else "".join(label)
    messages = (Message("user", said), Message("assistant", answer))
    name = f"{side}.jsonl:{number}"
    return Row(name, messages, Where(f"{side}.jsonl", number), {"text": said})


def chat(number: int, *turns: str) -> Row:
    """A row in the form of a chat: user and assistant in turn."""
    messages = tuple(
        Message("assistant" if n % 2 else "user", content) for n, content in enumerate(turns)
    )
    return Row(f"chats.jsonl:{number}", messages, Where("chats.jsonl", number), chat=True)


def rows(
    train: Sequence[Pair], validation: Sequence[Pair] = (), test: Sequence[Pair] = ()
) -> dict[str, tuple[Row, ...]]:
    sides = {"train": train, "validation": validation, "test": test}
    return {
        side: tuple(row(side, n, pair) for n, pair in enumerate(pairs, start=1))
        for side, pairs in sides.items()
    }


def items(
    train: Sequence[Pair], validation: Sequence[Pair] = (), test: Sequence[Pair] = ()
) -> dict[str, list[Item]]:
    sides = {"train": train, "validation": validation, "test": test}
    return {
        side: [_item(row(side, n, pair), pair[1]) for n, pair in enumerate(pairs, start=1)]
        for side, pairs in sides.items()
    }


def free(
    train: Sequence[Pair], validation: Sequence[Pair] = (), test: Sequence[Pair] = ()
) -> dict[str, list[Item]]:
    """Items without labels: their answers are free text."""
    made = items(train, validation, test)
    return {
        side: [Item(i.id, i.row_id, i.context, i.answer) for i in some]
        for side, some in made.items()
    }


def _item(one: Row, label: str | tuple[str, ...]) -> Item:
    labels = (label,) if isinstance(label, str) else label
    return Item(one.id, one.id, one.messages[:1], one.messages[1].content, labels)


def posts(count: int, labels: Sequence[str | tuple[str, ...]], start: int = 0) -> list[Pair]:
    """So many different posts, with the labels in turn."""
    return [(POSTS[start + n], labels[n % len(labels)]) for n in range(count)]
