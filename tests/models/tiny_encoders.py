"""Tiny models that an encoder can be made of, saved with a tokenizer, as a hub would have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tests.conftest import make_tokenizer
from tokenizers import processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertJapaneseTokenizer,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
    T5Config,
    T5ForConditionalGeneration,
)

_TOKENIZER = make_tokenizer()
_SIZES: dict[str, Any] = {
    "vocab_size": len(_TOKENIZER),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 48,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 2,
}
BIDIRECTIONAL = ("bert", "roberta", "deberta", "modernbert")
CAUSAL = ("llama", "gemma")


def model(kind: str) -> Any:
    """A random model, the same every time, of which a forward pass gives distinct states."""
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    made = _model(kind)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "norm" not in name.lower():
                parameter.mul_(4)
    torch.random.set_rng_state(state)
    return made


def _model(kind: str) -> Any:
    match kind:
        case "bert":
            return BertForMaskedLM(BertConfig(**_SIZES))
        case "roberta":
            return RobertaForMaskedLM(RobertaConfig(**_SIZES))
        case "deberta":
            own: dict[str, Any] = {
                "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8,
                "pooler_hidden_size": 32,
            }  # fmt: skip
            return DebertaV2ForMaskedLM(DebertaV2Config(**_SIZES, **own))
        case "modernbert":
            own = {"cls_token_id": 2, "sep_token_id": 1, "local_attention": 8}
            return ModernBertForMaskedLM(ModernBertConfig(**_SIZES, **own))
        case "llama":
            return LlamaForCausalLM(LlamaConfig(**{**_SIZES, "pad_token_id": None}))
        case "gemma":
            return Gemma3ForCausalLM(
                Gemma3TextConfig(
                    **_SIZES,
                    num_key_value_heads=1,
                    head_dim=16,
                    query_pre_attn_scalar=16,
                    sliding_window=8,
                    layer_types=["sliding_attention", "full_attention"],
                )
            )
        case "t5":
            own = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
            own |= {"vocab_size": len(_TOKENIZER), "decoder_start_token_id": 0}
            return T5ForConditionalGeneration(T5Config(**own))
    raise ValueError(kind)


def tokenizer(kind: str) -> Any:
    """BERT's kin: ``<bos> text <eos>`` with a separator. Causal ones: ``<bos> text``.

    Llama's has no padding token.
    """
    made = make_tokenizer()
    if kind == "llama":
        made.pad_token = None
    if kind not in CAUSAL:
        ends = [("<bos>", 2), ("<eos>", 1)]
        made.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="<bos> $A <eos>", special_tokens=ends
        )
        made.sep_token = "<eos>"
        made.cls_token = "<bos>"
    return made


def save(kind: str, folder: Path, made: Any = None) -> Path:
    """A folder with a model (``made``, or a new one) and its tokenizer."""
    (made or model(kind)).save_pretrained(folder)
    tokenizer(kind).save_pretrained(folder)
    return folder


WORDS = (
    "首相",
    "会見",
    "へ",
    "企業",
    "業績",
    "上",
    "##向き",
    "天気",
    "は",
    "いい",
    "です",
    "、",
    "。",
)


def save_mecab_bert(folder: Path) -> Path:
    """A BERT whose tokenizer cuts words with MeCab, as cl-tohoku/bert-base-japanese-v3 has it."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.txt"
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    vocabulary.write_text("\n".join((*special, *WORDS)) + "\n", encoding="utf-8")
    make: Any = BertJapaneseTokenizer
    cutter = make(
        str(vocabulary),
        word_tokenizer_type="mecab",
        subword_tokenizer_type="wordpiece",
        mecab_kwargs={"mecab_dic": "unidic_lite"},
    )
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(**{**_SIZES, "vocab_size": len(cutter)})).save_pretrained(folder)
    cutter.save_pretrained(folder)
    return folder
