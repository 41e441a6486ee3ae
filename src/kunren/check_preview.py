"""Rows as the model gets them, token by token: what it reads, and what the loss counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from kunren.check import Reading
from kunren.doctor.reading import length
from kunren.models.vocabulary import special_ids
from kunren.plan import Plan
from kunren.report.format import clean
from kunren.types import AnyExample, Example, LabelExample, PairExample

ROWS = 3
_LONGEST_GROUP = 16
"""Bytes that may make up one character; emoji of several people have more, and are then cut."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A token, or the tokens that make up one character.

    Attributes:
        text: as one reads it; line breaks as ↵.
        tokens: how many.
        trained: whether the loss counts it.
        special: whether it is a special token.
    """

    text: str
    tokens: int
    trained: bool
    special: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A row as the model gets it.

    Attributes:
        row_id: of the row.
        where: its place in the file.
        read: what the model reads; of a causal model the answer is in it.
        written: what an encoder-decoder writes; empty for others.
        labels: what a classification head is to choose; empty for others.
    """

    row_id: str
    where: str
    read: tuple[Piece, ...]
    written: tuple[Piece, ...] = ()
    labels: tuple[str, ...] = ()


def preview(plan: Plan, reading: Reading) -> list[Shown]:
    """Three training rows: the first, one of median length, and the longest."""
    examples = reading.examples["train"]
    if not examples:
        return []
    sizes = [length(example) for example in examples]
    chosen = (0, sizes.index(median_low(sizes)), sizes.index(max(sizes)))
    where = {row.id: str(row.where) for row in plan.rows["train"]}
    tokenizer: Any = reading.family.loaded.tokenizer
    return [
        _shown(examples[n], where[examples[n].row_id], tokenizer, plan.labels)
        for n in list(dict.fromkeys(chosen))[:ROWS]
    ]


def _shown(example: AnyExample, where: str, tokenizer: Any, labels: Sequence[str]) -> Shown:
    read = example.input_ids
    match example:
        case Example():
            return Shown(example.row_id, where, pieces(tokenizer, read, example.trained))
        case PairExample():
            written = example.target_ids
            return Shown(
                example.row_id,
                where,
                pieces(tokenizer, read, [False] * len(read)),
                pieces(tokenizer, written, [True] * len(written)),
            )
        case LabelExample():
            gold = tuple(labels[n] for n in example.labels)
            shown = pieces(tokenizer, read, [False] * len(read))
            return Shown(example.row_id, where, shown, labels=gold)


def pieces(tokenizer: Any, ids: Sequence[int], trained: Sequence[bool]) -> tuple[Piece, ...]:
    """Token ids as pieces that can be read: bytes of one character together."""
    special = special_ids(tokenizer)
    found = []
    start = 0
    while start < len(ids):
        end = start + 1
        if ids[start] in special:
            said = str(tokenizer.convert_ids_to_tokens(int(ids[start])))
        else:
            said = _decoded(tokenizer, ids[start:end])
            while "\ufffd" in said and _goes_on(ids, trained, special, start, end):
                end += 1
                said = _decoded(tokenizer, ids[start:end])
            if "\ufffd" in said or not said:
                end = start + 1
                said = str(tokenizer.convert_ids_to_tokens(int(ids[start])))
        text = clean(said.replace("\r", "").replace("\n", "↵"))
        found.append(Piece(text, end - start, trained[start], ids[start] in special))
        start = end
    return tuple(found)


def _goes_on(
    ids: Sequence[int], trained: Sequence[bool], special: set[int], start: int, end: int
) -> bool:
    return (
        end < len(ids)
        and end - start < _LONGEST_GROUP
        and trained[end] == trained[start]
        and ids[end] not in special
    )


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    said: str = tokenizer.decode(
        list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    return said
