from __future__ import annotations

import math
import random
from typing import Any

import pytest

from kunren.training.watch import Watch


def watched(
    losses: list[float], *, labels: int | None = None, epochs: int = 4, **columns: Any
) -> tuple[Watch, list[str], dict[str, Any]]:
    """A watch that has seen some steps of one epoch each ten."""
    said: list[str] = []
    kept: dict[str, Any] = {}
    watch = Watch(said.append, kept.update, epochs, labels)
    for step, loss in enumerate(losses, start=1):
        watch.step(row(step, loss, **{k: v[step - 1] for k, v in columns.items()}))
        if step % 10 == 0:
            watch.evaluated(None)
    return watch, said, kept


def row(step: int, loss: float, **more: float) -> dict[str, float | None]:
    return {"step": step, "epoch": step / 10, "loss": loss, "learning_rate": 1e-3, **more}


def noisy(mean: float, count: int, seed: int = 0) -> list[float]:
    chance = random.Random(seed)
    return [mean * (1 + chance.uniform(-0.02, 0.02)) for _ in range(count)]


def leaning(share: float, *, collapsed: bool) -> dict[str, Any]:
    return {"label": "✨", "share": share, "gold_share": 0.19, "collapsed": collapsed}


def test_a_loss_that_is_zero_from_the_start_is_told_at_once_and_once() -> None:
    _, said, kept = watched([0.0] * 40)
    assert len(said) == 1
    assert "損失マスク" in said[0]
    assert [(n["slug"], n["step"]) for n in kept["notices"]] == [("zero-loss", 3)]


def test_a_loss_that_comes_down_to_zero_is_none_of_that() -> None:
    assert watched([1.0, 0.5, 0.1, *[0.0] * 30])[1] == []


def test_a_loss_that_explodes() -> None:
    _, said, kept = watched([*[3 * 0.9**n for n in range(20)], *[4.0 * 1.5**n for n in range(8)]])
    assert len(said) == 1
    assert "発散" in said[0]
    assert 20 < kept["notices"][0]["step"] <= 28


@pytest.mark.parametrize("seed", range(5))
def test_one_odd_batch_is_no_explosion(seed: int) -> None:
    losses = noisy(1.0, 40, seed)
    losses[20] = 6.0
    assert watched(losses)[1] == []


def test_a_scale_that_keeps_falling() -> None:
    scales = [2.0 ** (16 - n) for n in range(12)]
    _, said, kept = watched([1.0] * 12, loss_scale=scales, skipped_steps=list(range(12)))
    assert len(said) == 1
    assert kept["notices"][0]["step"] == 9
    assert watched([1.0] * 12, loss_scale=[2.0**15] * 12, skipped_steps=[1] * 12)[1] == []


def test_a_loss_that_stays_at_a_guess() -> None:
    _, said, kept = watched(noisy(math.log(5), 60), labels=5)
    assert len(said) == 1
    assert "ln 5 = 1.609" in said[0]
    assert kept["notices"][0]["epoch"] == 3.0  # thirty steps are needed to say so


def test_a_loss_that_falls_slowly_from_a_guess_is_learning() -> None:
    losses = [x - 0.002 * n for n, x in enumerate(noisy(math.log(5), 60))]
    assert watched(losses, labels=5)[1] == []
    assert watched(noisy(math.log(5), 60), labels=None)[1] == []


def test_a_collapse_is_told_when_it_lasts_and_says_since_when() -> None:
    watch, said, kept = watched([1.0])
    watch.rows[-1] = row(10, 1.0)
    for epoch, collapsed in ((1, False), (2, True), (3, True), (4, True)):
        watch.rows.append(row(10 * epoch, 1.0))
        watch.evaluated(leaning(0.93, collapsed=collapsed))
    assert len(said) == 1
    assert "エポック 2 から" in said[0]
    assert "93 %" in said[0]
    assert [a["epoch"] for a in kept["answers"]] == [1, 2, 3, 4]
    assert kept["notices"][0]["epoch"] == 3


def test_the_first_epochs_lean_always() -> None:
    watch, said, _ = watched([1.0], epochs=10)
    for epoch in (1, 2, 3, 4):
        watch.rows.append(row(10 * epoch, 1.0))
        watch.evaluated(leaning(0.93, collapsed=True))
    assert said == []


def test_resumed_it_says_nothing_twice_and_forgets_what_is_trained_again() -> None:
    watch, _, kept = watched([0.0] * 20)
    watch.rows.append(row(30, 0.0))
    watch.evaluated(leaning(0.9, collapsed=True))
    said: list[str] = []
    later: dict[str, Any] = {}
    again = Watch(said.append, later.update, 4, None, dict(kept))
    again.restore([row(n, 0.0) for n in range(1, 21)], 20)
    assert said == []
    again.evaluated(None)
    assert [n["slug"] for n in later["notices"]] == ["zero-loss"]
    assert later["answers"] == []
