"""AdamW that loses no small step, and walks through memory once.

A bf16 weight has 8 bits of precision: a relative step below 1/256 would be rounded away. So each
bf16 weight has a float32 master, which the step moves; the weight is the rounded master.

The optimiser is bound by memory, so it also takes each gradient as soon as backward has made it
(while it is still in the processor's cache its norm costs nothing), and clips by that norm within
the update instead of in two more walks over all gradients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class MasterAdamW(torch.optim.Optimizer):
    """AdamW (Loshchilov & Hutter 2019) on float32 master weights, with clipping built in.

    Args:
        named: the trainable parameters with their names; of one dtype or several. Vectors (norms,
            biases) do not decay, as in the Trainer.
        lr: learning rate.
        weight_decay: decoupled decay of the matrices.
        max_grad_norm: gradients whose common norm exceeds this are scaled down to it.
        take_gradients: keep the gradients here instead of in ``.grad``, so that nobody walks over
            them in between. Off where gradients still have to be reduced over processes; they are
            then expected in ``.grad``, clipped.

    Attributes:
        loss_scale: what the loss of the coming step was multiplied by; the gradients are divided
            by it.
    """

    def __init__(
        self,
        named: Iterable[tuple[str, nn.Parameter]],
        *,
        lr: float,
        weight_decay: float = 0.0,
        max_grad_norm: float = 1.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        take_gradients: bool = True,
    ) -> None:
        self.loss_scale = 1.0
        self._names = {parameter: name for name, parameter in named}
        matrices = [p for p in self._names if p.ndim > 1]
        vectors = [p for p in self._names if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        super().__init__([g for g in groups if g["params"]], {"lr": lr, "betas": betas, "eps": eps})
        self._max_grad_norm = max_grad_norm
        self._take = take_gradients
        self._taken: dict[nn.Parameter, Tensor] = {}
        self._norms: dict[nn.Parameter, Tensor] = {}
        self._room: Tensor | None = None
        self._hooks = [
            p.register_post_accumulate_grad_hook(self._on_gradient)  # type: ignore[no-untyped-call]
            for p in self._names
        ]

    def detach(self) -> None:
        """Let go of the parameters: later backward passes no longer reach this optimiser."""
        for hook in self._hooks:
            hook.remove()
        self._taken.clear()

    def _on_gradient(self, parameter: Tensor) -> None:
        assert isinstance(parameter, nn.Parameter)  # noqa: S101 - hooks are typed for any tensor
        grad = parameter.grad
        if grad is None:
            return
        if self._take:
            parameter.grad = None
            earlier = self._taken.get(parameter)
            # Micro-batches are summed in float32: in bf16 the sum would round every time.
            grad = grad if earlier is None else earlier.float() + grad
            self._taken[parameter] = grad
        self._norms[parameter] = torch.linalg.vector_norm(self._wide(grad))

    def _wide(self, grad: Tensor) -> Tensor:
        """The gradient in float32, in memory that is used over and over (and so stays in cache)."""
        if grad.dtype == torch.float32:
            return grad
        if self._room is None or self._room.numel() < grad.numel():
            self._room = torch.empty(grad.numel(), dtype=torch.float32, device=grad.device)
        return self._room[: grad.numel()].view(grad.shape).copy_(grad)

    def grad_norm(self) -> float:
        """Norm of all gradients of the coming step, before clipping."""
        if not self._norms:
            return 0.0
        norm = torch.linalg.vector_norm(torch.stack(list(self._norms.values())))
        return float(norm) / self.loss_scale

    def first_bad_parameter(self) -> str | None:
        """Name of the first parameter, in the model's order, with a non-finite gradient."""
        for parameter, name in self._names.items():
            norm = self._norms.get(parameter)
            if norm is not None and not bool(torch.isfinite(norm)):
                return name
        return None

    def discard(self) -> None:
        """Let the gradients of the coming step go: it will move nothing."""
        self._taken.clear()
        self._norms.clear()
        for parameter in self._names:
            parameter.grad = None

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Move the weights by the gradients taken since the last step, and let these go."""
        norm = self.grad_norm()
        scale = max(1.0, norm / self._max_grad_norm) if self._take else 1.0
        scale *= self.loss_scale
        for group in self.param_groups:
            for parameter in group["params"]:
                grad = self._taken.pop(parameter, None) if self._take else parameter.grad
                if grad is not None:
                    self._move(parameter, grad, scale, group)
        self._norms.clear()

    def _move(self, weight: Tensor, grad: Tensor, scale: float, group: Mapping[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
            state["exp_avg"] = torch.zeros_like(weight, dtype=torch.float32)
            state["exp_avg_sq"] = torch.zeros_like(weight, dtype=torch.float32)
            if weight.dtype != torch.float32:
                state["master"] = weight.float()
        state["step"] += 1
        master = state.get("master", weight)
        torch._fused_adamw_(
            [master],
            [self._wide(grad)],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [state["step"]],
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
            grad_scale=torch.full((), scale, device=weight.device),
        )
        if master is not weight:
            weight.copy_(master)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a saved state, bit by bit.

        torch casts a state to the dtype of its weight, which would round the masters to bf16.
        """
        super().load_state_dict({**state_dict, "state": {}})
        parameters = [p for group in self.param_groups for p in group["params"]]
        for number, saved in state_dict["state"].items():
            parameter = parameters[number]
            self.state[parameter] = {k: v.to(parameter.device).clone() for k, v in saved.items()}
