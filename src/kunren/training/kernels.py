"""The same arithmetic in fewer walks through memory, for training on a CPU.

On a GPU the eager forwards of transformers are hidden behind the matrix products, or replaced by
kernels of its own; on a CPU they are a third of a training step. ``fast_cpu`` swaps the forwards of
the modules it knows while it is open, and puts them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from transformers import PreTrainedModel

from kunren.models.load import onednn_has_bf16
from kunren.training.blocks import Blocks, block_attention

_NORM_OFFSETS = {
    "Gemma3RMSNorm": 1.0,
    "LlamaRMSNorm": 0.0,
    "MistralRMSNorm": 0.0,
    "Qwen2RMSNorm": 0.0,
    "Qwen3RMSNorm": 0.0,
}
"""RMSNorm modules by name, and what is added to their weight."""

_ATTENTIONS = frozenset({"Gemma3Attention", "LlamaAttention", "Qwen2Attention", "Qwen3Attention"})
"""Attention modules that are projections, optional head norms, rotation, attention, projection."""

_LARGEST_HEAD = 2**30
"""In bytes; a larger head is not copied."""

Forward = Callable[..., Any]


@contextmanager
def fast_cpu(model: PreTrainedModel, device: torch.device) -> Iterator[None]:
    """Swap the forwards of the modules of ``model`` that have a faster one, on a CPU."""
    swapped: list[tuple[nn.Module, Forward | None]] = []
    if device.type == "cpu":
        head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        for module in model.modules():
            forward = _head_forward(module) if module is head else _faster(module)
            if forward is not None:
                swapped.append((module, module.__dict__.get("forward")))
                module.forward = forward
    try:
        yield
    finally:
        for module, before in swapped:
            if before is None:
                del module.forward
            else:
                module.forward = before


def reads_blocks(model: nn.Module) -> bool:
    """Whether the attention of ``model`` is one that ``fast_cpu`` has for ``Blocks``."""
    return any(_has_blocks(module) for module in model.modules())


def _has_blocks(module: Any) -> bool:
    named = type(module).__name__ in _ATTENTIONS
    return named and not getattr(module, "attn_logit_softcapping", None)


def _faster(module: nn.Module) -> Forward | None:
    name = type(module).__name__
    if name in _NORM_OFFSETS:
        return _norm_forward(module, _NORM_OFFSETS[name])
    if _has_blocks(module):
        return _attention_forward(module)
    if isinstance(module, LoraLinear):
        return _lora_forward(module)
    return None


class _FrozenLinear(torch.autograd.Function):
    """x Wᵀ by two copies of a frozen W that oneDNN has laid out for its products."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, laid: Tensor, laid_back: Tensor) -> Tensor:
        ctx.laid_back = laid_back
        return _laid_product(x, laid)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _laid_product(grad, ctx.laid_back), None, None


def _laid_product(x: Tensor, laid: Tensor) -> Tensor:
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, laid, None, "none", [], "")
    return out


def _head_forward(head: Any) -> Forward | None:
    """A large frozen head, for few rows: laying it out anew at each product is most of its cost."""
    if (
        not isinstance(head, nn.Linear)
        or head.weight.requires_grad
        or getattr(head, "bias", None) is not None
    ):
        return None
    weight = head.weight.detach()
    original = head.forward
    if weight.dtype != torch.bfloat16 or weight.nbytes > _LARGEST_HEAD or not onednn_has_bf16():
        return None
    laid = torch.ops.mkldnn._reorder_linear_weight(weight, 16)
    laid_back = torch.ops.mkldnn._reorder_linear_weight(weight.t().contiguous(), 16)

    def forward(hidden_states: Tensor) -> Tensor:
        if not head.training or hidden_states.dtype != weight.dtype:
            plain: Tensor = original(hidden_states)
            return plain
        logits: Tensor = _FrozenLinear.apply(hidden_states, laid, laid_back)  # type: ignore[no-untyped-call]
        return logits

    return forward


