"""What a model's config.json says of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CAUSAL = ("ForCausalLM", "LMHeadModel", "LMHead")
_FILLS_GAPS = "ForMaskedLM"
_ENCODER = (
    "ForPreTraining", "ForNextSentencePrediction", "ForSequenceClassification",
    "ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice",
)  # fmt: skip


def family_of(config: Mapping[str, Any]) -> str | None:
    """The family of a model, from its config.json; None where it cannot be told.

    The class that the weights were saved as decides; a class without a head (``BertModel``) or none
    leaves it to transformers' tables of what each kind of model is used for.
    """
    model_type = config.get("model_type")
    names: list[str] = config.get("architectures") or []
    if config.get("is_encoder_decoder"):
        return "seq2seq"
    if any(name.endswith(_CAUSAL) for name in names):
        return "causal"
    if any(name.endswith(_FILLS_GAPS) for name in names):
        return "encoder"  # no encoder-decoder has a class of that name
    # The tables import torch, so what a name tells is asked first.
    from transformers.models.auto import modeling_auto as known

    if model_type in known.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return "seq2seq"
    if any(name.endswith(_ENCODER) for name in names):
        return "encoder"
    goes_on = model_type in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    # BERT and its kin can be built as decoders too, which their config then says.
    if goes_on and config.get("is_decoder"):
        return "causal"
    if model_type in known.MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "encoder"
    if goes_on:
        return "causal"
    classifies = model_type in known.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
    return "encoder" if classifies else None
