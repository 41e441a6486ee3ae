"""Answers that the program of seed 000 keeps: a sample of its test rows, with sets of emoji."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kunren.data.emoji import is_emoji, split_emoji
from kunren.evaluation.metric import answer_key
from kunren.messages import text
from kunren.records import files
from kunren.records.predictions import Predicted, predicted
from kunren.types import Item, Message, Prediction

NAME = "predictions_sample.jsonl"

_AGREES = 1e-6
"""How far a stored Jaccard may be from ours and be the same number, written shorter."""

_NAMED = 10
"""Rows that a warning names."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows with our own Jaccard each.

    Attributes:
        rows: with the answers of the system "tuned".
        warnings: where the stored Jaccard is another, in words.
        checks: where it is the same, in words.
    """

    rows: Sequence[Predicted] = ()
    warnings: Sequence[str] = ()
    checks: Sequence[str] = ()


def read(path: Path) -> Sample:
    """Read ``predictions_sample.jsonl``.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is broken.
    """
    lines = files.read_jsonl(path)
    items, said = [], []
    for number, line in enumerate(lines, start=1):
        name, gold = f"{NAME}:{number}", tuple(_labels(line["gold"]))
        items.append(Item(name, name, (Message("user", line["text"]),), line["gold"], gold))
        said.append(Prediction(name, tuple(_labels(line["pred"])), generated=line["pred"]))
    seen = dict.fromkeys(label for i in items for label in i.labels)
    seen |= dict.fromkeys(label for p in said for label in p.labels or ())
    rows = predicted(items, {"tuned": said}, "set", _apart(seen))
    return _checked(lines, rows)


def _checked(lines: Sequence[Mapping[str, Any]], rows: Sequence[Predicted]) -> Sample:
    other, unstored = _compared(lines, rows)
    warnings = []
    if other:
        named = text("record.list").join(map(str, other[:_NAMED]))
        named += "…" if len(other) > _NAMED else ""
        fields = {"file": NAME, "count": len(other), "lines": named}
        warnings.append(text("compare.jaccard-differs", **fields))
    if unstored:
        warnings.append(text("compare.jaccard-unstored", file=NAME, count=unstored))
    agreeing = len(rows) - len(other) - unstored
    checks = [text("compare.jaccard-agrees", file=NAME, count=agreeing)] if agreeing else []
    return Sample(rows, warnings, checks)


def _compared(
    lines: Sequence[Mapping[str, Any]], rows: Sequence[Predicted]
) -> tuple[list[int], int]:
    """Numbers of the lines whose stored Jaccard is not ours, and how many lines have none."""
    stored = [line.get("jaccard") for line in lines]
    ours = [row.systems["tuned"].score for row in rows]
    other = [
        number
        for number, (a, b) in enumerate(zip(stored, ours, strict=True), start=1)
        if a is not None and (b is None or not abs(a - b) <= _AGREES)
    ]
    return other, stored.count(None)


def _labels(said: str) -> list[str]:
    """The labels of a row, each once: emoji however they are joined, else words."""
    pieces = split_emoji(said)
    return list(dict.fromkeys(pieces if all(map(is_emoji, pieces)) else said.split()))


def _apart(seen: Mapping[str, None]) -> list[str]:
    """Labels that are different answers: an emoji with and without its selector is one."""
    return list({answer_key(label): label for label in seen}.values())
