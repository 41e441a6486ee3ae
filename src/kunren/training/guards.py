"""What must not happen during training, noticed at the very step."""
# ruff: noqa: ARG002 - the Trainer passes all it has to every callback

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from kunren.errors import Problem, TrainingStopped
from kunren.messages import text
from kunren.training.collate import ROW_NUMBERS, WEIGHTS
from kunren.training.loss import Loss
from kunren.training.optimizer import MasterAdamW
from kunren.types import AnyExample


class FiniteGuard(TrainerCallback):
    """Stops before a non-finite loss or gradient reaches the weights.

    One such step makes every later number worthless, and a filter that hides it (the Trainer has
    one) lets a run end with a model that answers nothing. In float16 training, where the loss has a
    scale, a gradient that overflows is no such thing: the step is skipped and the scale lowered.

    It also takes from each batch what is not for the model.
    """

    def __init__(
        self,
        model: nn.Module,
        rows: Sequence[AnyExample],
        loss: Loss,
        optimizer: MasterAdamW,
    ) -> None:
        self._model = model
        self._rows = rows
        self._loss = loss
        self._optimizer = optimizer
        self._numbers: list[torch.Tensor] = []
        self.grad_norm = 0.0
        """Norm of the gradients of the latest step, before clipping; infinite or NaN where the
        step was skipped."""
        self._hook = model.register_forward_pre_hook(self._before_forward, with_kwargs=True)

    def detach(self) -> None:
        """Let go of the model."""
        self._hook.remove()

    def _before_forward(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self._loss.weights = kwargs.pop(WEIGHTS, None)
        numbers = kwargs.pop(ROW_NUMBERS, None)
        if model.training and numbers is not None:
            self._numbers.append(numbers)
        return args, kwargs

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Forget the step before."""
        self._numbers.clear()
        self._loss.latest.clear()
        if self._loss.scale is not None:
            self._optimizer.loss_scale = self._loss.scale.factor

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Look at the step's loss and gradients.

        Raises:
            TrainingStopped: one of them is not finite; the weights are still those of the step
                before.
        """
        loss = sum(self._loss.latest)
        self.grad_norm = self._optimizer.grad_norm()
        finite = math.isfinite(self.grad_norm)
        scale = self._loss.scale
        if not math.isfinite(loss) or (scale is None and not finite):
            raise self._stop("train.non-finite", state, {"loss": loss})
        if scale is None:
            return
        scale.update(finite)
        if scale.hopeless:
            said = {"scale": scale.factor, "skips": scale.in_a_row}
            raise self._stop("train.fp16-overflow", state, said)
        if not finite:
            self._optimizer.discard()

    def _stop(self, code: str, state: TrainerState, said: Mapping[str, object]) -> TrainingStopped:
        fields = {
            **said,
            "step": state.global_step + 1,
            "rows": ", ".join(self._rows[n].row_id for t in self._numbers for n in t.tolist()),
            "parameter": self._bad_weight()
            or self._optimizer.first_bad_parameter()
            or text("train.no-parameter"),
        }
        return TrainingStopped(Problem(code, fields=fields))

    def _bad_weight(self) -> str | None:
        """Name of the first weight that was not finite before the step: then all else follows."""
        return next(
            (name for name, p in self._model.named_parameters() if not torch.isfinite(p).all()),
            None,
        )
