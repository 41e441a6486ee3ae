from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models import tiny_encoders

from kunren.config.schema import ModelConfig
from kunren.errors import InputError, KunrenWarning
from kunren.models.folder import infer_family, load_tokenizer
from kunren.models.load import (
    Head,
    Loaded,
    choose_device,
    choose_dtype,
    has_bf16,
    load,
    load_weights,
)
from kunren.models.packages import DEFAULT
from kunren.models.sources import locate


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


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_weight_that_is_not_finite_is_named(value: float, folder: Path) -> None:
    broken = torch.zeros(64, 32)
    broken[3, 5] = value
    edit_weights(folder, layers_1_mlp_up_proj_weight=broken)
    ((code, said),) = problems_of(folder)
    assert code == "model.weights-not-finite"
    assert "model.layers.1.mlp.up_proj.weight" in said
    assert "layers.0" not in said


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
    assert code == "model.unknown-type"
    assert "strange" in said


def test_broken_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    ((code, _),) = problems_of(folder)
    assert code == "model.weights-cut"


def test_a_broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    ((code, _),) = problems_of(folder)
    assert code == "model.broken-json"


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
    monkeypatch.setattr("kunren.models.load.onednn_has_bf16", lambda: True)
    for has in ({"avx512_bf16": True}, {"amx_bf16": True}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has)
        assert has_bf16(cpu)
        assert choose_dtype(cpu, "auto") == choose_dtype(cpu, "bf16") == torch.bfloat16
        assert choose_dtype(cpu, "fp32") == torch.float32
        assert choose_dtype(cpu, "fp16") == torch.float32  # float16 is for autocast alone
    monkeypatch.setattr("kunren.models.load.onednn_has_bf16", lambda: False)
    assert not has_bf16(cpu)  # ONEDNN_MAX_CPU_ISA keeps it from what the processor has
    monkeypatch.setattr("kunren.models.load.onednn_has_bf16", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True})
    assert not has_bf16(cpu)
    assert choose_dtype(cpu, "auto") == torch.float32
    with pytest.warns(KunrenWarning, match="bf16"):
        assert choose_dtype(cpu, "bf16") == torch.bfloat16


HEAD = Head(("喜", "怒", "哀"), False)


def load_encoder(folder: Path, head: Head = HEAD) -> Loaded:
    return load(ModelConfig(id=str(folder), family="encoder"), "fp32", head=head)


