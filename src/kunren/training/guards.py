"""What must not happen during training, noticed at the very step."""
# ruff: noqa: ARG002 - the Trainer passes all it has to every callback

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from kunren.errors import Problem, TrainingStopped
from kunren.messages import text
from kunren.training.collate import ROW_NUMBERS
from kunren.training.loss import LabelLoss
from kunren.training.optimizer import MasterAdamW
from kunren.types import Example


class FiniteGuard(TrainerCallback):
    """Stops before a non-finite loss or gradient reaches the weights.

    One such step makes every later number worthless, and a filter that hides it (the Trainer has
    one) lets a run end with a model that answers nothing.
    """

    def __init__(
        self,
        model: nn.Module,
        rows: Sequence[Example],
        loss: LabelLoss,
        optimizer: MasterAdamW,
    ) -> None:
        self._model = model
        self._rows = rows
        self._loss = loss
        self._optimizer = optimizer
        self._numbers: list[torch.Tensor] = []
        self.grad_norm = 0.0
        """Norm of the gradients of the latest step, before clipping."""
        self._hook = model.register_forward_pre_hook(self._before_forward, with_kwargs=True)

    def detach(self) -> None:
        """Let go of the model."""
        self._hook.remove()

    def _before_forward(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
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
        if math.isfinite(loss) and math.isfinite(self.grad_norm):
            return
        problem = Problem(
            "train.non-finite",
            fields={
                "step": state.global_step + 1,
                "loss": loss,
                "rows": ", ".join(self._rows[n].row_id for t in self._numbers for n in t.tolist()),
                "parameter": self._bad_weight()
                or self._optimizer.first_bad_parameter()
                or text("train.no-parameter"),
            },
        )
        raise TrainingStopped(problem)

    def _bad_weight(self) -> str | None:
        """Name of the first weight that was not finite before the step: then all else follows."""
        return next(
            (name for name, p in self._model.named_parameters() if not torch.isfinite(p).all()),
            None,
        )
