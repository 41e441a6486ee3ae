"""Rows side by side in one sequence, without padding, and without computing anything twice.

A batch is a forest of token segments. A segment without a parent starts at position 0; a child
continues where its parent ends. Every token attends to its own segment up to itself and to all of
its ancestors, and to nothing else. Three things are then the same thing:

* rows that share nothing: each row is a root;
* rows that begin alike (a system prompt): one root, one child a row;
* labels scored after a prompt: one more child a label below each row.

The result is ``input_ids`` [1, T], ``position_ids`` [1, T] and a boolean attention mask
[1, 1, T, T] (True: may attend).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokens that follow the end of segment number ``parent`` (None: the start of a text)."""

    tokens: Sequence[int]
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """A forest laid out as one sequence of T tokens.

    Attributes:
        input_ids: [1, T], int64.
        position_ids: [1, T], int64; each token's distance from the start of its text.
        allowed: [1, 1, T, T], bool; query × key.
        starts: for each segment, the index of its first token in the sequence.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    allowed: torch.Tensor
    starts: tuple[int, ...]


def pack(segments: Sequence[Segment]) -> Packed:
    """Lay the segments out one after the other. A parent must stand before its children."""
    count = len(segments)
    lengths = [len(s.tokens) for s in segments]
    begins: list[int] = []  # position at which each segment begins, within its text
    ancestor = torch.eye(count, dtype=torch.bool)
    for number, segment in enumerate(segments):
        if segment.parent is None:
            begins.append(0)
            continue
        if segment.parent >= number:
            raise ValueError(f"segment {number} stands before its parent {segment.parent}")
        begins.append(begins[segment.parent] + lengths[segment.parent])
        ancestor[number] |= ancestor[segment.parent]
    starts = [0]
    for length in lengths:
        starts.append(starts[-1] + length)
    owner = torch.repeat_interleave(torch.arange(count), torch.tensor(lengths))
    order = torch.arange(starts[-1])
    position_ids = order + (torch.tensor(begins) - torch.tensor(starts[:-1]))[owner]
    allowed = ancestor[owner][:, owner] & (order[:, None] >= order[None, :])
    tokens = [token for segment in segments for token in segment.tokens]
    return Packed(
        input_ids=torch.tensor(tokens).unsqueeze(0),
        position_ids=position_ids.unsqueeze(0),
        allowed=allowed[None, None],
        starts=tuple(starts[:-1]),
    )


def common_prefix(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with, leaving at least one token to each row."""
    if not rows:
        return 0
    low, high = min(map(tuple, rows)), max(map(tuple, rows))
    limit = min(len(row) for row in rows) - 1
    length = 0
    while length < limit and low[length] == high[length]:
        length += 1
    return length


def attention_mask(
    packed: Packed, layer_types: Sequence[str] | None, window: int | None
) -> torch.Tensor | dict[str, torch.Tensor]:
    """The mask in the form that a transformers model takes.

    A model that mixes full and sliding-window layers gets one mask a kind: within a window only
    keys less than ``window`` positions back may be seen.
    """
    if not layer_types or "sliding_attention" not in layer_types or window is None:
        return packed.allowed
    position = packed.position_ids[0]
    near = (position[:, None] - position[None, :]) < window
    return {"full_attention": packed.allowed, "sliding_attention": packed.allowed & near}
