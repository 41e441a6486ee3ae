from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from kunren.config.schema import ModelConfig, TuningConfig
from kunren.errors import InputError
from kunren.models.adapter import RECORD_FILE, load_saved, prepare, save, trainable_parameters
from kunren.models.load import Loaded, load

IDS = torch.arange(6, 26)[None]
EMBEDDING = "model.embed_tokens.weight"


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "base"))


@pytest.fixture
def loaded(base: Path) -> Loaded:
    return load(ModelConfig(id=str(base)), "fp32")


def moving(model: Any) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


def move(model: Any) -> None:
    """Stand in for training: push every weight that moves."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        out: torch.Tensor = model(IDS).logits
    return out


@pytest.mark.parametrize("train_embeddings", [False, True])
def test_full(loaded: Loaded, train_embeddings: bool) -> None:
    loaded.model.requires_grad_(False)
    model = prepare(loaded.model, TuningConfig(train_embeddings=train_embeddings))
    names = {name for name, _ in model.named_parameters()}
    assert moving(model) == (names if train_embeddings else names - {EMBEDDING})
    total = sum(p.numel() for p in model.parameters())
    frozen = 0 if train_embeddings else model.get_input_embeddings().weight.numel()
    assert trainable_parameters(model) == (total - frozen, total)


def test_full_freezes_an_output_layer_of_its_own_too(loaded: Loaded) -> None:
    from transformers import Gemma3ForCausalLM

    config = loaded.model.config
    config.tie_word_embeddings = False
    model = prepare(Gemma3ForCausalLM(config), TuningConfig())
    assert not {"lm_head.weight", EMBEDDING} & moving(model)


def test_lora_adapts_all_linear_layers_of_the_backbone(loaded: Loaded) -> None:
    model = prepare(loaded.model, TuningConfig(kind="lora", r=4, alpha=8))
    adapted = {name.split(".lora_")[0].rpartition(".")[2] for name in moving(model)}
    assert adapted == {
        *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    }
    assert all(".layers." in name and ".lora_" in name for name in moving(model))
    layer = model.base_model.model.model.layers[0].mlp.up_proj
    assert layer.lora_A["default"].weight.shape == (4, 32)
    assert layer.scaling["default"] == 2.0
    trainable, total = trainable_parameters(model)
    assert 0 < trainable < total


def test_lora_starts_as_the_base(loaded: Loaded) -> None:
    before = logits(loaded.model)
    assert torch.equal(logits(prepare(loaded.model, TuningConfig(kind="lora"))), before)


def test_lora_takes_the_dtype_of_the_base(base: Path) -> None:
    loaded = load(ModelConfig(id=str(base)), "fp32")
    model = prepare(loaded.model.to(torch.bfloat16), TuningConfig(kind="lora"))
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_lora_on_named_layers(loaded: Loaded) -> None:
    model = prepare(loaded.model, TuningConfig(kind="lora", target_modules=("q_proj",)))
    assert all(".q_proj.lora_" in name for name in moving(model))


def test_a_layer_that_is_not_there(loaded: Loaded) -> None:
    tuning = TuningConfig(kind="lora", target_modules=("q_proj", "query", "c_attn"))
    with pytest.raises(InputError) as caught:
        prepare(loaded.model, tuning)
    assert [p.code for p in caught.value.problems] == ["model.no-such-layer"] * 2
    assert "query" in str(caught.value)
    assert "q_proj" in str(caught.value)


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_saved_and_loaded_in_one_call(
    loaded: Loaded, base: Path, tmp_path: Path, kind: Any
) -> None:
    untuned = logits(loaded.model)
    model = prepare(loaded.model, TuningConfig(kind=kind))
    move(model)
    tuned = logits(model)
    assert not torch.allclose(tuned, untuned)
    folder = tmp_path / "run" / "model"
    save(model, loaded.tokenizer, folder, str(base))

    again = load_saved(folder, precision="fp32")
    assert torch.equal(logits(again.model), tuned)
    assert not again.model.training
    assert again.tokenizer.chat_template == loaded.tokenizer.chat_template
    assert again.model.generation_config.eos_token_id == [1, 5]
    assert again.provenance["tuning"] == kind
    json.dumps(again.provenance)
    assert torch.equal(logits(load_saved(folder, base=True, precision="fp32").model), untuned)

    names = {path.name for path in folder.iterdir()}
    assert ("adapter_model.safetensors" if kind == "lora" else "model.safetensors") in names
    assert not any(name.endswith((".bin", ".pt", ".md")) for name in names)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    if kind == "full":
        shutil.rmtree(base)  # a full model needs its base no more
        assert torch.equal(logits(load_saved(folder, precision="fp32").model), tuned)


def test_a_relative_base_is_found_from_elsewhere(
    loaded: Loaded, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(base.parent)
    model = prepare(loaded.model, TuningConfig(kind="lora"))
    save(model, loaded.tokenizer, tmp_path / "model", base.name)
    monkeypatch.chdir(tmp_path.parent)
    load_saved(tmp_path / "model", precision="fp32")


def test_saving_again_replaces(loaded: Loaded, base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save(loaded.model, loaded.tokenizer, folder, str(base))
    model = prepare(loaded.model, TuningConfig(kind="lora"))
    save(model, loaded.tokenizer, folder, str(base))
    assert not (folder / "model.safetensors").exists()
    assert load_saved(folder).provenance["tuning"] == "lora"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_the_revision_is_recorded(loaded: Loaded, tmp_path: Path) -> None:
    save(loaded.model, loaded.tokenizer, tmp_path / "model", "some/model", revision="abc")
    record = json.loads((tmp_path / "model" / RECORD_FILE).read_text())
    assert record["base"] == {"id": "some/model", "revision": "abc", "trust_remote_code": False}


def test_no_saved_model(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_saved(tmp_path)
    assert caught.value.problems[0].code == "model.no-saved-model"
    (tmp_path / RECORD_FILE).write_text("{")
    with pytest.raises(InputError) as caught:
        load_saved(tmp_path)
    assert caught.value.problems[0].code == "model.broken-record"


def test_the_base_is_gone(loaded: Loaded, base: Path, tmp_path: Path) -> None:
    model = prepare(loaded.model, TuningConfig(kind="lora"))
    save(model, loaded.tokenizer, tmp_path / "model", str(base))
    shutil.rmtree(base)
    with pytest.raises(InputError) as caught:
        load_saved(tmp_path / "model")
    assert caught.value.problems[0].code == "model.no-folder"


def _other_base(base: Path, **changes: int) -> None:
    """Put another model where the base was, as a hub revision that moved would."""
    from transformers import AutoConfig, Gemma3ForCausalLM

    config = AutoConfig.from_pretrained(base)
    for key, value in changes.items():
        setattr(config, key, value)
    Gemma3ForCausalLM(config).save_pretrained(base)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"vocab_size": 600}, "model.base-vocabulary-changed"),
        ({"intermediate_size": 48}, "model.adapter-unusable"),
    ],
)
def test_the_base_is_another_model(
    loaded: Loaded, base: Path, tmp_path: Path, changes: dict[str, int], code: str
) -> None:
    model = prepare(loaded.model, TuningConfig(kind="lora"))
    save(model, loaded.tokenizer, tmp_path / "model", str(base))
    _other_base(base, **changes)
    with pytest.raises(InputError) as caught:
        load_saved(tmp_path / "model")
    assert caught.value.problems[0].code == code
    assert str(caught.value)