def weights_of(loaded: Loaded) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = loaded.model.state_dict()
    return state


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ("causal", {"model_type": "gemma3_text", "architectures": ["Gemma3ForCausalLM"]}),
        ("causal", {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"]}),
        ("causal", {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}),
        ("causal", {"model_type": "llama", "architectures": ["LlamaModel"]}),
        ("causal", {"model_type": "qwen3"}),
        ("causal", {"model_type": "bert", "architectures": ["BertLMHeadModel"]}),
        ("causal", {"model_type": "bert", "is_decoder": True}),
        ("causal", {"model_type": "strange", "architectures": ["StrangeForCausalLM"]}),
        ("encoder", {"model_type": "bert", "architectures": ["BertForPreTraining"]}),
        ("encoder", {"model_type": "bert", "architectures": ["BertModel"]}),
        ("encoder", {"model_type": "bert"}),
        ("encoder", {"model_type": "modernbert", "architectures": ["ModernBertForMaskedLM"]}),
        ("encoder", {"model_type": "xlm-roberta", "architectures": None}),
        ("encoder", {"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]}),
        ("seq2seq", {"model_type": "t5", "architectures": ["T5Model"], "is_encoder_decoder": True}),
        ("seq2seq", {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}),
        ("seq2seq", {"model_type": "mt5"}),
        ("seq2seq", {"model_type": "strange", "is_encoder_decoder": True}),
        ("causal", {"model_type": "mbart", "architectures": ["MBartForCausalLM"]}),
    ],
)
def test_the_family_is_read_from_the_config(
    family: str, said: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(said))
    assert infer_family(tmp_path) == family


@pytest.mark.parametrize("said", [{}, {"model_type": "strange", "architectures": ["NewModel"]}])
def test_a_family_that_cannot_be_told_is_asked_for(said: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(said))
    with pytest.raises(InputError) as caught:
        infer_family(tmp_path)
    (problem,) = caught.value.problems
    assert problem.code == "model.family-unknown"
    assert "model.family" in str(problem)


@pytest.mark.parametrize(
    ("kind", "family"),
    [("bert", "causal"), ("bert", "seq2seq"), ("llama", "seq2seq"), ("t5", "encoder")],
)
def test_a_model_is_not_used_as_what_it_is_not(kind: str, family: Any, tmp_path: Path) -> None:
    folder = tiny_encoders.save(kind, tmp_path)
    with pytest.raises(InputError) as caught:
        load(ModelConfig(id=str(folder), family=family), "fp32", head=HEAD)
    assert [problem.code for problem in caught.value.problems] == ["model.family-unfit"]


@pytest.mark.parametrize(
    ("kind", "new"),
    [
        ("bert", {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight",
                  "classifier.bias"}),
        ("modernbert", {"classifier.weight", "classifier.bias"}),
        ("llama", {"score.weight"}),
        ("gemma", {"score.weight"}),
    ],
)  # fmt: skip
def test_an_encoder_gets_a_new_head_on_the_old_weights(
    kind: str, new: set[str], tmp_path: Path
) -> None:
    base = tiny_encoders.model(kind)
    loaded = load_encoder(tiny_encoders.save(kind, tmp_path, base))
    assert set(loaded.provenance["new_weights"]) == new  # type: ignore[call-overload]
    assert json.loads(json.dumps(loaded.provenance)) == loaded.provenance
    config = loaded.model.config
    assert config.id2label == {0: "喜", 1: "怒", 2: "哀"}
    assert config.label2id == {"喜": 0, "怒": 1, "哀": 2}
    assert config.problem_type == "single_label_classification"
    assert not loaded.model.training
    old = base.state_dict()
    kept = {name: w for name, w in weights_of(loaded).items() if name not in new}
    assert kept
    for name, weight in kept.items():
        torch.testing.assert_close(weight, old[name], rtol=0, atol=0)


def test_a_new_head_is_the_same_each_time_and_draws_nothing_from_the_users_seed(
    tmp_path: Path,
) -> None:
    folder = tiny_encoders.save("bert", tmp_path)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = load_encoder(folder)
    assert torch.equal(torch.rand(1), expected)
    second = weights_of(load_encoder(folder))
    for name, weight in weights_of(first).items():
        assert torch.equal(weight, second[name]), name
    assert weights_of(first)["classifier.weight"].std() > 0.005
    assert weights_of(first)["bert.pooler.dense.weight"].std() > 0.005


def test_a_several_label_head(tmp_path: Path) -> None:
    loaded = load_encoder(tiny_encoders.save("llama", tmp_path), Head(("a", "b"), True))
    assert loaded.model.config.problem_type == "multi_label_classification"
    assert not loaded.model.config.use_cache


@pytest.mark.parametrize("name", ["encoder_layer_0_output_dense_weight", "word_embeddings_weight"])
def test_a_missing_weight_of_an_encoder_is_still_an_error(name: str, tmp_path: Path) -> None:
    folder = tiny_encoders.save("bert", tmp_path)
    path = folder / "model.safetensors"
    weights = load_file(path)
    gone = [key for key in weights if key.replace(".", "_").endswith(name)]
    # The embeddings are tied to the masked-language head, which would stand in for them.
    gone += [key for key in weights if key.startswith("cls.predictions.decoder")]
    assert gone
    save_file({k: w for k, w in weights.items() if k not in gone}, path, metadata={"format": "pt"})
    with pytest.raises(InputError) as caught:
        load_encoder(folder)
    assert [problem.code for problem in caught.value.problems] == ["model.weights-missing"]


def test_a_head_for_the_same_labels_is_kept_and_any_other_is_not(tmp_path: Path) -> None:
    first = load_encoder(tiny_encoders.save("bert", tmp_path / "base"))
    with torch.no_grad():
        first.model.classifier.weight.add_(1)
    folder = tiny_encoders.save("bert", tmp_path / "tuned", first.model)
    before = weights_of(first)["classifier.weight"]

    same = load_encoder(folder)
    assert "new_weights" not in same.provenance
    assert torch.equal(weights_of(same)["classifier.weight"], before)

    output = ["classifier.bias", "classifier.weight"]
    for labels, multi_label in (
        (("怒", "喜", "哀"), False),  # the same in another order
        (("喜", "怒", "哀"), True),
        (("喜", "怒"), False),
    ):
        other = load_encoder(folder, Head(labels, multi_label))
        assert other.provenance["new_weights"] == output
        weight = weights_of(other)["classifier.weight"]
        assert weight.shape == (len(labels), 32)
        assert weight.abs().max() < 0.2
        assert torch.equal(
            weights_of(other)["bert.pooler.dense.weight"],
            weights_of(first)["bert.pooler.dense.weight"],
        )


def test_a_saved_encoder_must_be_whole(tmp_path: Path) -> None:
    first = load_encoder(tiny_encoders.save("bert", tmp_path / "base"))
    folder = tiny_encoders.save("bert", tmp_path / "tuned", first.model)
    config = ModelConfig(id=str(folder))
    again = load_weights(folder, config, torch.float32).state_dict()
    for name, weight in weights_of(first).items():
        assert torch.equal(weight, again[name])
    path = folder / "model.safetensors"
    weights = load_file(path)
    del weights["classifier.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"classifier\.weight"):
        load_weights(folder, config, torch.float32)


def test_attention_is_what_the_model_supports_whatever_its_file_asks_for(tmp_path: Path) -> None:
    folder = tiny_encoders.save("bert", tmp_path / "bert")
    edit_json(folder / "config.json", attn_implementation="flash_attention_2")
    assert load_encoder(folder).model.config._attn_implementation == "sdpa"
    folder = tiny_encoders.save("deberta", tmp_path / "deberta")
    assert load_encoder(folder).model.config._attn_implementation == "eager"


def test_seq2seq(tmp_path: Path) -> None:
    folder = tiny_encoders.save("t5", tmp_path)
    loaded = load(ModelConfig(id=str(folder)), "fp16", head=HEAD)
    assert type(loaded.model).__name__ == "T5ForConditionalGeneration"
    assert loaded.tokenizer.padding_side == "right"
    assert loaded.tokenizer.pad_token_id == loaded.model.config.pad_token_id == 0
    assert loaded.tokenizer.chat_template is None
    assert not {"chat_template", "new_weights"} & set(loaded.provenance)
    assert loaded.model.dtype == torch.float32


def test_a_located_folder_is_not_located_again(folder: Path) -> None:
    loaded = load(ModelConfig(id="organisation/on-the-hub"), "fp32", folder=folder)
    assert loaded.provenance["id"] == loaded.id == "organisation/on-the-hub"
    assert loaded.provenance["commit"] == folder.name


def test_a_model_that_was_not_pretrained_says_so() -> None:
    config = ModelConfig(id="scratch:bert-small", family="encoder")
    folder = locate(config, texts=["いい天気です", "さようなら"] * 3)
    provenance = load(config, "fp32", folder=folder, head=HEAD).provenance
    assert provenance["kind"] == "scratch"
    assert provenance["pretrained"] is False


def test_a_strangers_note_is_not_believed(folder: Path) -> None:
    (folder / "kunren_source.json").write_text('{"id": "other", "licence": "free"}')
    provenance = load_folder(folder).provenance
    assert provenance["id"] == str(folder)
    assert "licence" not in provenance


def test_mecab_that_is_not_installed_is_named_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_encoders.save_mecab_bert(tmp_path)
    for gone, packages in ((["unidic_lite"], "unidic-lite"), (["fugashi"], "fugashi unidic-lite")):
        for module in gone:
            monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(InputError) as caught:
            load_tokenizer(folder, ModelConfig(id=str(folder)))
        (problem,) = caught.value.problems
        assert problem.code == "model.needs-splitter"
        assert f"pip install {packages}" in str(problem)


@pytest.mark.real_model
def test_the_real_model_loads() -> None:
    loaded = load(ModelConfig(id=DEFAULT))
    assert loaded.provenance["parameters"] == 268_098_176
    assert loaded.provenance["licence"] == "Gemma Terms of Use"
    assert loaded.provenance["chat_template"] == "gemma"
    assert loaded.model.generation_config.eos_token_id == [1, 106]
