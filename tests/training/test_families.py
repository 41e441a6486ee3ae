from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import tiny  # type: ignore[import-not-found]
import torch

from kunren.config.schema import LossConfig, TrainConfig, TuningConfig
from kunren.errors import InputError, KunrenError, TrainingStopped
from kunren.progress import Silent
from kunren.training.collate import ROW_NUMBERS
from kunren.training.fit import Fitted, fit
from kunren.training.objective import Request, objective
from kunren.training.rates import LEARNING_RATES, learning_rate
from kunren.types import AnyExample, Example, LabelExample, PairExample


@dataclass(frozen=True)
class Kind:
    family: str
    task: str
    model: Callable[..., Any]
    rows: Callable[..., list[AnyExample]]


KINDS = {
    "causal": Kind("causal", "CAUSAL_LM", tiny.llama, tiny.rows),
    "seq2seq": Kind("seq2seq", "SEQ_2_SEQ_LM", tiny.t5, tiny.pairs),
    "label": Kind("encoder", "SEQ_CLS", tiny.bert, tiny.labelled),
    "backbone": Kind("encoder", "SEQ_CLS", tiny.llama_head, tiny.labelled),
    "set": Kind(
        "encoder",
        "SEQ_CLS",
        lambda *given, **named: tiny.bert(*given, multi_label=True, **named),
        lambda *given, **named: tiny.labelled(*given, multi_label=True, **named),
    ),
}


def run(folder: Path, kind: Kind, model: Any = None, **settings: Any) -> Fitted:
    rows = settings.pop("train", None) or kind.rows(24)
    given = {n: settings.pop(n, None) for n in ("evaluate", "class_weights", "levels")}
    resume = settings.pop("resume", False)
    config = TrainConfig.model_validate(
        {"epochs": 2, "learning_rate": 1e-2, "batch_size": 8, "metric": "loss"} | settings
    )
    return fit(
        model or kind.model(),
        kind.family,
        tiny.PAD,
        rows,
        kind.rows(8, seed=1),
        config,
        TuningConfig(),
        folder,
        resume=resume,
        progress=Silent(),
        **given,
    )


def right(model: Any, rows: Sequence[AnyExample]) -> float:
    """Share of rows that are answered rightly."""
    good = 0
    for row in rows:
        ids = torch.tensor([row.input_ids])
        if isinstance(row, Example):
            logits = model(input_ids=ids).logits[0, len(row.input_ids) - 3]
            good += int(logits.argmax()) == row.input_ids[-2]
        elif isinstance(row, PairExample):
            said = model.generate(input_ids=ids, max_new_tokens=9, do_sample=False)[0, 1:]
            good += said.tolist() == list(row.target_ids)
        elif len(row.labels) == 1:
            good += int(model(input_ids=ids).logits[0].argmax()) == row.labels[0]
        else:
            chosen = model(input_ids=ids).logits[0].gt(0).nonzero()[:, 0]
            good += set(chosen.tolist()) == set(row.labels)
    return good / len(rows)


@pytest.mark.parametrize("tuning", ["full", "lora"])
@pytest.mark.parametrize("name", ["seq2seq", "label", "set"])
def test_it_learns_a_simple_mapping(tmp_path: Path, name: str, tuning: str) -> None:
    kind, model = KINDS[name], KINDS[name].model()
    settings: dict[str, Any] = {"epochs": 9}
    fall, share = 0.5, 0.9
    if tuning == "lora":
        model = tiny.lora(model, kind.task)
        settings = {"epochs": 16, "early_stopping": None}
        fall, share = 0.75, 0.4  # there is little in a frozen random model to build on
    still = {n: p.detach().clone() for n, p in model.named_parameters() if not p.requires_grad}
    fitted = run(tmp_path, kind, model, train=kind.rows(64, longest=6), **settings)
    losses = [loss for row in fitted.history if (loss := row["eval_loss"]) is not None]
    assert min(losses) < fall * losses[0]
    for parameter, before in still.items():
        assert torch.equal(model.get_parameter(parameter), before), parameter
    with torch.no_grad():
        assert right(model.eval(), kind.rows(20, seed=1, longest=6)) >= share


