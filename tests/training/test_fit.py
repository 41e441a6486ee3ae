from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny  # type: ignore[import-not-found]
import torch

from kunren.config.schema import EarlyStopping, TrainConfig, TuningConfig
from kunren.errors import TrainingStopped
from kunren.progress import Silent
from kunren.training.fit import Fitted, fit


def run(folder: Path, model: Any = None, **settings: Any) -> Fitted:
    evaluate = settings.pop("evaluate", None)
    resume = settings.pop("resume", False)
    train = settings.pop("train", tiny.rows(20))
    config = TrainConfig.model_validate(
        {"epochs": 3, "learning_rate": 1e-2, "batch_size": 4, "metric": "loss"} | settings
    )
    return fit(
        tiny.gemma() if model is None else model,
        "causal",
        tiny.PAD,
        train,
        tiny.rows(6, seed=1),
        config,
        TuningConfig(),
        folder,
        resume=resume,
        progress=Silent(),
        evaluate=evaluate,
    )


def test_the_log_has_a_row_a_step_and_the_loss_falls(tmp_path: Path) -> None:
    fitted = run(tmp_path)
    assert list(fitted.history[0])[:5] == ["epoch", "eval_loss", "learning_rate", "loss", "step"]
    assert [row["step"] for row in fitted.history] == list(range(1, 16))
    losses = [row["eval_loss"] for row in fitted.history]
    assert [loss is None for loss in losses] == ([True] * 4 + [False]) * 3
    first, last = fitted.history[0]["loss"], fitted.history[-1]["loss"]
    assert first is not None
    assert last is not None
    assert last < first - 1
    assert fitted.steps == 15
    assert not fitted.stopped_early


def test_only_what_requires_grad_moves(tmp_path: Path) -> None:
    model = tiny.gemma()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    run(tmp_path, model)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [("accuracy", [0.1, 0.7, 0.7], 15), ("macro_f1", [0.9, 0.7, 0.7], 5)],
)
def test_the_model_leaves_with_its_best_weights(
    tmp_path: Path, metric: str, values: list[float], best: int
) -> None:
    seen = []
    remaining = iter(values)

    def evaluate(model: Any) -> dict[str, float]:
        assert not model.training
        seen.append({name: p.clone() for name, p in model.named_parameters()})
        return {metric: next(remaining)}

    model = tiny.gemma()
    fitted = run(tmp_path, model, metric=metric, evaluate=evaluate)
    assert fitted.best_step == best
    assert fitted.best_value == max(values)
    expected = seen[best // 5 - 1]
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, expected[name]), name
    assert fitted.history[4][f"eval_{metric}"] == values[0]


def test_early_stopping_counts_evaluations_without_improvement(tmp_path: Path) -> None:
    remaining = iter([0.5, 0.6, 0.605, 0.6, 1.0])
    early = EarlyStopping(patience=2, min_delta=0.01)
    settings: dict[str, Any] = {"epochs": 5, "metric": "accuracy", "early_stopping": early}
    settings["evaluate"] = lambda _: {"accuracy": next(remaining)}
    fitted = run(tmp_path, **settings)
    assert fitted.stopped_early
    assert fitted.steps == 20
    again = run(tmp_path, **settings, resume=True)
    assert again.steps == 20
    assert again.history == fitted.history


def test_a_finished_training_resumed_is_that_training(tmp_path: Path) -> None:
    first, second = tiny.gemma(), tiny.gemma()
    fitted = run(tmp_path, first)
    assert run(tmp_path, second, resume=True) == fitted
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_without_resume_old_checkpoints_do_not_count(tmp_path: Path) -> None:
    run(tmp_path, epochs=4)
    assert run(tmp_path, epochs=2).steps == 10
    assert not list(tmp_path.glob("checkpoint-20"))


def test_accumulated_micro_batches_are_one_batch(tmp_path: Path) -> None:
    whole, parts = tiny.gemma(), tiny.gemma()
    run(tmp_path / "whole", whole, batch_size=20, epochs=2)
    run(tmp_path / "parts", parts, batch_size=5, gradient_accumulation=4, epochs=2)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        # AdamW's first steps are the gradients' signs: small differences are not small there.
        assert (one - other).abs().mean() < 1e-4


def test_sharing_the_prefix_changes_nothing(tmp_path: Path) -> None:
    shared = run(tmp_path / "shared", prefix_sharing=True)
    plain = run(tmp_path / "plain", prefix_sharing=False)
    for one, other in zip(shared.history, plain.history, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_bad_gradient_stops_before_the_update(tmp_path: Path, bad: float) -> None:
    model = tiny.gemma()
    calls = 0
    saved: dict[str, torch.Tensor] = {}

    def poison(grad: torch.Tensor) -> torch.Tensor | None:
        nonlocal calls
        calls += 1
        if calls < 3:
            return None
        saved.update({name: p.detach().clone() for name, p in model.named_parameters()})
        return torch.full_like(grad, bad)

    name = "model.layers.1.mlp.down_proj.weight"
    model.get_parameter(name).register_hook(poison)
    with pytest.raises(TrainingStopped) as stopped:
        run(tmp_path, model, batch_size=4)
    fields = stopped.value.problems[0].fields
    assert fields["step"] == 3
    assert fields["parameter"] == name
    assert len(str(fields["rows"]).split(", ")) == 4
    for key, parameter in model.named_parameters():
        assert torch.equal(parameter, saved[key])


def test_a_bad_loss_names_the_rows_of_the_batch(tmp_path: Path) -> None:
    model = tiny.gemma()
    with torch.no_grad():
        model.get_input_embeddings().weight[59] = float("nan")
        model.get_output_embeddings().weight = torch.nn.Parameter(
            torch.randn(tiny.VOCABULARY, 32), requires_grad=False
        )
    rows = [row for row in tiny.rows(40) if 59 not in row.input_ids][:20]
    bad = next(row for row in tiny.rows(200, seed=3) if 59 in row.input_ids)
    with pytest.raises(TrainingStopped) as stopped:
        run(tmp_path, model, train=[*rows, type(bad)("bad", bad.input_ids, bad.trained)])
    assert "bad" in str(stopped.value.problems[0].fields["rows"]).split(", ")
    assert "nan" in str(stopped.value)


def killed(folder: Path, *events: int) -> dict[str, Any]:
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, str(here / "killed_run.py"), str(folder), *map(str, events)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_killed_at_any_moment_and_resumed_it_ends_the_same(tmp_path: Path) -> None:
    undisturbed = killed(tmp_path / "undisturbed")
    checkpoints = [name for name in undisturbed["left"] if name.startswith("checkpoint-")]
    best = [name for name in undisturbed["left"] if name.startswith("best-")]
    assert checkpoints == ["checkpoint-12", "checkpoint-9"]
    assert 1 <= len(best) <= 2
    # Three steps an epoch, then about seven events of saving: before, amid and after each.
    disturbed = killed(tmp_path / "disturbed", 2, 4, 5, 6, 8, 9, 10, 5, 7, 12, 13)
    assert disturbed == undisturbed
