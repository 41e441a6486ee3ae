"""The losses: what is minimised, and the plain one that validation rows are measured by.

Each is a sum over what is counted (label tokens, items, or an item's labels) divided by the count
of the whole optimiser step, so that accumulated micro-batches are one batch. Weights have mean 1
over the training rows (see ``objective.py``) and so leave the divisor right.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import binary_cross_entropy_with_logits

from kunren.config.schema import LossConfig
from kunren.training.collate import NOT_COUNTED
from kunren.training.scaling import LossScale


class _CrossEntropy(torch.autograd.Function):
    """Sum over rows of the cross-entropy of softmax(logits), focal, smoothed and weighted.

    With p the probability of a row's target and w its weight, a row adds

        w · ((1 - smoothing) · (1 - p)^gamma · -log p + smoothing · mean over k of -log p_k).

    With a large vocabulary the logits are most of the memory of a step. Autograd would walk over
    float32 copies of them seven times; this does four times. All that makes a loss other than the
    plain one is one number a row, so that it costs nothing; smoothing costs a walk each way.
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        targets: Tensor,
        weights: Tensor | None,
        gamma: float,
        smoothing: float,
    ) -> Tensor:
        wide = torch.promote_types(logits.dtype, torch.float32)
        ctx.logp = torch.log_softmax(logits, -1, dtype=wide)
        ctx.targets = targets[:, None]
        ctx.dtype = logits.dtype
        gold = ctx.logp.gather(1, ctx.targets)
        loss, slope = _focal(gold, gamma)
        spread = torch.full_like(gold, smoothing)
        if smoothing:
            loss = (1 - smoothing) * loss - smoothing * ctx.logp.mean(1, keepdim=True)
            slope = (1 - smoothing) * slope
        if weights is not None:
            given = weights.to(wide)[:, None]
            loss, slope, spread = loss * given, slope * given, spread * given
        ctx.slope, ctx.spread, ctx.smoothed = slope, spread, bool(smoothing)
        total: Tensor = loss.sum()
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # d log p_k / d z_j = [j = k] - p_j
        slope, spread = ctx.slope * grad, ctx.spread * grad
        out = ctx.logp.exp_()
        del ctx.logp
        out.mul_(spread - slope)
        if ctx.smoothed:
            out.sub_(spread / out.shape[1])
        out.scatter_add_(1, ctx.targets, slope)
        return out.to(ctx.dtype), None, None, None, None