def together(
    kind: Kind, model: Any, rows: Sequence[AnyExample], pad: int, divisor: int
) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of rows as one batch, the loss divided by ``divisor``."""
    config = LossConfig(focal_gamma=1.5)
    made = objective(kind.family, Request(model, pad, rows, config, None, (), True, False))
    batch = made.collator(list(enumerate(rows)))
    batch.pop(ROW_NUMBERS)
    labels = batch.pop("labels")
    model.zero_grad()
    loss = made.loss(model(**batch), labels, divisor)
    loss.backward()  # type: ignore[no-untyped-call]
    grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return loss.item(), grads


@pytest.mark.parametrize(
    ("name", "pad"),
    [(name, pad) for name in ("seq2seq", "label", "set") for pad in (tiny.PAD, 42)]
    + [("backbone", tiny.PAD)],  # which finds its last token by the padding token
)
def test_padding_changes_nothing(name: str, pad: int) -> None:
    kind, model = KINDS[name], KINDS[name].model()
    rows = [*kind.rows(5), *kind.rows(2, longest=30, seed=2)]
    assert len({len(row.input_ids) for row in rows}) > 3
    loss, grads = together(kind, model, rows, pad, 10)
    alone = [together(kind, model, [row], pad, 10) for row in rows]
    assert loss == pytest.approx(sum(single for single, _ in alone), rel=1e-5)
    for parameter, grad in grads.items():
        expected = sum(g.get(parameter, torch.zeros(())) for _, g in alone)
        torch.testing.assert_close(grad, expected, rtol=1e-4, atol=1e-6, msg=parameter)


LOSSES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("causal", {}, {}),
    ("causal", {"focal_gamma": 2.0}, {}),
    ("seq2seq", {}, {}),
    ("seq2seq", {"label_smoothing": 0.1}, {}),
    ("label", {}, {}),
    ("label", {"level_weight": 0.5}, {"levels": [[0, 0, 1, 1, 1]], "class_weights": range(1, 6)}),
    ("backbone", {"label_smoothing": 0.1}, {}),
    ("set", {}, {}),
    ("set", {"focal_gamma": 2.0}, {"class_weights": range(1, 6)}),
]


def weighted(rows: Sequence[AnyExample], factor: float = 1) -> list[AnyExample]:
    """The rows, those of models that write with very different weights."""
    made: list[AnyExample] = []
    for row in rows:
        weight = random.Random(row.row_id).choice([0.2, 1.0, 4.0]) * factor
        if isinstance(row, Example):
            row = replace(row, weights=(weight,) * len(row.input_ids))
        elif isinstance(row, PairExample):
            row = replace(row, weight=weight)
        made.append(row)
    return made


@pytest.mark.parametrize(("name", "loss", "given"), LOSSES)
def test_four_batches_of_two_are_one_of_eight(
    tmp_path: Path, name: str, loss: dict[str, Any], given: dict[str, Any]
) -> None:
    kind = KINDS[name]
    train = weighted(kind.rows(24)) if loss else kind.rows(24)
    whole, parts = kind.model(), kind.model()
    settings = given | {"train": train, "loss": loss, "epochs": 1, "learning_rate": 1e-3}
    one = run(tmp_path / "one", kind, whole, batch_size=8, **settings)
    four = run(tmp_path / "four", kind, parts, batch_size=2, gradient_accumulation=4, **settings)
    assert one.steps == four.steps == 3
    for a, b in zip(one.history, four.history, strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=2e-4)
        assert b["grad_norm"] == pytest.approx(a["grad_norm"], rel=2e-3)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        # AdamW's first steps are the gradients' signs: small differences are not small there.
        assert (a - b).abs().mean() < 2e-5


@pytest.mark.parametrize("name", ["seq2seq", "causal"])
def test_only_the_ratio_of_weights_matters(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    rows = weighted(kind.rows(8))
    tenfold = weighted(kind.rows(8), 10)
    logs = [
        run(tmp_path / str(n), kind, train=train, epochs=1).history[0]
        for n, train in enumerate((rows, tenfold, kind.rows(8)))
    ]
    assert logs[1]["loss"] == pytest.approx(logs[0]["loss"], rel=1e-5)
    assert logs[2]["loss"] != pytest.approx(logs[0]["loss"], rel=1e-3)


def test_weights_of_zero_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, KINDS["label"], class_weights=[0.0] * tiny.LABELS)
    assert caught.value.problems[0].code == "train.weights-zero"


def test_validation_rows_without_a_known_label_are_left_out(tmp_path: Path) -> None:
    kind = KINDS["label"]
    some = replace(kind, rows=lambda n, seed=0: [*kind.rows(n, seed=seed)])
    unknown = replace(
        kind,
        rows=lambda n, seed=0: [
            *kind.rows(n, seed=seed),
            *([LabelExample("unknown", (2, 50, 3), ())] if seed else []),
        ],
    )
    none = replace(
        kind,
        rows=lambda n, seed=0: [LabelExample("unknown", (2, 50, 3), ())] if seed else kind.rows(n),
    )
    losses = [
        run(tmp_path / str(n), k, epochs=1).history[-1]["eval_loss"]
        for n, k in enumerate((some, unknown, none))
    ]
    assert losses[1] == pytest.approx(losses[0])
    assert losses[2] is None


class Killed(Exception):  # noqa: N818 - not an error, a kill
    pass


@pytest.mark.parametrize(
    ("name", "precision"), [("seq2seq", "bf16"), ("label", "fp32"), ("label-lora", "bf16")]
)
def test_resumed_it_ends_the_same(tmp_path: Path, name: str, precision: str) -> None:
    kind = KINDS[name.removesuffix("-lora")]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32

    def model() -> Any:
        made = kind.model(dtype, dropout=0.1)
        if name.endswith("-lora"):
            made = tiny.lora(made, kind.task)
        return made

    values = [0.3, 0.2, 0.1]

    def evaluate(_: Any, stop_at: int = 9) -> dict[str, float]:
        calls.append(1)
        if len(calls) == stop_at:
            raise Killed
        return {"accuracy": values[len(calls) - 1]}

    settings: dict[str, Any] = {"epochs": 3, "metric": "accuracy", "train": kind.rows(18)}
    whole, parts = model(), model()
    calls: list[int] = []
    expected = run(tmp_path / "whole", kind, whole, evaluate=evaluate, **settings)
    calls.clear()
    with pytest.raises(Killed):
        run(tmp_path / "parts", kind, model(), evaluate=lambda m: evaluate(m, 3), **settings)
    calls.pop()
    again = run(tmp_path / "parts", kind, parts, evaluate=evaluate, resume=True, **settings)
    assert len(calls) == 3
    assert again.best_step == expected.best_step == 3
    assert steady(again) == steady(expected)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.equal(a, b)


def steady(fitted: Fitted) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "rows_per_second"} for row in fitted.history]


@pytest.mark.parametrize("freeze", [False, True])
def test_mixed_dtypes_keep_theirs_and_all_move(tmp_path: Path, freeze: bool) -> None:
    model = tiny.t5(torch.bfloat16)
    for name, module in model.named_modules():
        if name.endswith(".wo"):
            module.float()  # as transformers keeps it
    if freeze:
        tiny.freeze_embeddings(model)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    run(tmp_path, KINDS["seq2seq"], model, epochs=1)
    for name, parameter in model.named_parameters():
        assert parameter.dtype == before[name].dtype
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name


@pytest.mark.parametrize(
    ("warmup", "rates"),
    [(0.5, [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]), (2, [0.0, 0.5, 1.0, 1.0, 1.0, 1.0])],
)
def test_warm_up_by_share_or_by_steps(tmp_path: Path, warmup: float, rates: list[float]) -> None:
    kind = replace(KINDS["label"], rows=lambda n, seed=0: tiny.labelled(n, seed=seed))
    fitted = run(tmp_path, kind, epochs=2, train=kind.rows(32), schedule="constant", warmup=warmup)
    steps = [row["learning_rate"] for row in fitted.history]
    assert len(steps) == 8
    assert [rate / 1e-2 for rate in steps if rate is not None][:6] == pytest.approx(rates)


def test_a_metric_that_is_better_when_lower(tmp_path: Path) -> None:
    remaining = iter([0.9, 0.4, 0.4, 0.6])
    fitted = run(
        tmp_path,
        KINDS["label"],
        epochs=4,
        metric="top1_share",
        evaluate=lambda _: {"top1_share": next(remaining)},
    )
    assert (fitted.best_value, fitted.best_step) == (0.4, 9)


def test_a_metric_that_could_not_be_computed_is_never_the_best(tmp_path: Path) -> None:
    remaining: Any = iter([0.9, None, float("nan")])
    fitted = run(
        tmp_path,
        KINDS["label"],
        epochs=3,
        metric="top1_share",
        evaluate=lambda _: {"top1_share": next(remaining)},
    )
    assert (fitted.best_value, fitted.best_step) == (0.9, 3)


def test_a_metric_that_nobody_measures_is_named(tmp_path: Path) -> None:
    with pytest.raises(KunrenError, match="accuracy"):
        run(tmp_path, KINDS["label"], metric="accuracy")
    with pytest.raises(KunrenError) as caught:
        run(tmp_path, KINDS["label"], metric="chrf", evaluate=lambda _: {"jaccard": 0.5})
    assert "chrf" in str(caught.value)
    assert "jaccard" in str(caught.value)


def test_fp16_trains_as_fp32_does(tmp_path: Path) -> None:
    for name in ("causal", "seq2seq", "label"):
        kind = KINDS[name]
        settings: dict[str, Any] = {"train": kind.rows(24)}
        exact = run(tmp_path / f"{name}-32", kind, precision="fp32", **settings)
        model = kind.model()
        half = run(tmp_path / f"{name}-16", kind, model, precision="fp16", **settings)
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        assert "forward" not in model.__dict__
        assert half.history[-1]["skipped_steps"] == 0
        assert half.history[-1]["loss_scale"] == 2.0**16
        for a, b in zip(exact.history, half.history, strict=True):
            assert b["loss"] == pytest.approx(a["loss"], rel=0.03)
            assert b["loss"] != a["loss"]
        if name != "causal":
            assert half.history[0]["grad_norm"] == pytest.approx(
                exact.history[0]["grad_norm"], rel=0.03
            )


def overflowing(model: Any, steps: set[int]) -> None:
    """Let the gradient of the head overflow at these steps."""
    calls = 0

    def spoil(grad: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return torch.full_like(grad, torch.inf) if calls in steps else grad

    model.classifier.weight.register_hook(spoil)


def test_an_overflow_skips_the_step_and_halves_the_scale(tmp_path: Path) -> None:
    kind = KINDS["label"]
    settings: dict[str, Any] = {"precision": "fp16", "epochs": 1, "learning_rate": 1e-3}
    model, start = kind.model(), kind.model()
    overflowing(model, {1, 2, 3})
    fitted = run(tmp_path / "all", kind, model, **settings)
    assert [row["skipped_steps"] for row in fitted.history] == [1, 2, 3]
    assert [row["grad_norm"] for row in fitted.history] == [None] * 3
    assert fitted.history[-1]["loss_scale"] == 2.0**13
    for a, b in zip(model.parameters(), start.parameters(), strict=True):
        assert torch.equal(a, b)
    model = kind.model()
    overflowing(model, {2})
    fitted = run(tmp_path / "one", kind, model, **settings)
    assert [row["skipped_steps"] for row in fitted.history] == [0, 1, 1]
    assert not torch.equal(model.classifier.weight, start.classifier.weight)


def test_the_scale_outlives_a_resumption(tmp_path: Path) -> None:
    kind = KINDS["label"]
    model = kind.model()
    overflowing(model, {1})
    calls = 0

    def evaluate(_: Any) -> dict[str, float]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Killed
        return {"accuracy": 0.5}

    settings: dict[str, Any] = {"precision": "fp16", "metric": "accuracy", "evaluate": evaluate}
    with pytest.raises(Killed):
        run(tmp_path, kind, model, **settings)
    fitted = run(tmp_path, kind, resume=True, **settings)
    assert [row["skipped_steps"] for row in fitted.history] == [1] * 6
    assert fitted.history[-1]["loss_scale"] == 2.0**15


def test_gradients_that_keep_overflowing_stop_the_training(tmp_path: Path) -> None:
    kind = KINDS["label"]
    model = kind.model()
    overflowing(model, set(range(100)))
    with pytest.raises(TrainingStopped) as caught:
        run(tmp_path, kind, model, precision="fp16", epochs=10, early_stopping=None)
    problem = caught.value.problems[0]
    assert problem.code == "train.fp16-overflow"
    assert problem.fields["parameter"] == "classifier.weight"
    assert problem.fields["step"] == 17
    assert "bf16" in str(caught.value)


def test_a_loss_that_is_not_finite_stops_fp16_too(tmp_path: Path) -> None:
    model = tiny.bert()
    with torch.no_grad():
        model.classifier.weight.mul_(1e9)
    with pytest.raises(TrainingStopped) as caught:
        run(tmp_path, KINDS["label"], model, precision="fp16")
    assert caught.value.problems[0].code == "train.non-finite"


def test_every_family_and_tuning_has_a_learning_rate() -> None:
    assert {(f, t) for f, t in LEARNING_RATES} == {
        (f, t) for f in ("causal", "seq2seq", "encoder") for t in ("full", "lora")
    }
    assert learning_rate("causal", "full", True) == 3e-5
    assert learning_rate("seq2seq", "full", False) == 1e-3
