"""The beginning that all prompts of a batch share, read once and continued by each of them.

The keys and values of a prefix do not depend on what follows it, nor on where in the cache they
stand: their positions are rotated into them. Prompts are filled up in front to one length, so each
row's copy is moved behind its own padding, and what is thereby pushed out at the end is read again
with the rest of the prompt. Every row then sees exactly what it would have seen alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kunren.models.meter import count

if TYPE_CHECKING:
    import torch

WORTH = 128
"""Tokens from which sharing pays: below, one more pass costs what it saves."""

_KINDS = {"full_attention", "sliding_attention"}
"""Layers whose past is nothing but keys and values."""


@dataclass(frozen=True)
class Prefix:
    """A read prefix.

    Attributes:
        length: in tokens.
        layers: keys and values of each layer, each [1, heads, length, size].
    """

    length: int
    layers: Sequence[tuple[torch.Tensor, torch.Tensor]]

    def before(self, fills: Sequence[int], copies: int = 1) -> Any:
        """A cache with the prefix in front of each row of a batch.

        Args:
            fills: how many padding tokens stand in front of each row.
            copies: of each row, one beside the other: one a beam.

        Returns:
            A ``DynamicCache`` of ``length`` tokens.
        """
        import torch
        from transformers import DynamicCache

        def placed(whole: torch.Tensor) -> torch.Tensor:
            rows = [
                torch.nn.functional.pad(whole, (0, 0, n, 0))[:, :, : self.length] for n in fills
            ]
            return torch.cat(rows).repeat_interleave(copies, dim=0)

        cache = DynamicCache()
        for number, (keys, values) in enumerate(self.layers):
            cache.update(placed(keys), placed(values), number)
        return cache


def read_prefix(model: Any, tokens: Sequence[int], device: torch.device) -> Prefix | None:
    """Read a prefix; None where it is too short to pay or the model's past is of another kind.

    Args:
        model: a decoder-only model.
        tokens: the prefix.
        device: where the model is.
    """
    import torch
    from transformers import DynamicCache

    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or _KINDS)
    if len(tokens) < WORTH or kinds - _KINDS or getattr(model, "_is_stateful", False):
        return None
    # Without the model's config: a layer with a window would keep its last tokens only.
    cache: Any = DynamicCache()
    with torch.inference_mode():
        model(
            input_ids=torch.tensor([list(tokens)], device=device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
    count(read=len(tokens))
    return Prefix(len(tokens), [(layer.keys, layer.values) for layer in cache.layers])
