"""Learning rates for those who name none."""

from __future__ import annotations

from typing import Literal

LEARNING_RATES = {
    ("causal", "full"): 3e-5,
    ("causal", "lora"): 5e-4,
    ("seq2seq", "full"): 3e-4,
    ("seq2seq", "lora"): 1e-3,
    ("encoder", "full"): 1e-4,
    ("encoder", "lora"): 1e-3,
}
"""Peak learning rate by family and kind of tuning, for pretrained models.

Encoders: twice the highest of BERT's authors (Devlin et al. 2019), since the token embeddings stay
as they are and there are few rows: on 64 headlines (multilingual-e5-small, two splits of training
rows) it gave .80 and .60, half of it .28 in the first. T5 was pretrained with much higher
rates than the others and wants them still: 1e-4 to 3e-4 with AdamW. LoRA moves few weights that
begin at zero, and takes ten times and more of what full tuning does (Hu et al. 2021)."""

FROM_SCRATCH = 1e-3
"""For models that were not pretrained: there is nothing yet that large steps could destroy."""


def learning_rate(family: str, tuning: Literal["full", "lora"], pretrained: bool = True) -> float:
    """The peak learning rate where the config names none.

    Args:
        family: its key in ``models.FAMILIES``.
        tuning: ``tuning.kind``.
        pretrained: whether the weights are more than random numbers.
    """
    return LEARNING_RATES[family, tuning] if pretrained else FROM_SCRATCH
