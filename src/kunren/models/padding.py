"""Which token fills a batch up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kunren.errors import InputError, Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def set_padding(model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Agree on a token to fill up with, on the right, in the model's config and the tokenizer.

    A causal model with a classification head reads its answer at the last token that is not the
    padding token, so that must never be what a text ends with. The model's own choice, then the
    tokenizer's, then another special token that texts do not end with, that for unknown words last:
    never a word, nor a new token, which would need an embedding.

    Raises:
        InputError: the tokenizer has no such token.
    """
    config = model.config.get_text_config()
    rows = model.get_input_embeddings().num_embeddings
    end = (tokenizer("あ")["input_ids"] or [None])[-1]
    special = tokenizer.all_special_ids
    first = [getattr(config, "pad_token_id", None), tokenizer.pad_token_id, tokenizer.eos_token_id]
    order = [n for n in (*first, *special) if n != tokenizer.unk_token_id]
    candidates = [*order, tokenizer.unk_token_id]
    pad = next((n for n in candidates if n in special and n < rows and n != end), None)
    if pad is None:
        raise InputError(Problem("model.no-padding"))
    config.pad_token_id = pad
    if tokenizer.pad_token_id != pad:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad)
    tokenizer.padding_side = "right"


def set_start(model: Any) -> None:
    """Name the token that a decoder begins with, where the model's config does not.

    What its generation config says, else its first token of a text, else padding: T5 and its kin
    were trained so (Raffel et al. 2020), and copies of their configs often lack the entry.
    """
    config, generation = model.config, model.generation_config
    if getattr(config, "decoder_start_token_id", None) is not None:
        return
    known = (generation.decoder_start_token_id, generation.bos_token_id, config.pad_token_id)
    config.decoder_start_token_id = next((start for start in known if start is not None), None)
