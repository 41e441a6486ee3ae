"""Patches of what a training shows: really trained with the fault, mended, and trained again.

Computed in float64: in float32 a whole training takes another course on each kind of processor.
Each was tried with other seeds too: wherever the fault shows, the mended run does not have it.
What only shows by chance of rounding (a single jump of the loss) is left to recorded logs.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from tests.doctor.mending import (
    Fault,
    Trained,
    Trainings,
    encoder,
    patch_of,
    sparkling,
    told,
    write,
)
from tests.forked import ask_forked_process
from tests.small import write_experiment
from tests.tiny_models import save_tiny
from transformers import AutoModelForMaskedLM

from kunren.cli import main
from kunren.models import adapter, load, verify
from kunren.models.load import Precision, choose_dtype

_RATE = ("train.learning_rate",)


def _calm(rate: str, **train: str) -> tuple[str, ...]:
    """Settings of experiments that differ in the learning rate: no checkpoint is left out of it."""
    return (f"train.learning_rate={rate}", *(f"train.{k}={v}" for k, v in train.items()))


_STUCK = {"seed": "2", "epochs": "6"}
_RISING = {"seed": "1", "epochs": "10", "schedule": "constant", "warmup": "60"}
"""The rate rises over the first half: the loss comes down before it runs away (of three seeds, it
did with all)."""

_LONGER = ("train.epochs", "train.early_stopping.patience")
_BRIEF = _calm("7e-4", epochs="1", seed="1", metric="accuracy")
_STOPPED = _calm("5e-4", epochs="10", seed="1", metric="accuracy", early_stopping="{patience: 1}")

FAULTS = (
    Fault("non-finite", (*_RATE, "train.precision"), "small",
          ("train.precision=fp16", "train.learning_rate=100")),
    Fault("non-finite", ("train.precision",), "large",
          _calm("1e-3", precision="fp16", epochs="2"), "overflow"),
    Fault("still-improving", ("train.epochs",), "told",
          ("train.learning_rate=3e-4", "train.epochs=4")),
    Fault("validation-collapse", ("task.labels.ban", "train.warmup"), "sparkling"),
    Fault("validation-collapse", ("train.epochs",), "told", _BRIEF, "too-few-epochs"),
    Fault("validation-collapse", _LONGER, "uneven", _STOPPED, "stopped-too-soon"),
    Fault("validation-trivial", ("train.epochs",), "told", _BRIEF, "too-few-epochs"),
    Fault("validation-trivial", _LONGER, "uneven", _STOPPED, "stopped-too-soon"),
    Fault("overfitting", ("train.epochs",), "noisy",
          ("train={epochs: 30, learning_rate: 3e-4, metric: loss, schedule: constant, seed: 2, "
           "early_stopping: null, batch_size: 4}", "tuning.train_embeddings=true")),
    Fault("not-learning", _RATE, "told", _calm("1e-6", **_STUCK), "rate-too-low"),
    Fault("not-learning", _RATE, "told", _calm("0.1", seed="1", epochs="6"), "rate-too-high"),
    Fault("not-learning", ("train.warmup",), "told", _calm("1e-4", warmup="20000", **_STUCK),
          "warm-up-too-long"),
    Fault("not-learning", ("train.warmup", *_RATE), "told",
          _calm("1e-5", warmup="20000", **_STUCK), "both"),
    Fault("loss-spikes", _RATE, "told", _calm("0.3", **_RISING), "diverged"),
)  # fmt: skip


def _told(folder: Path, models: Callable[[str], Path]) -> Path:
    return write(folder, told("喜悲怒", 30), encoder(models("wide"), metric="loss"))


def _noisy(folder: Path, models: Callable[[str], Path]) -> Path:
    """Labels drawn by lot: they can only be learnt by heart, and were with each of four seeds.

    The evaluation loss stays at ln 3 for ten epochs and is three times that in the end.
    """
    chance = random.Random(4)
    rows = [row | {"label": chance.choice("喜悲怒")} for row in told("喜悲怒", 30, rest=12)]
    return write(folder, rows, encoder(models("wide")))


def _uneven(folder: Path, models: Callable[[str], Path]) -> Path:
    """Eight labels, of which one has nearly half: its share is the first thing that is learnt."""
    rows = [row for n, row in enumerate(told("喜悲怒楽驚恐嫌愛", 60)) if n < 60 or n % 60 < 11]
    return write(folder, rows, encoder(models("wide")))


def _large(folder: Path, models: Callable[[str], Path]) -> Path:
    """A layer gives values that float16 does not have, and the next one brings them back."""
    path = folder / "large"
    shutil.copytree(models("wide"), path)
    model = AutoModelForMaskedLM.from_pretrained(path)
    layer = model.bert.encoder.layer[0]
    with torch.no_grad():
        layer.intermediate.dense.weight *= 1e6
        layer.output.dense.weight *= 1e-6
    model.save_pretrained(path)
    return write(folder / "of", told("喜悲怒", 12), encoder(path, metric="loss"))


MAKE: Mapping[str, Callable[[Path, Callable[[str], Path]], Path]] = {
    "small": lambda folder, models: write_experiment(folder, models("gemma")),
    "sparkling": lambda folder, models: sparkling(folder, models("bert")),
    "told": _told,
    "noisy": _noisy,
    "uneven": _uneven,
    "large": _large,
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function from the name of an experiment to its YAML; models are made once."""
    folder = tmp_path_factory.mktemp("bases")
    configs: dict[str, Path] = {}

    def model(kind: str) -> Path:
        path = folder / kind
        return path if path.exists() else save_tiny(kind, path)

    def base(name: str) -> Path:
        if name not in configs:
            (folder / f"with-{name}").mkdir()
            configs[name] = MAKE[name](folder / f"with-{name}", model)
        return configs[name]

    return base


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    return Trainings(tmp_path_factory.mktemp("runs"))


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    def exact(device: torch.device, precision: Precision) -> torch.dtype:
        return torch.float64 if precision == "auto" else choose_dtype(device, precision)

    for module in (load, adapter):  # each has it under its own name
        monkeypatch.setattr(module, "choose_dtype", exact)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_ask_fresh_process", ask_forked_process)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_mended_run_has_it_no_more(
    fault: Fault, bases: Callable[[str], Path], trainings: Trainings
) -> None:
    config = bases(fault.base)
    before = trainings.train(config, *fault.set)
    patch = patch_of(fault, before.found, before.config)
    after = trainings.train(config, *fault.set, *patch)
    # It was looked for: a rule that lacked what it needs would not have found it either.
    assert fault.slug in after.quiet, after.found.get(fault.slug)
    assert _better(before, after)


