"""A tiny model of each family in a folder, with a tokenizer that has pieces for a few characters.

The T5 tokenizer is Unigram without byte fallback: what it does not know is UNK, as it is for
sonoisa/t5-base-japanese.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tests.conftest import make_tiny_gemma, make_tokenizer

from kunren.config.schema import ModelConfig
from kunren.models import Family, make_family
from kunren.models.load import Head, Loaded, load
from kunren.types import Item, Message

LABELS = ("😀", "😂", "❤️", "🇯🇵")
_CHARACTERS = (
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよ笑顔泣旗日本語。、"
)
_WORDS = ("▁うれ", "▁笑顔", "笑顔", "ハート", "▁うれし", "😀")


def make_gemma(folder: Path) -> Path:
    """Tied."""
    return make_tiny_gemma(folder)


def make_llama(folder: Path) -> Path:
    """An output layer of its own."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=False,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
    )
    return _save(LlamaForCausalLM, config, tokenizer, folder)


def t5_tokenizer() -> Any:
    from transformers import T5Tokenizer

    make: Any = T5Tokenizer
    pieces = [*dict.fromkeys(_CHARACTERS), *_WORDS]
    start = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return make(vocab=[*start, *((piece, -3.0) for piece in pieces)], extra_ids=4)


def make_t5(folder: Path) -> Path:
    """Tied, with 28 embeddings more than tokens, as the published ones have."""
    return _make_t5(folder, own_output=False)


def make_mt5(folder: Path) -> Path:
    """An output layer of its own, though its config says that it is tied, as the config must."""
    return _make_t5(folder, own_output=True)


def _make_t5(folder: Path, own_output: bool) -> Path:
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = t5_tokenizer()
    made: Any = T5Config
    config = made(
        vocab_size=len(tokenizer) + 28,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
        tie_word_embeddings=not own_output,
    )
    saved = _save(T5ForConditionalGeneration, config, tokenizer, folder)
    if own_output:
        from safetensors.torch import load_file, save_file

        path = folder / "model.safetensors"
        weights = load_file(path)
        weights["lm_head.weight"] = weights["shared.weight"].flip(0).contiguous()
        save_file(weights, path, metadata={"format": "pt"})
    return saved


def make_bert(folder: Path) -> Path:
    """A backbone without a head and without a pooler, as one trained to fill gaps is saved."""
    from transformers import BertConfig, BertForMaskedLM

    tokenizer = make_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
        pad_token_id=0,
    )
    return _save(BertForMaskedLM, config, tokenizer, folder)


def _save(model: Any, config: Any, tokenizer: Any, folder: Path) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = model(config)
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.mul_(3)  # so that attention is not uniform, and a forgotten weight shows
        made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


FAMILY_OF: dict[Any, Any] = {
    make_gemma: "causal",
    make_llama: "causal",
    make_t5: "seq2seq",
    make_mt5: "seq2seq",
    make_bert: "encoder",
}


def opened(make: Any, folder: Path, head: Head | None = None) -> tuple[ModelConfig, Loaded]:
    """The config of a tiny model, and the model itself, in float32."""
    config = ModelConfig(id=str(make(folder)), family=FAMILY_OF[make])
    wanted = head or Head(LABELS, multi_label=False)
    given = wanted if config.family == "encoder" else None
    return config, load(config, "fp32", head=given)


def family_of(config: ModelConfig, loaded: Loaded) -> Family:
    return make_family(str(config.family), loaded)


def items(*texts: str, answer: str = "😂") -> list[Item]:
    return [
        Item(f"i{n}", f"r{n}", (Message("user", text),), answer, (answer,))
        for n, text in enumerate(texts)
    ]


ITEMS = items("うれしい", "日本語の本", "泣いた。", "笑顔", "あさ", "よる", "ねこ", "いぬ、さる")
