"""From examples to the tensors of one batch: packed for causal models, padded for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import PreTrainedConfig

from kunren.models.packing import Segment, attention_mask, common_prefix, pack
from kunren.training.blocks import Blocks
from kunren.types import Example, LabelExample, PairExample

ROW_NUMBERS = "row_numbers"
"""Key of a batch: the number of each row in its data set. The guard takes it off before the model
sees the batch."""

WEIGHTS = "label_weights"
"""Key of a batch, only where not all are 1: how much each counted label counts, in the order of
the labels; of a classification head each counted row. The guard hands it to the loss."""

NOT_COUNTED = -100
"""The label where there is none. The Trainer divides by the number of all others in a step."""


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
        weights: list[float] = []
        for number, example in enumerate(examples):
            offset = packed.starts[first + number] - prefix
            for index, trained in enumerate(example.trained):
                if trained:
                    # A row's first own token is predicted at the last shared one.
                    positions.append(offset + index - 1 if index > prefix else index - 1)
                    labels.append(example.input_ids[index])
                    weights.append(example.weights[index] if example.weights else 1.0)
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
        return batch | _weights(weights)

    def _prefix(self, examples: Sequence[Example], read: Sequence[Sequence[int]]) -> int:
        """Length of the shared prefix. Trained tokens stay outside: each row's must count."""
        if not self._share_prefix or len(examples) == 1:
            return 0
        return min(common_prefix(read), *(example.trained.index(True) for example in examples))


def _read(example: Example) -> tuple[int, ...]:
    """The tokens that a prediction is made from: what stands before the last trained one."""
    last = len(example.trained) - 1 - example.trained[::-1].index(True)
    return example.input_ids[:last]


class PairCollator:
    """Pads the rows of a batch for an encoder-decoder.

    The batch is ``input_ids`` and ``attention_mask`` [B, S], ``decoder_input_ids`` and ``labels``
    [B, L]. A padding of the targets is not counted: as a label the padding token would be learnt
    instead of the answers, and a padded row whose loss is a mean over nothing is NaN.

    Args:
        pad: token id for filling.
        shift: the model's own way from labels to what its decoder reads.
    """

    def __init__(self, pad: int, shift: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._pad = pad
        self._shift = shift

    def __call__(self, rows: Sequence[tuple[int, PairExample]]) -> dict[str, Any]:
        """One batch of (row number, example)."""
        examples = [example for _, example in rows]
        labels = _padded([example.target_ids for example in examples], NOT_COUNTED)
        batch: dict[str, Any] = _inputs(rows, self._pad) | {
            "decoder_input_ids": self._shift(labels),
            "labels": labels,
            "use_cache": False,
        }
        return batch | _weights([e.weight for e in examples for _ in e.target_ids])


class LabelCollator:
    """Pads the rows of a batch for a model with a classification head.

    The batch is ``input_ids`` and ``attention_mask`` [B, S], and ``labels``: [B], or for a
    multi-label head [B, K] of 0 and 1, all 0 for an empty set. The labels of a row that is not
    counted (none of its labels is known) are not counted.

    Args:
        pad: token id for filling.
        labels: K, where the head is multi-label; else None.
    """

    def __init__(self, pad: int, labels: int | None = None) -> None:
        self._pad = pad
        self._labels = labels

    def __call__(self, rows: Sequence[tuple[int, LabelExample]]) -> dict[str, Any]:
        """One batch of (row number, example)."""
        examples = [example for _, example in rows]
        if self._labels is None:
            counted = [example for example in examples if example.labels]
            gold = [example.labels[0] if example.labels else NOT_COUNTED for example in examples]
            labels = torch.tensor(gold)
        else:
            counted = [example for example in examples if example.counted]
            labels = torch.full((len(examples), self._labels), NOT_COUNTED)
            for number, example in enumerate(examples):
                if example.counted:
                    labels[number] = 0
                    labels[number, list(example.labels)] = 1
        weights = _weights([example.weight for example in counted])
        return _inputs(rows, self._pad) | {"labels": labels} | weights


def _inputs(
    rows: Sequence[tuple[int, PairExample | LabelExample]], pad: int
) -> dict[str, torch.Tensor]:
    read = [example.input_ids for _, example in rows]
    return {
        "input_ids": _padded(read, pad),
        "attention_mask": _padded([(1,) * len(tokens) for tokens in read], 0),
        ROW_NUMBERS: torch.tensor([number for number, _ in rows]),
    }


def _padded(rows: Sequence[Sequence[int]], fill_with: int) -> torch.Tensor:
    """[rows, longest], filled up on the right."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill_with] * (longest - len(row))] for row in rows])


def _weights(weights: Sequence[float]) -> dict[str, torch.Tensor]:
    return {} if all(w == 1 for w in weights) else {WEIGHTS: torch.tensor(weights)}
