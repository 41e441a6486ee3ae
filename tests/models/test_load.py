from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from kunren.config.schema import ModelConfig
from kunren.errors import InputError, KunrenWarning
from kunren.models.load import Loaded, choose_device, choose_dtype, has_bf16, load
from kunren.models.packages import DEFAULT


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def load_folder(folder: Path) -> Loaded:
    return load(ModelConfig(id=str(folder)), "fp32")


def problems_of(folder: Path) -> list[tuple[str, str]]:
    with pytest.raises(InputError) as caught:
        load_folder(folder)
    return [(problem.code, str(problem)) for problem in caught.value.problems]


def edit_weights(folder: Path, **changes: torch.Tensor | None) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    for name, value in changes.items():
        (key,) = [k for k in weights if k.replace(".", "_").endswith(name)]
        if value is None:
            del weights[key]
        else:
            weights[key] = value
    save_file(weights, path, metadata={"format": "pt"})


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_loads(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = load_folder(folder)
    assert not loaded.model.training
    assert loaded.model.dtype == loaded.dtype == torch.float32
    assert loaded.model.config._attn_implementation == "sdpa"
    assert loaded.model.device.type == loaded.device.type == choose_device().type
    assert "<start_of_turn>" in loaded.tokenizer.chat_template
    assert loaded.model.generation_config.eos_token_id == [1, 5]
    assert loaded.id == str(folder)
    assert capsys.readouterr() == ("", "")


def test_provenance_is_json_and_names_the_weights(folder: Path) -> None:
    before = load_folder(folder).provenance
    assert json.loads(json.dumps(before)) == before
    assert before["kind"] == "folder"
    assert before["chat_template"] == "gemma"
    edit_weights(folder, model_norm_weight=torch.ones(32))
    after = load_folder(folder).provenance
    assert after["weights_sha256"] != before["weights_sha256"]


def test_a_missing_weight_is_named(folder: Path) -> None:
    edit_weights(folder, layers_1_mlp_up_proj_weight=None)
    ((code, said),) = problems_of(folder)
    assert code == "model.weights-missing"
    assert "model.layers.1.mlp.up_proj.weight" in said


def test_a_weight_of_another_shape_is_named(folder: Path) -> None:
    edit_weights(folder, layers_0_mlp_up_proj_weight=torch.zeros(63, 32))
    ((code, said),) = problems_of(folder)
    assert code == "model.weight-size"
    assert "model.layers.0.mlp.up_proj.weight" in said
    assert "[63, 32]" in said
    assert "[64, 32]" in said


def test_seed_003_more_tokens_in_the_weights_than_in_the_config(folder: Path) -> None:
    rows = json.loads((folder / "config.json").read_text())["vocab_size"]
    edit_weights(folder, embed_tokens_weight=torch.zeros(rows + 4, 32))
    ((code, said),) = problems_of(folder)
    assert code == "model.embedding-size"
    assert str(rows) in said
    assert str(rows + 4) in said
    assert "resize_token_embeddings" in said


def test_seed_003_more_tokens_in_the_tokenizer_than_in_the_weights(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "<new>"})
    tokenizer.save_pretrained(folder)
    ((code, said),) = problems_of(folder)
    assert code == "model.vocabulary-mismatch"
    assert "<new>" in said
    assert str(len(tokenizer)) in said


def test_a_token_without_embedding_that_nothing_uses_passes(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<image_soft_token>"])  # as google/gemma-3-270m has
    tokenizer.save_pretrained(folder)
    load_folder(folder)


def test_an_unknown_architecture(folder: Path) -> None:
    edit_json(folder / "config.json", model_type="strange")
    ((code, said),) = problems_of(folder)
    assert code in ("model.unusable", "model.tokenizer-unusable")
    assert "strange" in said


def test_broken_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    ((code, _),) = problems_of(folder)
    assert code == "model.unusable"


def test_a_broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    ((code, _),) = problems_of(folder)
    assert code == "model.tokenizer-unusable"


def test_code_of_the_model_does_not_run(folder: Path, tmp_path: Path) -> None:
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'trap')!r}, 'w')")
    edit_json(
        folder / "config.json",
        model_type="strange",
        auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"},
    )
    assert problems_of(folder)
    assert not (tmp_path / "trap").exists()


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for has in ({"avx512_bf16": True}, {"amx_bf16": True}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has)
        assert has_bf16(cpu)
        assert choose_dtype(cpu, "auto") == choose_dtype(cpu, "bf16") == torch.bfloat16
        assert choose_dtype(cpu, "fp32") == torch.float32
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True})
    assert not has_bf16(cpu)
    assert choose_dtype(cpu, "auto") == torch.float32
    with pytest.warns(KunrenWarning, match="bf16"):
        assert choose_dtype(cpu, "bf16") == torch.bfloat16


@pytest.mark.real_model
def test_the_real_model_loads() -> None:
    loaded = load(ModelConfig(id=DEFAULT))
    assert loaded.provenance["parameters"] == 268_098_176
    assert loaded.provenance["licence"] == "Gemma Terms of Use"
    assert loaded.provenance["chat_template"] == "gemma"
    assert loaded.model.generation_config.eos_token_id == [1, 106]
