from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.tiny_families import (
    ITEMS,
    LABELS,
    family_of,
    make_bert,
    make_gemma,
    make_llama,
    make_mt5,
    make_t5,
    opened,
)
from tests.small import write_experiment

from kunren import experiment
from kunren.config.schema import ModelConfig, TuningConfig
from kunren.errors import InputError
from kunren.messages import text
from kunren.models import Family, rehearsal
from kunren.models.adapter import prepare, save
from kunren.models.rehearsal import rehearse
from kunren.models.vocabulary import Added, extend
from kunren.progress import Silent


def ready(make: Any, kind: Any, folder: Path) -> tuple[Family, ModelConfig, Added | None]:
    config, loaded = opened(make, folder / "base")
    added = None if make is make_bert else extend(loaded, LABELS)
    ids = [token.id for token in added.tokens] if added else []
    model = prepare(loaded.model, TuningConfig(kind=kind, r=2), str(config.family), ids)
    return family_of(config, replace(loaded, model=model)), config, added


@pytest.mark.parametrize("whole", [2**29, 0])
@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize("make", [make_gemma, make_llama, make_t5, make_mt5, make_bert])
def test_what_can_be_saved_leaves_nothing_behind(
    make: Any, kind: Any, whole: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "WHOLE", whole)
    family, config, added = ready(make, kind, tmp_path)
    drawn = torch.random.get_rng_state()
    rehearse(family, config, added, ITEMS[:2], "fp32", tmp_path / "run" / "model")
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert list((tmp_path / "run").iterdir()) == []


def _lose_the_base(folder: Path, _: Family) -> None:
    shutil.rmtree(folder / "base")


def _write_no_tokenizer(_: Path, family: Family) -> None:
    tokenizer: Any = family.loaded.tokenizer
    tokenizer.save_pretrained = lambda folder: (Path(folder) / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "NoSuchTokenizer"})
    )


def _be_of_no_known_kind(_: Path, family: Family) -> None:
    config: Any = family.loaded.model.config
    config.save_pretrained = lambda folder, **_: (Path(folder) / "config.json").write_text("{}")


@pytest.mark.parametrize("whole", [2**29, 0])
@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("lora", _lose_the_base),
        ("lora", _write_no_tokenizer),
        ("full", _write_no_tokenizer),
        ("full", _be_of_no_known_kind),
    ],
)
def test_what_cannot_be_read_back_is_told(
    kind: Any, spoil: Any, whole: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "WHOLE", whole)
    family, config, added = ready(make_llama, kind, tmp_path)
    spoil(tmp_path, family)
    with pytest.raises(InputError) as caught:
        rehearse(family, config, added, ITEMS[:2], "fp32", tmp_path / "run" / "model")
    (problem,) = caught.value.problems
    assert problem.code == "train.cannot-save"
    assert str(problem.fields["reason"]) in str(problem)
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("inside", ["", "model"])
@pytest.mark.parametrize("kind", ["full", "lora"])
def test_the_base_is_not_saved_over(kind: Any, inside: str, tmp_path: Path) -> None:
    family, config, added = ready(make_llama, kind, tmp_path)
    before = sorted(path.name for path in (tmp_path / "base").iterdir())
    target = tmp_path if inside else tmp_path / "base"
    with pytest.raises(InputError) as caught:
        save(family.loaded, target, config, added)
    assert caught.value.problems[0].code == "model.saves-over-base"
    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == before


def test_a_run_that_could_not_be_saved_is_not_trained(tmp_path: Path, tiny_model: Path) -> None:
    base = Path(shutil.copytree(tiny_model, tmp_path / "base"))
    config = write_experiment(tmp_path, base)

    class Losing(Silent):
        def stage(self, name: str, total: float | None):  # type: ignore[no-untyped-def]
            assert name != text("train.stage")
            if name == text("run.stage-base"):
                shutil.rmtree(base)
            return super().stage(name, total)

    with pytest.raises(InputError) as caught:
        experiment.run(config, ("tuning.kind=lora",), tmp_path / "out", Losing())
    assert caught.value.problems[0].code == "train.cannot-save"
    assert caught.value.exit_code == 2
    (run,) = (tmp_path / "out").iterdir()
    assert json.loads((run / "status.json").read_text())["status"] == "failed"
