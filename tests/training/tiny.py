"""Tiny models and rows, built from nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from kunren.types import Example

VOCABULARY = 97
PAD = 0


def gemma(
    dtype: torch.dtype = torch.float32, *, window: int = 64, seed: int = 0
) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = Gemma3TextConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=16,
        query_pre_attn_scalar=16,
        sliding_window=window,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        max_position_embeddings=256,
        pad_token_id=PAD,
        eos_token_id=1,
        bos_token_id=2,
        tie_word_embeddings=True,
    )
    return _ready(Gemma3ForCausalLM(config), dtype)


def llama(dtype: torch.dtype = torch.float32, *, seed: int = 0) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        pad_token_id=PAD,
        eos_token_id=1,
        bos_token_id=2,
    )
    return _ready(LlamaForCausalLM(config), dtype)


def _ready(model: PreTrainedModel, dtype: torch.dtype) -> PreTrainedModel:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:  # so that a forgotten norm weight shows
                parameter.add_(torch.randn_like(parameter) * 0.2)
            else:
                parameter.mul_(4)  # so that attention is not uniform
    model.to(dtype)  # type: ignore[arg-type]
    freeze_embeddings(model)
    return model


def freeze_embeddings(model: PreTrainedModel) -> None:
    for module in (model.get_input_embeddings(), model.get_output_embeddings()):  # type: ignore[no-untyped-call]
        module.requires_grad_(False)


def rows(
    count: int, *, prefix: Sequence[int] = (2, 5, 6, 7, 8, 9), seed: int = 0, longest: int = 12
) -> list[Example]:
    """Rows of which the answer (a token that depends on the text, and an end) is trained."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        own = [chance.randrange(10, 60) for _ in range(chance.randrange(2, longest))]
        tokens = [*prefix, *own, 60 + own[0] % 7, 1]
        trained = [False] * (len(tokens) - 2) + [True, True]
        made.append(Example(f"row-{number}", tuple(tokens), tuple(trained)))
    return made
