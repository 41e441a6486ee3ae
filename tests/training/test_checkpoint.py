"""A damaged checkpoint is told, and training goes on from the one before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training import tiny
from transformers import PreTrainedModel

from kunren.config.schema import TrainConfig, TuningConfig
from kunren.progress import Silent
from kunren.training import checkpoint
from kunren.training.fit import Fitted, fit


class Said(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


class Stop(Exception):  # noqa: N818
    """Stands for the end of the process."""


def train(
    folder: Path, *, until: int | None = None, said: Said | None = None
) -> tuple[Fitted, PreTrainedModel]:
    """Four epochs; ``until``: the process ends while that epoch is evaluated."""
    model = tiny.gemma()
    calls = 0

    def evaluate(_: Any) -> dict[str, float]:
        nonlocal calls
        calls += 1
        if calls == until:
            raise Stop
        return {"accuracy": 0.5}

    fitted = fit(
        model, "causal", tiny.PAD, tiny.rows(16), tiny.rows(4, seed=1),
        TrainConfig(epochs=4, learning_rate=1e-2, batch_size=4, metric="accuracy"),
        TuningConfig(), folder, resume=True, progress=said or Said(), evaluate=evaluate,
    )  # fmt: skip
    return fitted, model


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": cut,
    "empty": lambda path: path.write_bytes(b""),
    "zeroed": zeroed,
    "gone": Path.unlink,
    "a web page": lambda path: path.write_text("<!DOCTYPE html><html></html>"),
}
FILES = (
    "model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json",
    "kunren.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole() -> tuple[Fitted, PreTrainedModel]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return train(Path(folder))


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupted")
    with pytest.raises(Stop):
        train(folder, until=4)
    return folder


def copied(source: Path, target: Path) -> Path:
    import shutil

    shutil.copytree(source, target, dirs_exist_ok=True)
    return target


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_every_damage_is_seen(tmp_path: Path, interrupted: Path, name: str, damage: str) -> None:
    folder = copied(interrupted, tmp_path)
    DAMAGE[damage](folder / "checkpoint-12" / name)
    found, damaged = checkpoint.newest(folder)
    assert found is not None
    assert found[1].step == 8
    assert damaged == (checkpoint.Damaged("checkpoint-12", name),)
    assert not (folder / "checkpoint-12").exists()


@pytest.mark.parametrize("name", ["optimizer.pt", "rng_state.pth"])
def test_a_flipped_bit_of_what_is_not_weights_is_seen(
    tmp_path: Path, interrupted: Path, name: str
) -> None:
    folder = copied(interrupted, tmp_path)
    flipped(folder / "checkpoint-12" / name)
    assert checkpoint.newest(folder)[1] == (checkpoint.Damaged("checkpoint-12", name),)


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"step": "x"}', "[" * 5000])
def test_progress_of_another_shape(tmp_path: Path, interrupted: Path, content: str) -> None:
    folder = copied(interrupted, tmp_path)
    (folder / "checkpoint-12" / "kunren.json").write_text(content)
    assert checkpoint.newest(folder)[1] == (checkpoint.Damaged("checkpoint-12", "kunren.json"),)


def test_without_the_optimiser_it_goes_on_from_the_checkpoint_before_to_the_same_end(
    tmp_path: Path, interrupted: Path, whole: tuple[Fitted, PreTrainedModel]
) -> None:
    folder = copied(interrupted, tmp_path)
    (folder / "checkpoint-12" / "optimizer.pt").unlink()
    said = Said()
    fitted, model = train(folder, said=said)
    assert any("checkpoint-12" in line and "optimizer.pt" in line for line in said.lines)
    assert fitted.best_step == whole[0].best_step
    for one, other in zip(model.parameters(), whole[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_with_no_whole_checkpoint_it_begins_anew_to_the_same_end(
    tmp_path: Path, interrupted: Path, whole: tuple[Fitted, PreTrainedModel]
) -> None:
    folder = copied(interrupted, tmp_path)
    for path in folder.glob("checkpoint-*"):
        cut(path / "model.safetensors")
    said = Said()
    _, model = train(folder, said=said)
    assert len(said.lines) >= 3
    for one, other in zip(model.parameters(), whole[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_damaged_best_weights_are_no_base_to_go_on_from(tmp_path: Path, interrupted: Path) -> None:
    folder = copied(interrupted, tmp_path)
    best = json.loads((folder / "checkpoint-12" / "kunren.json").read_text())["best"]
    cut(folder / f"best-{best}.safetensors")
    _, damaged = checkpoint.newest(folder)
    assert damaged[0] == checkpoint.Damaged("checkpoint-12", f"best-{best}.safetensors")


def test_what_is_no_checkpoint_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-old").mkdir()
    assert checkpoint.newest(tmp_path) == (None, ())
    assert (tmp_path / "checkpoint-old").is_dir()
