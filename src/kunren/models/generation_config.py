"""A published model's own generation config, of which only the tokens are kept.

Models bring settings for another use: beams, forced tokens, several answers a question, forbidden
words. Two models are comparable only if both write by the same rules, and what was measured must be
what is saved.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from kunren.errors import KunrenWarning
from kunren.messages import text

_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
_CHANGES: Mapping[str, object] = {
    "num_beams": 1,
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "min_length": 0,
    "min_new_tokens": 0,
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "length_penalty": 1.0,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "bad_words_ids": None,
    "force_words_ids": None,
    "sequence_bias": None,
    "exponential_decay_length_penalty": None,
    "stop_strings": None,
    "max_time": None,
    "guidance_scale": None,
    "penalty_alpha": None,
    "diversity_penalty": 0.0,
    "watermarking_config": None,
}
"""Settings that change greedy answers, and the values with which they do not. How to sample
(temperature, top_k, top_p) is left out: nearly every chat model names it, and greedy decoding does
not use it."""


def neutralise(model: Any) -> dict[str, Any]:
    """Leave a model's generation config only its tokens.

    Returns:
        The settings that would have changed its answers; they are told as a warning.
    """
    from transformers import GenerationConfig

    own = getattr(model, "generation_config", None)
    if own is None:
        return {}
    dropped = changing(own.to_dict())
    kept = {name: getattr(own, name, None) for name in _TOKENS}
    model.generation_config = GenerationConfig(**kept)  # type: ignore[no-untyped-call]
    # Nor what an old config.json says where the generation config says nothing.
    model.generation_config._from_model_config = False
    return dropped


def changing(said: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a generation config that change greedy answers, with a warning of them."""
    found = {
        name: said[name]
        for name, neutral in _CHANGES.items()
        if said.get(name) not in (None, neutral, [])
    }
    if found:
        names = "、".join(found)
        warnings.warn(text("model.generation-settings", settings=names), KunrenWarning, 3)
    return found