class _RMSNorm(torch.autograd.Function):
    """x / rms(x) · (weight + offset), in float32 inside (Zhang & Sennrich 2019)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, offset: float) -> Tensor:
        wide = x.float()
        inverse = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        inverse = inverse.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        scale = weight.float() + offset
        ctx.save_for_backward(x, inverse, scale)
        ctx.weight_dtype = weight.dtype
        normed: Tensor = (wide * inverse).mul_(scale).to(x.dtype)
        return normed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, inverse, scale = ctx.saved_tensors
        normed = x.float() * inverse
        wide = grad.float()
        product = wide * normed
        grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_weight = product.view(-1, x.shape[-1]).sum(0).to(ctx.weight_dtype)
        if not ctx.needs_input_grad[0]:
            return None, grad_weight, None, None
        mean = torch.matmul(product, scale).div_(x.shape[-1]).unsqueeze(-1)
        grad_x = (wide * scale).sub_(normed.mul_(mean)).mul_(inverse)
        return grad_x.to(x.dtype), grad_weight, None, None


def _norm_forward(module: Any, offset: float) -> Forward:
    eps = module.eps if hasattr(module, "eps") else module.variance_epsilon

    def forward(hidden_states: Tensor) -> Tensor:
        normed: Tensor = _RMSNorm.apply(hidden_states, module.weight, eps, offset)  # type: ignore[no-untyped-call]
        return normed

    return forward


class _Rotate(torch.autograd.Function):
    """Rotary position embedding of x [1, T, heads, D] (Su et al. 2021), halves paired."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _rotated(x, cos, sin, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        return _rotated(grad, cos, sin, -1), None, None


def _rotated(x: Tensor, cos: Tensor, sin: Tensor, sign: int) -> Tensor:
    half = x.shape[-1] // 2
    cos, sin = cos[..., :half].unsqueeze(2), sin[..., :half].unsqueeze(2)
    first, second = x[..., :half], x[..., half:]
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    torch.mul(first, cos, out=out[..., :half]).addcmul_(second, sin, value=-sign)
    torch.mul(second, cos, out=out[..., half:]).addcmul_(first, sin, value=sign)
    return out


def _attention_forward(module: Any) -> Forward:
    original = module.forward

    def forward(
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        blocks: Blocks | None = None,
        **others: Any,
    ) -> tuple[Tensor, Tensor | None]:
        dropout = module.training and module.attention_dropout
        if blocks is None or past_key_values is not None or dropout:
            said: tuple[Tensor, Tensor | None] = original(
                hidden_states=hidden_states,
                position_embeddings=position_embeddings,
                attention_mask=attention_mask,
                past_key_values=past_key_values,
                **others,
            )
            return said
        shape = (*hidden_states.shape[:-1], -1, module.head_dim)
        query = module.q_proj(hidden_states).view(shape)
        key = module.k_proj(hidden_states).view(shape)
        value = module.v_proj(hidden_states).view(shape)
        if hasattr(module, "q_norm"):
            query, key = module.q_norm(query), module.k_norm(key)
        query = _Rotate.apply(query, *position_embeddings)  # type: ignore[no-untyped-call]
        key = _Rotate.apply(key, *position_embeddings)  # type: ignore[no-untyped-call]
        window = getattr(module, "sliding_window", None)
        out = block_attention(query[0], key[0], value[0], blocks, module.scaling, window)
        return module.o_proj(out.view(*hidden_states.shape[:-1], -1)), None

    return forward


class _Lora(torch.autograd.Function):
    """x Wᵀ + c + s · x Aᵀ Bᵀ with W and c frozen (Hu et al. 2021), the small product in place."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        a: Tensor,
        b: Tensor,
        scale: float,
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        low = flat @ a.t()
        ctx.save_for_backward(flat, weight, a, b, low)
        ctx.scale = scale  # type: ignore[attr-defined]
        out = nn.functional.linear(flat, weight, bias).addmm_(low, b.t(), alpha=scale)
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        flat, weight, a, b, low = ctx.saved_tensors
        wide = grad.reshape(-1, grad.shape[-1])
        grad_low = (wide @ b).mul_(ctx.scale)
        grad_b = (wide.t() @ low).mul_(ctx.scale)
        grad_a = grad_low.t() @ flat
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (wide @ weight).addmm_(grad_low, a).view(*grad.shape[:-1], -1)
        return grad_x, None, None, grad_a, grad_b, None


def _lora_forward(module: Any) -> Forward:
    original = module.forward

    def forward(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        names = module.active_adapters
        base = module.get_base_layer()
        plain = (
            len(names) == 1
            and names[0] in module.lora_A
            and not (module.disable_adapters or module.merged or module.lora_variant)
            and not (module.training and isinstance(module.lora_dropout[names[0]], nn.Dropout))
            and not (base.bias is not None and base.bias.requires_grad)
            and not base.weight.requires_grad
            and base.weight.dtype == module.lora_A[names[0]].weight.dtype == x.dtype
            and not module.lora_bias[names[0]]
        )
        if not plain or not torch.is_grad_enabled():
            out: Tensor = original(x, *args, **kwargs)
            return out
        a, b = module.lora_A[names[0]].weight, module.lora_B[names[0]].weight
        adapted: Tensor = _Lora.apply(  # type: ignore[no-untyped-call]
            x, base.weight, base.bias, a, b, module.scaling[names[0]]
        )
        return adapted

    return forward
