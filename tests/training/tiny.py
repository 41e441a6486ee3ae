"""Tiny models and rows, built from nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from kunren.types import AnyExample, Example, LabelExample, PairExample

VOCABULARY = 97
PAD = 0
LABELS = 5


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
    return _ready(LlamaForCausalLM(_llama_config()), dtype)


def llama_head(dtype: torch.dtype = torch.float32, *, seed: int = 0) -> Any:
    """A causal backbone with a classification head."""
    torch.manual_seed(seed)
    config = _llama_config()
    config.num_labels = LABELS
    config.problem_type = "single_label_classification"
    made: Any = LlamaForSequenceClassification(config)  # type: ignore[no-untyped-call]
    return made.to(dtype)


def _llama_config() -> LlamaConfig:
    return LlamaConfig(
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


def t5(dtype: torch.dtype = torch.float32, *, dropout: float = 0.0, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=VOCABULARY,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        dropout_rate=dropout,
        pad_token_id=PAD,
        eos_token_id=1,
        decoder_start_token_id=PAD,  # type: ignore[call-arg]
    )
    return T5ForConditionalGeneration(config).to(dtype)  # type: ignore[arg-type]


def bert(
    dtype: torch.dtype = torch.float32,
    *,
    labels: int = LABELS,
    multi_label: bool = False,
    dropout: float = 0.0,
    seed: int = 0,
) -> Any:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        pad_token_id=PAD,
        num_labels=labels,  # type: ignore[call-arg]
        problem_type="multi_label_classification" if multi_label else "single_label_classification",
    )
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
    return model.to(dtype)  # type: ignore[arg-type]


def lora(model: PreTrainedModel, task: str, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type=task)
    return get_peft_model(model, config, autocast_adapter_dtype=False)


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


def pairs(count: int, *, seed: int = 0, longest: int = 12) -> list[AnyExample]:
    """Pairs whose target, of 1 to 8 tokens, is told by the only input token below 20."""
    chance = random.Random(seed)
    made: list[AnyExample] = []
    for number in range(count):
        kind = chance.randrange(4)
        own = _around(10 + kind, chance, longest)
        target = [60 + kind] * (1, 2, 4, 8)[kind]
        made.append(PairExample(f"row-{number}", (*own, 1), (*target, 1)))
    return made


def labelled(
    count: int, *, seed: int = 0, multi_label: bool = False, longest: int = 12
) -> list[AnyExample]:
    """Rows whose label, or set of two labels, is told by their only token between 10 and 20."""
    chance = random.Random(seed)
    made: list[AnyExample] = []
    for number in range(count):
        first = chance.randrange(LABELS)
        own = _around(10 + first, chance, longest)
        labels = (first, (first + 1) % LABELS) if multi_label else (first,)
        made.append(LabelExample(f"row-{number}", (2, *own, 3), labels))
    return made


def _around(told: int, chance: random.Random, longest: int) -> list[int]:
    own = [chance.randrange(20, 60) for _ in range(chance.randrange(1, longest - 1))]
    own.insert(chance.randrange(len(own) + 1), told)
    return own
