from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax

from kunren.config.schema import LossConfig
from kunren.training.loss import HeadLoss, Loss, SetLoss, TokenLoss

ROWS, SIZE = 6, 11


def logits(seed: int = 0, scale: float = 1.0) -> Tensor:
    made = torch.randn(
        ROWS, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    return (made * scale).requires_grad_()


def value(loss: Loss, given: Tensor, labels: Tensor, count: int | None = None) -> Tensor:
    out: Any = SimpleNamespace(logits=given)
    return loss(out, labels, num_items_in_batch=count)


def same(ours: Tensor, expected: Tensor, given: Tensor) -> None:
    """Equal values, and equal gradients."""
    torch.testing.assert_close(ours, expected)
    (grad,) = torch.autograd.grad(ours, given)
    (wanted,) = torch.autograd.grad(expected, given)
    torch.testing.assert_close(grad, wanted)


@pytest.mark.parametrize("classes", [None, torch.linspace(0.5, 1.5, SIZE, dtype=torch.float64)])
def test_rows_of_a_head_count_what_they_weigh(classes: Tensor | None) -> None:
    given, counted = logits(), torch.tensor([0, 1, 3, 4, 5])
    targets = torch.tensor([3, 0, -100, 3, 7, 1])
    weights = torch.tensor([0.5, 2.0, 0.25, 1.5, 1.0], dtype=torch.float64)
    loss = HeadLoss(None, classes)
    loss.weights = weights
    each = cross_entropy(given[counted], targets[counted], reduction="none")
    of_class = 1.0 if classes is None else classes[targets[counted]]
    same(value(loss, given, targets, 5), (each * weights * of_class).sum() / 5, given)
    with torch.no_grad():  # the loss of held-out rows is the plain one
        torch.testing.assert_close(value(loss, given, targets, 5), each.sum() / 5)


def test_rows_of_sets_count_what_they_weigh() -> None:
    given = logits()
    targets = (torch.arange(ROWS * SIZE).view(ROWS, SIZE) % 3 == 0).long()
    targets[1] = 0  # an empty set
    targets[4] = -100
    counted = torch.tensor([0, 1, 2, 3, 5])
    weights = torch.tensor([0.5, 2.0, 0.25, 1.5, 1.0], dtype=torch.float64)
    loss = SetLoss()
    loss.weights = weights
    each = binary_cross_entropy_with_logits(
        given[counted], targets[counted].double(), reduction="none"
    )
    same(value(loss, given, targets), (each * weights[:, None]).sum() / each.numel(), given)


TARGETS = torch.tensor([3, 0, 10, 3, 7, 1])
WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 0.0, 1.5, 1.0], dtype=torch.float64)


def token_labels() -> Tensor:
    return torch.cat([torch.tensor([-100]), TARGETS])


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scale", [1.0, 60.0])  # 60: probabilities of exactly 1 and 0
def test_focal_loss_is_that_of_its_paper(gamma: float, weighted: bool, scale: float) -> None:
    given = logits(scale=scale)
    loss = TokenLoss(LossConfig(focal_gamma=gamma))
    loss.weights = WEIGHTS if weighted else None
    gold = log_softmax(given, -1).gather(1, TARGETS[:, None])[:, 0]
    missing = (-torch.expm1(gold)).clamp_min(1e-300)
    expected = -(missing**gamma) * gold * (WEIGHTS if weighted else 1.0)
    same(value(loss, given[None], token_labels()), expected.mean(), given)


@pytest.mark.parametrize("weighted", [False, True])
def test_smoothing_is_that_of_torch(weighted: bool) -> None:
    given = logits()
    loss = TokenLoss(LossConfig(label_smoothing=0.2))
    loss.weights = WEIGHTS if weighted else None
    expected = cross_entropy(given, TARGETS, label_smoothing=0.2, reduction="none")
    if weighted:
        expected = expected * WEIGHTS
    same(value(loss, given[None], token_labels(), 12), expected.sum() / 12, given)


def test_narrow_logits_get_narrow_gradients_of_a_wide_loss() -> None:
    given = logits().detach().to(torch.bfloat16).requires_grad_()
    loss = value(TokenLoss(), given[None], token_labels())
    assert loss.dtype == torch.float32
    (grad,) = torch.autograd.grad(loss, given)
    assert grad.dtype == torch.bfloat16


