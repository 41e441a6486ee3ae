from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from torch import nn

from kunren.training.optimizer import MasterAdamW


def one(value: float, dtype: torch.dtype, **settings: Any) -> tuple[nn.Parameter, MasterAdamW]:
    weight = nn.Parameter(torch.full((4, 4), value, dtype=dtype))
    return weight, MasterAdamW([("weight", weight)], **settings)


def test_a_relative_step_of_1e_5_does_not_vanish_in_bf16() -> None:
    weight, optimizer = one(1.0, torch.bfloat16, lr=1e-5)
    plain = nn.Parameter(weight.detach().clone())
    reference = torch.optim.AdamW([plain], lr=1e-5, weight_decay=0.0)
    for _ in range(1000):
        (weight.float().sum()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        plain.grad = torch.ones_like(plain)
        reference.step()
    assert plain.eq(1.0).all(), "plain bf16 loses every step: that is what the masters are for"
    assert weight.float().mean().item() == pytest.approx(0.99, abs=2e-3)
    assert optimizer.state[weight]["master"].mean().item() == pytest.approx(0.99, abs=1e-4)


@pytest.mark.parametrize("max_grad_norm", [0.5, 1e9])
def test_in_float32_it_is_adamw_after_clipping(max_grad_norm: float) -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3))
    theirs = copy.deepcopy(ours)
    optimizer = MasterAdamW(
        ours.named_parameters(), lr=1e-2, weight_decay=0.1, max_grad_norm=max_grad_norm
    )
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    vectors = [p for p in theirs.parameters() if p.ndim == 1]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=1e-2, weight_decay=0.1)
    for seed in range(5):
        x = torch.randn(6, 5, generator=torch.Generator().manual_seed(seed))
        ours(x).square().sum().backward()
        theirs(x).square().sum().backward()
        norm = nn.utils.clip_grad_norm_(theirs.parameters(), max_grad_norm)
        assert optimizer.grad_norm() == pytest.approx(norm.item(), rel=1e-5)
        optimizer.step()
        reference.step()
        reference.zero_grad()
    for one_, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one_, other)


def test_a_saved_state_is_taken_over_bit_by_bit() -> None:
    def steps(weight: nn.Parameter, optimizer: MasterAdamW, count: int) -> None:
        for _ in range(count):
            (weight.float() * 3).square().sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    weight, optimizer = one(0.3, torch.bfloat16, lr=1e-4)
    steps(weight, optimizer, 3)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    again, resumed = one(0.0, torch.bfloat16, lr=1e-4)
    again.data.copy_(weight)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    master = resumed.state[again]["master"]
    assert master.dtype == torch.float32
    assert torch.equal(master, optimizer.state[weight]["master"])
    steps(weight, optimizer, 20)
    steps(again, resumed, 20)
    assert torch.equal(weight, again)
    assert torch.equal(optimizer.state[weight]["master"], resumed.state[again]["master"])


def test_micro_batches_add_up_in_float32() -> None:
    weight, optimizer = one(1.0, torch.bfloat16, lr=1e-5, max_grad_norm=1e9)
    for factor in (1.0, *[2**-9] * 64):  # each too small to change a bf16 sum of 1
        (weight * factor).float().sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is None
    assert optimizer.grad_norm() == pytest.approx((1 + 64 / 512) * 4, rel=1e-6)


def test_gradients_left_in_place_are_used_as_they_are() -> None:
    weight, optimizer = one(1.0, torch.float32, lr=0.1, take_gradients=False)
    weight.sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    optimizer.step()
    assert weight.mean().item() == pytest.approx(0.9, abs=1e-6)


def test_detached_it_no_longer_takes_gradients() -> None:
    weight, optimizer = one(1.0, torch.float32, lr=0.1)
    optimizer.detach()
    weight.sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