def _better(before: Trained, after: Trained) -> bool:
    """Whether the mended training ends no worse than the other, or that one broke off."""
    return not before.losses or after.losses[-1] <= before.losses[-1] + 1e-9


def test_a_broken_run_is_mended_on_the_command_line(
    bases: Callable[[str], Path], trainings: Trainings, capsys: pytest.CaptureFixture[str]
) -> None:
    (fault,) = [fault for fault in FAULTS if fault.name == "diverged"]
    before = trainings.train(bases(fault.base), *fault.set)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["doctor", str(before.folder), "--fix"])
    assert not ended.value.code
    said = capsys.readouterr().out
    rate = "-  learning_rate: 0.3"
    for part in ("train.learning_rate ", "loss-spikes: ", rate, "0.0001 に下げて"):
        assert part in said
    assert "テストデータの結果にもとづく" not in said
    after = trainings.train(before.folder / "config.fixed.yaml")
    assert after.config["train"]["learning_rate"] == 1e-4
    assert fault.slug in after.quiet


def test_what_did_not_learn_learns(bases: Callable[[str], Path], trainings: Trainings) -> None:
    for fault in FAULTS:
        if fault.slug == "not-learning":
            before = trainings.train(bases(fault.base), *fault.set)
            patch = patch_of(fault, before.found, before.config)
            after = trainings.train(bases(fault.base), *fault.set, *patch)
            assert after.losses[-1] < 0.95 * before.losses[-1]
