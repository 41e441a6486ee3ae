"""A classification head on a model that may not have one yet."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from kunren.models.load import Head


def describe(config: Any, head: Head) -> bool:
    """Write the head into a model's config; returns whether the model has this very head."""
    wanted = dict(enumerate(head.labels))
    kind = "multi_label_classification" if head.multi_label else "single_label_classification"
    names = config.architectures or []
    known = (
        any(name.endswith("ForSequenceClassification") for name in names)
        and config.id2label == wanted
        and config.problem_type in (None, kind)
    )
    config.id2label = wanted
    config.label2id = {label: number for number, label in wanted.items()}
    config.problem_type = kind
    # Nothing is written, so the keys and values of earlier tokens are of no use to a causal model.
    if hasattr(inner := config.get_text_config(), "use_cache"):
        inner.use_cache = False
    return known


def in_head(name: str, model: Any) -> bool:
    """Whether a weight belongs to the head. A pooler does: only classification reads it."""
    prefix = f"{model.base_model_prefix}."
    return not name.startswith(prefix) or name.startswith(f"{prefix}pooler.")


def output_layer(model: Any) -> tuple[str, torch.nn.Linear]:
    """The head's last layer, which has one output a label, with its name."""
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and in_head(f"{name}.", model)
        and module.out_features == model.config.num_labels
    ][-1]


def renew_output(model: Any) -> set[str]:
    """Draw the head's last layer anew: in the file it may have been made for other labels."""
    name, layer = output_layer(model)
    layer.weight.data.normal_(0.0, getattr(model.config, "initializer_range", None) or 0.02)
    if layer.bias is not None:
        layer.bias.data.zero_()
    return {f"{name}.{part}" for part, _ in layer.named_parameters()}


def pass_through(model: Any, new: Collection[str]) -> None:
    """Let new layers of the head before its last hand on what they are given: the identity."""
    last = output_layer(model)[1]
    for name, layer in model.named_modules():
        if (
            isinstance(layer, torch.nn.Linear)
            and layer is not last
            and f"{name}.weight" in new
            and layer.in_features == layer.out_features
        ):
            torch.nn.init.eye_(layer.weight)
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)
