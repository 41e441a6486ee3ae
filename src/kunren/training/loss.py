"""The loss: mean negative log-likelihood of the label tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from transformers.modeling_outputs import CausalLMOutputWithPast

from kunren.training.collate import NOT_COUNTED


class _NegativeLogLikelihood(torch.autograd.Function):
    """Sum over rows of -log softmax(logits)[target].

    With a large vocabulary the logits are most of the memory of a step. Autograd would walk over
    float32 copies of them seven times; this does four times.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        ctx.logp = torch.log_softmax(logits, -1, dtype=torch.float32)
        ctx.targets = targets[:, None]
        ctx.dtype = logits.dtype
        total: Tensor = -ctx.logp.gather(1, ctx.targets).sum()
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        probability = ctx.logp.exp_()
        del ctx.logp
        probability.scatter_add_(1, ctx.targets, -torch.ones_like(ctx.targets, dtype=torch.float32))
        return probability.mul_(grad).to(ctx.dtype), None


class LabelLoss:
    """What the Trainer takes as ``compute_loss_func``; keeps count of what it has seen.

    Attributes:
        latest: loss of each micro-batch of the current step, as it counts in the step's mean.
    """

    def __init__(self) -> None:
        self.latest: list[float] = []
        self._sum = 0.0
        self._count = 0

    def __call__(
        self,
        outputs: CausalLMOutputWithPast,
        labels: Tensor,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Mean over all label tokens of the step (of the batch, where the step is not known).

        Args:
            outputs: logits [1, L, vocabulary] at the label positions.
            labels: [1 + L], as the collator makes them.
            num_items_in_batch: label tokens in the whole step.
        """
        logits = outputs.logits
        assert logits is not None  # noqa: S101 - a causal model without logits does not exist
        targets = labels[labels.ne(NOT_COUNTED)]
        total: Tensor = _NegativeLogLikelihood.apply(logits[0], targets)  # type: ignore[no-untyped-call]
        value = float(total.detach())
        self._sum += value
        self._count += targets.numel()
        counted = targets.numel() if num_items_in_batch is None else num_items_in_batch
        loss = total / counted
        self.latest.append(float(loss.detach()))
        return loss

    def start(self) -> None:
        """Forget what was seen."""
        self.latest.clear()
        self._sum, self._count = 0.0, 0

    def totals(self) -> Tensor:
        """[2]: sum of the loss, and number of label tokens, since ``start``."""
        return torch.tensor([self._sum, float(self._count)], dtype=torch.float64)
