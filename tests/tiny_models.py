"""Folders with tiny models of every family, as they would lie on a user's disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.conftest import make_tiny_gemma, make_tokenizer


def save_tiny(kind: str, folder: Path) -> Path:
    """Save a random model of a kind with its tokenizer: gemma, llama, t5, bert, or wide.

    wide is a BERT of one layer that learns at the usual rate: a head on 32 numbers would hardly.
    """
    import torch

    if kind == "gemma":
        return make_tiny_gemma(folder)
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    model, tokenizer = _KINDS[kind]()
    torch.random.set_rng_state(state)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _llama() -> tuple[Any, Any]:
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    return LlamaForCausalLM(config), tokenizer


def _t5() -> tuple[Any, Any]:
    from tokenizers import processors
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = make_tokenizer()
    tokenizer.padding_side = "right"
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", tokenizer.eos_token_id)]
    )
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=16,
        d_ff=64,
        num_layers=2,
        num_heads=2,
        dropout_rate=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,  # type: ignore[call-arg]
    )
    return T5ForConditionalGeneration(config), tokenizer


def _bert(width: int = 32, inner: int = 64, layers: int = 2) -> tuple[Any, Any]:
    from tokenizers import processors
    from transformers import BertConfig, BertForMaskedLM

    tokenizer = make_tokenizer()
    tokenizer.padding_side = "right"
    tokenizer.add_special_tokens({"cls_token": "<bos>", "sep_token": "<eos>"})
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>",
        special_tokens=[("<bos>", tokenizer.bos_token_id), ("<eos>", tokenizer.eos_token_id)],
    )
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
    )
    return BertForMaskedLM(config), tokenizer


_KINDS: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "llama": _llama,
    "t5": _t5,
    "bert": _bert,
    "wide": partial(_bert, width=256, inner=256, layers=1),
}
