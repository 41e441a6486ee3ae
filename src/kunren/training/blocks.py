"""Attention within rows only: each row's queries against the shared prefix and the row itself.

A dense mask over a packed sequence of R rows lets the processor compute R times what is needed, and
throw it away. Here the rows are laid over each other, padded to the longest, and their attention is
one batched product; all of the layout is worked out once a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class Blocks:
    """A packed sequence: ``prefix`` tokens that every row sees, then the rows.

    Attributes:
        prefix: tokens shared by all rows; 0: none.
        lengths: own tokens of each row, in order.
    """

    prefix: int
    lengths: tuple[int, ...]

    @property
    def longest(self) -> int:
        """Own tokens of the longest row."""
        return max(self.lengths)

    @cached_property
    def padded(self) -> Tensor:
        """[rows, longest]: where each own token stands in the sequence; padding repeats one."""
        lengths = torch.tensor(self.lengths)
        starts = self.prefix + lengths.cumsum(0) - lengths
        within = torch.arange(self.longest).expand(len(self.lengths), -1)
        return starts[:, None] + torch.minimum(within, lengths[:, None] - 1)

    @cached_property
    def is_padding(self) -> Tensor:
        """[rows, 1, longest, 1]: where ``padded`` is padding."""
        lengths = torch.tensor(self.lengths)
        return (torch.arange(self.longest) >= lengths[:, None])[:, None, :, None]

    @cached_property
    def unpadded(self) -> Tensor:
        """[own tokens]: where each own token stands in the flattened ``padded``."""
        return (~self.is_padding).flatten().nonzero()[:, 0]

    def bias(self, window: int | None) -> Tensor:
        """[longest, prefix + longest] float32: 0 where a query may look, -inf elsewhere."""
        return _causal(self.longest, self.prefix + self.longest, window)

    def prefix_bias(self, window: int | None) -> Tensor:
        """The same within the prefix."""
        return _causal(self.prefix, self.prefix, window)


@lru_cache(maxsize=8)  # every layer of a batch asks for the same one
def _causal(queries: int, keys: int, window: int | None) -> Tensor:
    """Additive mask for queries that are the last of the keys."""
    distance = torch.arange(keys - queries, keys)[:, None] - torch.arange(keys)
    hidden = distance < 0
    if window is not None:
        hidden |= distance >= window
    return torch.zeros(queries, keys).masked_fill_(hidden, -torch.inf)


def block_attention(
    query: Tensor, key: Tensor, value: Tensor, blocks: Blocks, scale: float, window: int | None
) -> Tensor:
    """Grouped-query attention of a packed sequence.

    Args:
        query: [T, heads, D].
        key: [T, key heads, D]; ``heads`` is a multiple of ``key heads``.
        value: [T, key heads, D].
        blocks: the layout of the T tokens.
        scale: factor on the scores.
        window: a query sees only keys less than this many positions back; None: all.

    Returns:
        [T, heads, D].
    """
    out: Tensor = _BlockAttention.apply(query, key, value, blocks, scale, window)  # type: ignore[no-untyped-call]
    return out


class _BlockAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        blocks: Blocks,
        scale: float,
        window: int | None,
    ) -> Tensor:
        prefix, rows = blocks.prefix, blocks.padded
        q = _heads_first(query[rows], key.shape[1])
        k = _with_prefix(key, blocks)
        v = _with_prefix(value, blocks)
        weights = _softmax(q, k, scale, blocks.bias(window))
        own = _tokens_first(weights @ v, query.shape[1]).flatten(0, 1)[blocks.unpadded]
        saved = [q, k, v, weights]
        if prefix:
            q = _heads_first(query[None, :prefix], key.shape[1])
            k = _heads_first(key[None, :prefix], key.shape[1])
            v = _heads_first(value[None, :prefix], key.shape[1])
            weights = _softmax(q, k, scale, blocks.prefix_bias(window))
            own = torch.cat([_tokens_first(weights @ v, query.shape[1])[0], own])
            saved += [q, k, v, weights]
        ctx.save_for_backward(*saved)
        ctx.blocks, ctx.scale, ctx.heads = blocks, scale, query.shape[1]
        return own

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        blocks, prefix = ctx.blocks, ctx.blocks.prefix
        q, k, v, weights = ctx.saved_tensors[:4]
        key_heads = k.shape[1]
        # A padding query repeats a real one; its gradient must not count twice.
        padded = grad[blocks.padded].masked_fill_(blocks.is_padding.transpose(1, 2), 0)
        parts = _backward(_heads_first(padded, key_heads), q, k, v, weights, ctx.scale)
        counts = (ctx.heads, key_heads, key_heads)
        laid = [_tokens_first(part, n) for part, n in zip(parts, counts, strict=True)]
        own = [
            part[:, part.shape[1] - blocks.longest :].flatten(0, 1)[blocks.unpadded]
            for part in laid
        ]
        if not prefix:
            return (*own, None, None, None)
        first = _heads_first(grad[None, :prefix], key_heads)
        q, k, v, weights = ctx.saved_tensors[4:]
        parts = _backward(first, q, k, v, weights, ctx.scale)
        before = [_tokens_first(part, n)[0] for part, n in zip(parts, counts, strict=True)]
        # All rows look at the prefix: what they ask of its keys and values adds up.
        for number in (1, 2):
            before[number] = before[number] + laid[number][:, :prefix].sum(0)
        return (*(torch.cat(pair) for pair in zip(before, own, strict=True)), None, None, None)


def _softmax(q: Tensor, k: Tensor, scale: float, bias: Tensor) -> Tensor:
    """Attention weights [rows, key heads, group · queries, keys]; softmax in float32."""
    scores = (q @ k.transpose(-1, -2)).float().mul_(scale)
    scores.view(*scores.shape[:2], -1, *bias.shape).add_(bias)
    return scores.softmax(-1).to(q.dtype)


def _backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, weights: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    grad_v = weights.transpose(-1, -2) @ grad
    grad_weights = (grad @ v.transpose(-1, -2)).float()
    wide = weights.float()
    inner = (grad_weights * wide).sum(-1, keepdim=True)
    grad_scores = grad_weights.sub_(inner).mul_(wide).mul_(scale).to(q.dtype)
    return grad_scores @ k, grad_scores.transpose(-1, -2) @ q, grad_v


def _with_prefix(x: Tensor, blocks: Blocks) -> Tensor:
    """[T, key heads, D] → [rows, key heads, prefix + longest, D]."""
    own = x[blocks.padded]
    if blocks.prefix:
        shared = x[: blocks.prefix].expand(len(blocks.lengths), -1, -1, -1)
        own = torch.cat([shared, own], 1)
    return own.transpose(1, 2).contiguous()


def _heads_first(x: Tensor, key_heads: int) -> Tensor:
    """[rows, L, heads, D] → [rows, key heads, group · L, D]: one product a key head."""
    rows, length, heads, size = x.shape
    return x.transpose(1, 2).reshape(rows, key_heads, heads // key_heads * length, size)


def _tokens_first(x: Tensor, heads: int) -> Tensor:
    """[rows, key heads, group · L, D] → [rows, L, heads, D]."""
    rows, _, _, size = x.shape
    return x.reshape(rows, heads, -1, size).transpose(1, 2)