def _focal(gold: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """(1 - p)^gamma · -log p (Lin et al. 2017), and its derivative, from log p."""
    if not gamma:
        return -gold, torch.full_like(gold, -1.0)
    missing = -torch.expm1(gold)  # 1 - p
    focus = missing**gamma
    # log p / (1 - p) tends to -1 where p tends to 1.
    ratio = torch.where(missing > 0, gold / missing, -1.0)
    return -focus * gold, focus * (gamma * gold.exp() * ratio - 1)


class Loss(ABC):
    """What the Trainer takes as ``compute_loss_func``; keeps count of what it has seen.

    The training loss is that of ``config``. Where no gradient is asked for it is always the plain
    one: a focal loss is lower without any answer being better, and must not be read as progress.

    Attributes:
        latest: loss of each micro-batch of the current step, as it counts in the step's mean.
        weights: of each counted label of the batch that comes next, from the collator (of a
            classification head: of each counted row); None: all count 1.
        scale: what the gradient is multiplied by, in float16 training.
    """

    def __init__(self, config: LossConfig | None = None) -> None:
        self.latest: list[float] = []
        self.weights: Tensor | None = None
        self.scale: LossScale | None = None
        self._config = config or LossConfig()
        self._sum = 0.0
        self._count = 0

    def __call__(
        self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Mean over all counted labels of the step (of the batch, where the step is not known).

        Args:
            outputs: the model's, with ``logits``.
            labels: as the family's collator makes them.
            num_items_in_batch: counted labels in the whole step.
        """
        training = torch.is_grad_enabled()
        total, count = self._total(outputs.logits, labels, training)
        self._sum += float(total.detach())
        self._count += count
        loss = total / (max(count, 1) if num_items_in_batch is None else num_items_in_batch)
        self.latest.append(float(loss.detach()))
        if training and self.scale is not None:
            # Only what flows back is scaled, so that the loss that is logged is the loss.
            factor = self.scale.factor
            loss.register_hook(lambda grad: grad * factor)  # type: ignore[no-untyped-call]
        return loss

    @abstractmethod
    def _total(self, logits: Tensor, labels: Tensor, training: bool) -> tuple[Tensor, int]:
        """Sum over the counted labels, and how many they are."""

    def start(self) -> None:
        """Forget what was seen."""
        self.latest.clear()
        self._sum, self._count = 0.0, 0

    def totals(self) -> Tensor:
        """[2]: sum of the loss, and number of counted labels, since ``start``."""
        return torch.tensor([self._sum, float(self._count)], dtype=torch.float64)

    def _cross_entropy(
        self, logits: Tensor, targets: Tensor, weights: Tensor | None, training: bool
    ) -> Tensor:
        gamma, smoothing = self._config.focal_gamma, self._config.label_smoothing
        if not training:
            weights, gamma, smoothing = None, 0.0, 0.0
        total: Tensor = _CrossEntropy.apply(  # type: ignore[no-untyped-call]
            logits, targets, weights, gamma, smoothing
        )
        return total


class TokenLoss(Loss):
    """Cross-entropy of label tokens, for models that write.

    Logits are [1, L, vocabulary] at L label positions, with labels [1 + L] of which the first is
    not counted (causal), or [B, L, vocabulary] with labels [B, L] (seq2seq).
    """

    def _total(self, logits: Tensor, labels: Tensor, training: bool) -> tuple[Tensor, int]:
        rows = logits.flatten(0, 1)
        targets = labels.flatten()[-rows.shape[0] :]
        counted = targets.ne(NOT_COUNTED)
        if not bool(counted.all()):
            # Left out, not multiplied by 0: what stands at a padding may be anything.
            rows, targets = rows[counted], targets[counted]
        return self._cross_entropy(rows, targets, self.weights, training), targets.numel()


class HeadLoss(Loss):
    """Cross-entropy of a classification head: logits [B, K], labels [B].

    Args:
        config: how it is formed.
        class_weights: [K], by which an item counts for its label.
        levels: for each upper level of a hierarchy the ancestor's number of each of the K labels.
            A level adds ``level_weight`` · -log of the probability of the gold ancestor: the sum of
            its labels' probabilities.
    """

    def __init__(
        self,
        config: LossConfig | None = None,
        class_weights: Tensor | None = None,
        levels: Sequence[Sequence[int]] = (),
    ) -> None:
        super().__init__(config)
        self._class_weights = class_weights
        self._related = []
        for level in levels if self._config.level_weight else ():
            ancestors = torch.tensor(level)
            self._related.append(ancestors[:, None] == ancestors)

    def _total(self, logits: Tensor, labels: Tensor, training: bool) -> tuple[Tensor, int]:
        counted = labels.ne(NOT_COUNTED)
        logits, targets = logits[counted], labels[counted]
        weights = self.weights
        if self._class_weights is not None:
            of_class = self._class_weights.to(logits.device)[targets]
            weights = of_class if weights is None else of_class * weights
        total = self._cross_entropy(logits, targets, weights, training)
        if training:
            total = total + self._config.level_weight * self._upper(logits, targets, weights)
        return total, targets.numel()

    def _upper(self, logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Sum over items and upper levels of -log of the gold ancestor's probability."""
        wide = torch.promote_types(logits.dtype, torch.float32)
        total = torch.zeros((), dtype=wide, device=logits.device)
        for related in self._related:
            logp = torch.log_softmax(logits, -1, dtype=wide)
            foreign = ~related.to(logits.device)[targets]
            losses = -logp.masked_fill(foreign, -torch.inf).logsumexp(1)
            total = total + (losses if weights is None else losses * weights).sum()
        return total


class SetLoss(Loss):
    """Binary cross-entropy of a multi-label head: logits [B, K], labels [B, K] of 0 and 1.

    The mean is over items and labels. With ε the smoothing, the target y becomes
    y (1 - ε) + ε / 2. The focal form is RetinaNet's without its α: a label counts
    (1 - p_t)^gamma, p_t being the probability given to what is true of it.

    Args:
        config: how it is formed.
        class_weights: [K], by which each label counts, present or not.
    """

    def __init__(
        self, config: LossConfig | None = None, class_weights: Tensor | None = None
    ) -> None:
        super().__init__(config)
        self._class_weights = class_weights

    def _total(self, logits: Tensor, labels: Tensor, training: bool) -> tuple[Tensor, int]:
        counted = labels[:, 0].ne(NOT_COUNTED)
        wide = logits[counted].to(torch.promote_types(logits.dtype, torch.float32))
        targets = labels[counted].to(wide.dtype)
        if not training:
            plain = binary_cross_entropy_with_logits(wide, targets, reduction="sum")
            return plain, targets.numel()
        smoothing, gamma = self._config.label_smoothing, self._config.focal_gamma
        losses = binary_cross_entropy_with_logits(
            wide, targets * (1 - smoothing) + smoothing / 2, reduction="none"
        )
        if gamma:
            # Below 1 gamma has an infinite slope at 0.
            missing = (-torch.expm1(-losses)).clamp_min(torch.finfo(losses.dtype).tiny)
            losses = losses * missing**gamma
        if self._class_weights is not None:
            losses = losses * self._class_weights.to(losses.device)
        if self.weights is not None:
            losses = losses * self.weights[:, None]
        return losses.sum(), targets.numel()