@pytest.mark.parametrize("junk", [0.0, float("nan"), float("inf")])
def test_what_stands_at_a_padding_never_counts(junk: float) -> None:
    given = logits()
    spoilt = torch.cat([given[:2], torch.full((1, SIZE), junk, dtype=given.dtype), given[2:5]])
    spoilt = torch.cat([spoilt, torch.full((2, SIZE), junk, dtype=given.dtype)]).view(2, 4, SIZE)
    labels = torch.tensor([[3, 0, -100, 10], [3, 7, -100, -100]])
    loss = TokenLoss()
    same(value(loss, spoilt, labels), cross_entropy(given[:5], TARGETS[:5]), given)
    assert loss.totals()[1] == 5


@pytest.mark.parametrize(
    "config",
    [
        {"focal_gamma": 2.0},
        {"label_smoothing": 0.3},
        {"level_weight": 1.0, "focal_gamma": 1.0},
    ],
)
def test_on_validation_rows_the_loss_is_the_plain_one(config: dict[str, float]) -> None:
    given, settings = logits(), LossConfig.model_validate(config)
    tokens = TokenLoss(settings)
    tokens.weights = WEIGHTS
    head = HeadLoss(settings, torch.arange(1.0, SIZE + 1), [[n // 4 for n in range(SIZE)]])
    many = SetLoss(settings, torch.arange(1.0, SIZE + 1))
    multi_hot = (logits(1) > 0).long()
    with torch.no_grad():
        plain = cross_entropy(given, TARGETS).item()
        assert value(tokens, given[None], token_labels()).item() == pytest.approx(plain)
        assert value(head, given, TARGETS).item() == pytest.approx(plain)
        binary = binary_cross_entropy_with_logits(given, multi_hot.double()).item()
        assert value(many, given, multi_hot).item() == pytest.approx(binary)
    assert head.totals()[0] == pytest.approx(6 * plain)
    assert value(head, given, TARGETS).item() != pytest.approx(plain)


def test_an_items_class_weight_is_its_labels() -> None:
    given, weights = logits(), torch.rand(SIZE, dtype=torch.float64) + 0.5
    expected = cross_entropy(given, TARGETS, weight=weights, reduction="sum") / 6
    same(value(HeadLoss(None, weights), given, TARGETS), expected, given)


def test_a_level_adds_the_log_of_its_ancestors_probability() -> None:
    given, weights = logits(), torch.rand(SIZE, dtype=torch.float64) + 0.5
    levels = [[n // 4 for n in range(SIZE)], [int(n > 5) for n in range(SIZE)]]
    loss = HeadLoss(LossConfig(level_weight=0.5), weights, levels)
    chances = given.softmax(-1)
    expected = cross_entropy(given, TARGETS, weight=weights, reduction="sum")
    for level in map(torch.tensor, levels):
        siblings = level[None] == level[TARGETS][:, None]
        expected = expected - 0.5 * ((chances * siblings).sum(1).log() * weights[TARGETS]).sum()
    same(value(loss, given, TARGETS), expected / 6, given)


def test_rows_without_a_known_label_do_not_count() -> None:
    given = logits()
    labels = TARGETS.clone()
    labels[1] = labels[4] = -100
    kept = labels.ne(-100)
    loss = HeadLoss()
    same(value(loss, given, labels), cross_entropy(given[kept], TARGETS[kept]), given)
    assert loss.totals()[1] == 4
    multi_hot = (logits(1) > 0).long()
    multi_hot[~kept] = -100
    many = SetLoss()
    expected = binary_cross_entropy_with_logits(given[kept], multi_hot[kept].double())
    same(value(many, given, multi_hot), expected, given)
    assert many.totals()[1] == 4 * SIZE
    assert value(HeadLoss(), given, torch.full((ROWS,), -100)).item() == 0


def test_smoothed_and_weighted_bce() -> None:
    given, targets = logits(), (logits(1) > 0).long()
    weights = torch.rand(SIZE, dtype=torch.float64) + 0.5
    loss = SetLoss(LossConfig(label_smoothing=0.1), weights)
    expected = binary_cross_entropy_with_logits(
        given, targets.double() * 0.9 + 0.05, weight=weights.expand(ROWS, -1)
    )
    same(value(loss, given, targets), expected, given)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_bce_is_retinanets(gamma: float) -> None:
    given, targets = logits(), (logits(1) > 0).long()
    p = given.sigmoid()
    true = torch.where(targets == 1, p, 1 - p)
    expected = (-((1 - true) ** gamma) * true.log()).mean()
    same(value(SetLoss(LossConfig(focal_gamma=gamma)), given, targets), expected, given)


def test_focal_bce_of_a_certain_model_has_finite_gradients() -> None:
    given = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = value(SetLoss(LossConfig(focal_gamma=0.5)), given, torch.tensor([[1, 0]]))
    (grad,) = torch.autograd.grad(loss, given)
    assert torch.isfinite(grad).all()
