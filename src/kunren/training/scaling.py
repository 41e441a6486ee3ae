"""float16 training: forward passes under autocast, the loss scaled, overflowing steps skipped.

Weights stay float32. The Trainer's own float16 needs a GPU; this runs on every device that
autocast knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any

import torch
from torch import nn

_GROWTH_INTERVAL = 2000
_MOST_SKIPS = 20


@dataclass(slots=True)
class LossScale:
    """The factor on the loss that keeps small gradients from vanishing in float16.

    It moves as that of ``torch.amp.GradScaler``: halved where a gradient overflows (the step is
    then skipped), doubled after 2,000 good steps (Micikevicius et al. 2018).

    Attributes:
        factor: on the loss.
        good: good steps since the factor last moved.
        skipped: steps skipped in all.
        in_a_row: steps skipped since the last good one.
    """

    factor: float = 2.0**16
    good: int = 0
    skipped: int = 0
    in_a_row: int = 0

    def update(self, finite: bool) -> None:
        """Move after a step, by whether its gradients were finite."""
        if not finite:
            self.factor /= 2
            self.good = 0
            self.skipped += 1
            self.in_a_row += 1
            return
        self.in_a_row = 0
        self.good += 1
        if self.good == _GROWTH_INTERVAL:
            self.factor *= 2
            self.good = 0

    @property
    def hopeless(self) -> bool:
        """Whether lowering the factor further cannot help."""
        return self.factor < 1 or self.in_a_row >= _MOST_SKIPS

    def state(self) -> dict[str, float]:
        """All of it as plain values, for a checkpoint."""
        return asdict(self)

    def restore(self, state: Mapping[str, float]) -> None:
        """Stand where ``state`` stands."""
        for name, value in state.items():
            setattr(self, name, value)


@contextmanager
def autocast_fp16(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Let every forward pass of ``model`` multiply in float16 while this is open."""
    inner = model.forward

    @wraps(inner)  # the Trainer and generate() look at the signature
    def forward(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast(device.type, torch.float16):
            return inner(*args, **kwargs)

    before = model.__dict__.get("forward")
    model.forward = forward
    try:
        yield
    finally:
        if before is None:
            del model.forward
        else:
            model.forward = before
