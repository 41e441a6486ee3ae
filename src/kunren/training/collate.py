"""From examples to the tensors of one packed batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedConfig

from kunren.models.packing import Segment, attention_mask, common_prefix, pack
from kunren.training.blocks import Blocks
from kunren.types import Example

ROW_NUMBERS = "row_numbers"
"""Key of a batch: the number of each row in its data set. The guard takes it off before the model
sees the batch."""

NOT_COUNTED = -100


class Collator:
    """Packs the rows of a batch into one sequence without padding.

    The batch is that of a transformers model (``input_ids`` [1, T], ``position_ids`` [1, T],
    ``attention_mask``, ``logits_to_keep`` [L]) and ``labels`` [1 + L]: the token to predict at each
    of the L label positions, after one entry that is not counted. That entry is there because the
    Trainer counts the labels of a causal model from the second on.

    Args:
        config: the model's; tells the kinds of attention layers.
        share_prefix: compute what all rows of a batch begin with only once.
        fill_with: token id for filling; never attended to.
        multiple_of: fill the sequence up to a multiple of this many tokens, so that few different
            lengths occur (a CPU's matrix product is compiled once a shape).
        with_blocks: add the layout as ``blocks``, for the attention of ``kernels.fast_cpu``.
    """

    def __init__(
        self,
        config: PreTrainedConfig,
        *,
        share_prefix: bool = True,
        fill_with: int = 0,
        multiple_of: int = 1,
        with_blocks: bool = False,
    ) -> None:
        self._layer_types: Sequence[str] | None = getattr(config, "layer_types", None)
        self._window: int | None = getattr(config, "sliding_window", None)
        self._share_prefix = share_prefix
        self._fill_with = fill_with
        self._multiple_of = multiple_of
        self._with_blocks = with_blocks

    def __call__(self, rows: Sequence[tuple[int, Example]]) -> dict[str, Any]:
        """One batch of (row number, example)."""
        examples = [example for _, example in rows]
        read = [_read(example) for example in examples]
        prefix = self._prefix(examples, read)
        segments = [Segment(read[0][:prefix])] if prefix else []
        parent = 0 if prefix else None
        segments += [Segment(tokens[prefix:], parent) for tokens in read]
        size = sum(len(segment.tokens) for segment in segments)
        if filling := -size % self._multiple_of:
            segments.append(Segment([self._fill_with] * filling))
        packed = pack(segments)
        first = 1 if prefix else 0
        positions: list[int] = []
        labels: list[int] = [NOT_COUNTED]
        for number, example in enumerate(examples):
            offset = packed.starts[first + number] - prefix
            for index, trained in enumerate(example.trained):
                if trained:
                    # A row's first own token is predicted at the last shared one.
                    positions.append(offset + index - 1 if index > prefix else index - 1)
                    labels.append(example.input_ids[index])
        batch: dict[str, Any] = {
            "input_ids": packed.input_ids,
            "position_ids": packed.position_ids,
            "attention_mask": attention_mask(packed, self._layer_types, self._window),
            "logits_to_keep": torch.tensor(positions),
            "labels": torch.tensor(labels),
            "use_cache": False,
            ROW_NUMBERS: torch.tensor([number for number, _ in rows]),
        }
        if self._with_blocks:
            own = segments[1:] if prefix else segments
            batch["blocks"] = Blocks(prefix, tuple(len(segment.tokens) for segment in own))
        return batch

    def _prefix(self, examples: Sequence[Example], read: Sequence[Sequence[int]]) -> int:
        """Length of the shared prefix. Trained tokens stay outside: each row's must count."""
        if not self._share_prefix or len(examples) == 1:
            return 0
        return min(common_prefix(read), *(example.trained.index(True) for example in examples))


def _read(example: Example) -> tuple[int, ...]:
    """The tokens that a prediction is made from: what stands before the last trained one."""
    last = len(example.trained) - 1 - example.trained[::-1].index(True)
    return example.input_ids[:last]
