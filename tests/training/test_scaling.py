from __future__ import annotations

import torch

from kunren.training.scaling import LossScale, autocast_fp16


def test_the_scale_moves_as_that_of_torch() -> None:
    ours, theirs = LossScale(), torch.amp.GradScaler("cpu", init_scale=2.0**16)
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    for step in range(4200):
        bad = step in (0, 1, 3000)
        weight.grad = torch.full((2,), torch.inf if bad else 1.0)
        theirs.scale(torch.zeros(()))
        theirs.step(optimizer)
        theirs.update()
        ours.update(finite=not bad)
        assert ours.factor == theirs.get_scale(), step
    assert ours.skipped == 3


def after(scale: LossScale, *finite: bool) -> bool:
    for one in finite:
        scale.update(one)
    return scale.hopeless


def test_hopeless_below_1_or_after_20_skips_in_a_row() -> None:
    scale = LossScale(factor=2.0)
    assert not after(scale, False)
    assert after(scale, False)
    scale = LossScale(factor=2.0**60)
    assert not after(scale, *[False] * 19, True, *[False] * 19)
    assert after(scale, False)


def test_forwards_are_in_float16_only_within() -> None:
    model = torch.nn.Linear(3, 3)
    x = torch.ones(1, 3)
    with autocast_fp16(model, torch.device("cpu")):
        assert model(x).dtype == torch.float16
    assert model(x).dtype == torch.float32
