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
    make_bert,
    make_gemma,
    make_llama,
    make_mt5,
    make_t5,
    opened,
)

from kunren.config.schema import ModelConfig, TuningConfig
from kunren.errors import InputError, KunrenWarning
from kunren.models import make_family
from kunren.models.adapter import (
    RECORD_FILE,
    load_saved,
    prepare,
    save,
    trainable_parameters,
)
from kunren.models.load import Head, Loaded, load
from kunren.models.outline import trains_embeddings
from kunren.models.verify import logits as family_logits
from kunren.models.vocabulary import TOKENS_FILE, extend

IDS = torch.arange(6, 26)[None]
EMBEDDING = "model.embed_tokens.weight"
LORA = TuningConfig(kind="lora", r=2)
WRITING = (make_gemma, make_llama, make_t5, make_mt5)


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "base"))


@pytest.fixture
def config(base: Path) -> ModelConfig:
    return ModelConfig(id=str(base), family="causal")


@pytest.fixture
def loaded(config: ModelConfig) -> Loaded:
    return load(config, "fp32")


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


def said(config: ModelConfig, loaded: Loaded) -> torch.Tensor:
    return family_logits(make_family(str(config.family), loaded), ITEMS)


def tuned(
    config: ModelConfig, loaded: Loaded, folder: Path, tuning: TuningConfig, tokens: Any = ()
) -> torch.Tensor:
    """Extend, prepare, push, save; returns what the model says in memory."""
    added = extend(loaded, tokens)
    model = prepare(loaded.model, tuning, str(config.family), [t.id for t in added.tokens])
    move(model)
    trained = replace(loaded, model=model)
    save(trained, folder, config, added)
    return said(config, trained)


@pytest.mark.parametrize(
    ("asked", "tokens", "pretrained", "moves"),
    [
        (None, (), True, False),
        (None, (7,), True, True),
        (None, (), False, True),
        (False, (), False, False),
        (True, (), True, True),
    ],
)
def test_full(
    loaded: Loaded, asked: bool | None, tokens: tuple[int, ...], pretrained: bool, moves: bool
) -> None:
    loaded.model.requires_grad_(False)
    tuning = TuningConfig(train_embeddings=asked)
    assert trains_embeddings(tuning, tokens, pretrained) is moves
    model = prepare(loaded.model, tuning, "causal", tokens, pretrained)
    names = {name for name, _ in model.named_parameters()}
    assert moving(model) == (names if moves else names - {EMBEDDING})
    total = sum(p.numel() for p in model.parameters())
    frozen = 0 if moves else model.get_input_embeddings().weight.numel()
    assert trainable_parameters(model) == (total - frozen, total)


def test_full_warns_of_tokens_that_do_not_learn(loaded: Loaded) -> None:
    with pytest.warns(KunrenWarning, match="3 個のトークン"):
        prepare(loaded.model, TuningConfig(train_embeddings=False), "causal", (5, 6, 7))


def test_full_freezes_an_output_layer_of_its_own_too(tmp_path: Path) -> None:
    _, loaded = opened(make_llama, tmp_path)
    model = prepare(loaded.model, TuningConfig(), "causal")
    assert not {"lm_head.weight", EMBEDDING} & moving(model)


def test_full_moves_the_head_and_the_pooler_but_not_the_embeddings(tmp_path: Path) -> None:
    _, loaded = opened(make_bert, tmp_path)
    model = prepare(loaded.model, TuningConfig(), "encoder")
    names = {name for name, _ in model.named_parameters()}
    assert names - moving(model) == {"bert.embeddings.word_embeddings.weight"}


def test_full_freezes_the_embeddings_of_t5_wherever_they_are_read(tmp_path: Path) -> None:
    _, loaded = opened(make_t5, tmp_path)
    model = prepare(loaded.model, TuningConfig(), "seq2seq")
    frozen = {n for n, p in model.named_parameters(remove_duplicate=False) if not p.requires_grad}
    assert frozen == {f"{n}.weight" for n in ("shared", "encoder.embed_tokens", "lm_head")} | {
        "decoder.embed_tokens.weight"
    }


def test_lora_adapts_all_linear_layers_of_the_backbone(loaded: Loaded) -> None:
    model = prepare(loaded.model, TuningConfig(kind="lora", r=4, alpha=8), "causal")
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


def test_lora_adapts_encoder_and_decoder_but_not_the_output(tmp_path: Path) -> None:
    _, loaded = opened(make_mt5, tmp_path)
    model = prepare(loaded.model, LORA, "seq2seq")
    places = {name.split(".lora_")[0].removeprefix("base_model.model.") for name in moving(model)}
    assert {place.split(".")[0] for place in places} == {"encoder", "decoder"}
    # Two layers in each: attention (the decoder has two), and feed-forward.
    assert len(places) == 2 * (4 + 2) + 2 * (4 + 4 + 2)


@pytest.mark.parametrize("family", [make_bert, make_llama])
def test_lora_trains_a_classification_head_in_full(family: Any, tmp_path: Path) -> None:
    config = ModelConfig(id=str(family(tmp_path)), family="encoder")
    model = prepare(load(config, "fp32", head=Head(LABELS, False)).model, LORA, "encoder")
    full = {name for name in moving(model) if ".lora_" not in name}
    parts = {name.split(".modules_to_save.")[0].rpartition(".")[2] for name in full}
    assert parts == ({"classifier", "pooler"} if family is make_bert else {"score"})
    adapted = {name.split(".lora_")[0] for name in moving(model) if ".lora_" in name}
    assert adapted
    assert not [name for name in adapted if "pooler" in name or "classifier" in name]
    assert not [name for name in adapted if name.endswith("score")]


def test_lora_starts_as_the_base(loaded: Loaded) -> None:
    before = logits(loaded.model)
    assert torch.equal(logits(prepare(loaded.model, LORA, "causal")), before)


def test_lora_takes_the_dtype_of_the_base(loaded: Loaded) -> None:
    model = prepare(loaded.model.to(torch.bfloat16), LORA, "causal", [5])
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_lora_on_named_layers(loaded: Loaded) -> None:
    tuning = TuningConfig(kind="lora", target_modules=("q_proj",))
    model = prepare(loaded.model, tuning, "causal")
    assert all(".q_proj.lora_" in name for name in moving(model))


def test_a_layer_that_is_not_there(loaded: Loaded) -> None:
    tuning = TuningConfig(kind="lora", target_modules=("q_proj", "query", "c_attn"))
    with pytest.raises(InputError) as caught:
        prepare(loaded.model, tuning, "causal")
    assert [p.code for p in caught.value.problems] == ["model.no-such-layer"] * 2
    assert "query" in str(caught.value)
    assert "q_proj" in str(caught.value)


def test_a_head_is_not_a_layer_to_name(tmp_path: Path) -> None:
    _, loaded = opened(make_bert, tmp_path)
    tuning = TuningConfig(kind="lora", target_modules=("dense", "classifier"))
    with pytest.raises(InputError) as caught:
        prepare(loaded.model, tuning, "encoder")
    assert [p.fields["name"] for p in caught.value.problems] == ["classifier"]


@pytest.mark.parametrize("make", WRITING)
def test_lora_trains_the_new_rows_and_no_others(make: Any, tmp_path: Path) -> None:
    config, loaded = opened(make, tmp_path)
    ids = [t.id for t in extend(loaded, LABELS).tokens]
    before = said(config, loaded)
    model = prepare(loaded.model, LORA, str(config.family), ids)
    torch.testing.assert_close(said(config, replace(loaded, model=model)), before)
    rows = {n: p for n, p in model.named_parameters() if p.requires_grad and ".lora_" not in n}
    own_output = make in (make_llama, make_mt5)
    assert [p.shape for p in rows.values()] == [(len(ids), p.shape[1]) for p in rows.values()]
    assert len(rows) == 1 + own_output

    # One step: every new row learns, from every layer that reads it, and no old one does.
    family = make_family(str(config.family), replace(loaded, model=model))
    outputs = family_logits(family, ITEMS)
    with torch.no_grad():
        for parameter in rows.values():
            parameter.mul_(2)
    moved = family_logits(family, ITEMS) - outputs
    vocabulary = model.config.get_text_config().vocab_size
    first = moved[:, :vocabulary]  # before the answer: no new token was read yet
    old = [n for n in range(vocabulary) if n not in ids]
    assert first[:, old].abs().max() == 0
    assert first[:, ids].abs().amax(dim=0).min() > 0
    assert moved[:, vocabulary:][:, old].abs().max() > 0  # after it: the new token was read


def test_the_layers_of_t5_share_the_new_rows(tmp_path: Path) -> None:
    config, loaded = opened(make_mt5, tmp_path)
    ids = [t.id for t in extend(loaded, LABELS).tokens]
    model = prepare(loaded.model, LORA, str(config.family), ids).get_base_model()
    delta = [
        m.token_adapter.trainable_tokens_delta["default"]
        for m in (
            model.shared,
            model.encoder.embed_tokens,
            model.decoder.embed_tokens,
            model.lm_head,
        )
    ]
    assert delta[0] is delta[1] is delta[2]
    assert delta[3] is not delta[0]


@pytest.mark.parametrize("make", WRITING)
def test_new_rows_are_read_as_peft_reads_them(make: Any, tmp_path: Path) -> None:
    """Without PEFT's copy of the whole table at each call, but with the same numbers."""
    from peft.tuners.trainable_tokens import TrainableTokensLayer

    config, loaded = opened(make, tmp_path)
    ids = [t.id for t in extend(loaded, LABELS).tokens]
    model = prepare(loaded.model.double(), LORA, str(config.family), ids)
    move(model)
    tokens = torch.tensor([[7, *ids, 9, ids[0]]])
    inputs = {"input_ids": tokens}
    if config.family == "seq2seq":
        inputs["decoder_input_ids"] = tokens
    found = []
    for _ in range(2):
        model.zero_grad()
        out = model(**inputs).logits
        out.logsumexp(dim=-1).square().sum().backward()
        found.append([out, *(p.grad for p in model.parameters() if p.grad is not None)])
        for module in model.modules():
            if isinstance(module, TrainableTokensLayer):
                module.__dict__.pop("forward", None)
    assert len(found[0]) == len(found[1]) > 2
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_lora_cannot_train_tokens_of_an_output_layer_with_a_bias(tmp_path: Path) -> None:
    _, loaded = opened(make_llama, tmp_path)
    loaded.model.lm_head.bias = torch.nn.Parameter(torch.zeros(loaded.model.lm_head.out_features))
    with pytest.raises(InputError) as caught:
        prepare(loaded.model, LORA, "causal", [5])
    assert caught.value.problems[0].code == "vocabulary.output-bias"


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_saved_and_loaded_in_one_call(
    loaded: Loaded, config: ModelConfig, base: Path, tmp_path: Path, kind: Any
) -> None:
    untuned = logits(loaded.model)
    model = prepare(loaded.model, TuningConfig(kind=kind), "causal")
    move(model)
    after = logits(model)
    assert not torch.allclose(after, untuned)
    folder = tmp_path / "run" / "model"
    save(replace(loaded, model=model), folder, config)

    again = load_saved(folder, precision="fp32")
    assert torch.equal(logits(again.model), after)
    assert not again.model.training
    assert again.tokenizer.chat_template == loaded.tokenizer.chat_template
    assert again.model.generation_config.eos_token_id == [1, 5]
    assert again.provenance["tuning"] == kind
    json.dumps(again.provenance)
    assert torch.equal(logits(load_saved(folder, base=True, precision="fp32").model), untuned)

    names = {path.name for path in folder.iterdir()}
    assert ("adapter_model.safetensors" if kind == "lora" else "model.safetensors") in names
    assert TOKENS_FILE not in names
    assert not any(name.endswith((".bin", ".pt", ".md")) for name in names)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    if kind == "full":
        shutil.rmtree(base)  # a full model needs its base no more
        assert torch.equal(logits(load_saved(folder, precision="fp32").model), after)


@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize("make", WRITING)
def test_added_tokens_are_saved_and_loaded(make: Any, kind: Any, tmp_path: Path) -> None:
    config, loaded = opened(make, tmp_path / "base")
    folder = tmp_path / "model"
    tuning = TuningConfig(kind=kind, r=2)
    # More than the T5 has rows to spare.
    tokens = [*LABELS, *(f"<新{n}>" for n in range(30))]
    after = tuned(config, loaded, folder, tuning, tokens)
    again = load_saved(folder, precision="fp32")
    assert torch.equal(said(config, again), after)
    assert again.tokenizer.get_vocab() == loaded.tokenizer.get_vocab()
    assert (folder / TOKENS_FILE).is_file()
    if kind == "full":
        shutil.rmtree(tmp_path / "base")
        assert torch.equal(said(config, load_saved(folder, precision="fp32")), after)


@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize("multi_label", [False, True])
def test_a_head_is_saved_and_loaded(kind: Any, multi_label: bool, tmp_path: Path) -> None:
    head = Head(LABELS, multi_label)
    config, loaded = opened(make_bert, tmp_path / "base", head)
    after = tuned(config, loaded, tmp_path / "model", TuningConfig(kind=kind, r=2))
    again = load_saved(tmp_path / "model", precision="fp32")
    torch.testing.assert_close(said(config, again), after)
    assert again.model.config.id2label == dict(enumerate(LABELS))
    record = json.loads((tmp_path / "model" / RECORD_FILE).read_text())
    assert record["head"] == {"labels": list(LABELS), "multi_label": multi_label}
    assert record["family"] == "encoder"


@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize("make", [make_gemma, make_llama])
def test_a_head_on_a_causal_model_is_saved_and_loaded(make: Any, kind: Any, tmp_path: Path) -> None:
    config = ModelConfig(id=str(make(tmp_path / "base")), family="encoder")
    loaded = load(config, "fp32", head=Head(LABELS, False))
    after = tuned(config, loaded, tmp_path / "model", TuningConfig(kind=kind, r=2))
    again = load_saved(tmp_path / "model", precision="fp32")
    torch.testing.assert_close(said(config, again), after)


@pytest.mark.parametrize("make", [make_gemma, make_llama, make_mt5])
def test_an_adapter_with_new_tokens_stays_small(make: Any, tmp_path: Path) -> None:
    sizes = []
    for n, tokens in enumerate([(), LABELS]):
        config, loaded = opened(make, tmp_path / f"base{n}")
        tuned(config, loaded, tmp_path / f"model{n}", LORA, tokens)
        sizes.append((tmp_path / f"model{n}" / "adapter_model.safetensors").stat().st_size)
    new = len(extend(opened(make, tmp_path / "base")[1], LABELS).tokens)
    width = loaded.model.get_input_embeddings().weight.shape[1]
    copies = {make_gemma: 1, make_llama: 2, make_mt5: 4}[make]
    assert 0 < sizes[1] - sizes[0] < copies * (new * width * 4 + 200)


@pytest.mark.parametrize("make", WRITING)
def test_plain_peft_can_use_the_adapter(make: Any, tmp_path: Path) -> None:
    """What kunren saves is no format of its own: with the tokens added, PEFT loads it."""
    from peft import PeftModel

    config, loaded = opened(make, tmp_path / "base")
    after = tuned(config, loaded, tmp_path / "model", LORA, LABELS)
    _, plain = opened(make, tmp_path / "base")
    extend(plain, LABELS)
    if make is make_mt5:  # its config says that the output layer is tied, which it is not
        plain.model.config.tie_word_embeddings = False
    model = PeftModel.from_pretrained(plain.model, tmp_path / "model")
    torch.testing.assert_close(said(config, replace(plain, model=model.eval())), after)


@pytest.mark.parametrize(
    ("id_", "known", "name", "revision"),
    [
        ("someone/jp-llama", {"commit": "1f9a"}, "someone/jp-llama", "1f9a"),
        ("someone/jp-llama", {}, "someone/jp-llama", "v2"),
        ("package:gemma-3-270m", {}, "package:gemma-3-270m", None),
        ("/home/hanako/models/jp-llama", {}, "local:jp-llama", None),
        ("~/models/jp-llama.Q4_K_M.gguf", {}, "local:jp-llama.Q4_K_M.gguf", None),
    ],
)
def test_an_adapter_names_its_base_as_others_know_it(
    id_: str, known: dict[str, object], name: str, revision: str | None, tmp_path: Path
) -> None:
    _, loaded = opened(make_llama, tmp_path / "base")
    model = prepare(loaded.model, LORA, "causal")
    config = ModelConfig(id=id_, family="causal", revision="v2")
    save(replace(loaded, model=model, provenance=known), tmp_path / "model", config)
    said = json.loads((tmp_path / "model" / "adapter_config.json").read_text())
    assert (said["base_model_name_or_path"], said["revision"]) == (name, revision)
    assert str(tmp_path) not in (tmp_path / "model" / "adapter_config.json").read_text()


def test_a_classifiers_adapter_has_its_labels(tmp_path: Path) -> None:
    head = Head(LABELS, multi_label=True)
    config, loaded = opened(make_bert, tmp_path / "base", head)
    tuned(config, loaded, tmp_path / "model", LORA)
    said = json.loads((tmp_path / "model" / "config.json").read_text())
    assert said["id2label"] == {str(n): label for n, label in enumerate(LABELS)}
    assert said["label2id"] == {label: n for n, label in enumerate(LABELS)}
    assert said["problem_type"] == "multi_label_classification"


def test_what_seed_003_met_and_its_mend(tmp_path: Path) -> None:
    """Four tokens more in the adapter's embeddings than in the base: 32004 against 32000."""
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import LlamaForCausalLM

    config, loaded = opened(make_llama, tmp_path / "base")
    rows = loaded.model.get_input_embeddings().num_embeddings
    tokens = ["<質問>", "<回答>", "<会社>", "<終>"]

    by_hand = LlamaForCausalLM.from_pretrained(tmp_path / "base")
    by_hand.resize_token_embeddings(rows + len(tokens))
    adapter = get_peft_model(by_hand, LoraConfig(task_type="CAUSAL_LM", r=2))
    with pytest.warns(UserWarning, match="save_embedding_layers"):
        adapter.save_pretrained(str(tmp_path / "by-hand"))
    plain = LlamaForCausalLM.from_pretrained(tmp_path / "base")
    with pytest.raises(RuntimeError) as met:
        PeftModel.from_pretrained(plain, tmp_path / "by-hand")
    assert "size mismatch for base_model.model.model.embed_tokens.weight" in str(met.value)
    assert f"[{rows + 4}, 16]" in str(met.value)
    assert f"[{rows}, 16]" in str(met.value)

    after = tuned(config, loaded, tmp_path / "model", LORA, tokens)
    again = load_saved(tmp_path / "model", precision="fp32")
    assert torch.equal(said(config, again), after)
    assert again.model.get_input_embeddings().weight.shape[0] == rows + 4

    # The author's first thought: give the base the tokens, and save it.
    resized = LlamaForCausalLM.from_pretrained(tmp_path / "base")
    resized.resize_token_embeddings(rows + 4)
    resized.save_pretrained(tmp_path / "base")
    with pytest.raises(InputError) as caught:
        load_saved(tmp_path / "model")
    assert caught.value.problems[0].code == "model.base-vocabulary-changed"
    assert caught.value.problems[0].fields["then"] == rows
    assert caught.value.problems[0].fields["now"] == rows + 4
    assert "学習時のモデル" in str(caught.value)


def test_a_relative_base_is_found_from_elsewhere(
    loaded: Loaded, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(base.parent)
    model = prepare(loaded.model, LORA, "causal")
    relative = ModelConfig(id=base.name, family="causal")
    save(replace(loaded, model=model), tmp_path / "model", relative)
    monkeypatch.chdir(tmp_path.parent)
    load_saved(tmp_path / "model", precision="fp32")


def test_saving_again_replaces(loaded: Loaded, config: ModelConfig, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save(loaded, folder, config)
    model = prepare(loaded.model, LORA, "causal")
    save(replace(loaded, model=model), folder, config)
    assert not (folder / "model.safetensors").exists()
    assert load_saved(folder).provenance["tuning"] == "lora"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_the_revision_is_recorded(loaded: Loaded, tmp_path: Path) -> None:
    named = ModelConfig(id="some/model", revision="abc", family="causal")
    save(loaded, tmp_path / "model", named)
    record = json.loads((tmp_path / "model" / RECORD_FILE).read_text())
    assert record["base"] == {"id": "some/model", "revision": "abc", "trust_remote_code": False}
    assert record["schema"] == 2


def test_a_hub_model_is_asked_for_by_its_commit(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A branch moves on; the commit that was tuned does not."""
    from kunren.models import load as load_module

    model = prepare(loaded.model, LORA, "causal")
    seen = loaded.provenance | {"commit": "0123abc"}
    named = ModelConfig(id="some/model", family="causal")
    save(replace(loaded, model=model, provenance=seen), tmp_path / "model", named)
    asked = []

    def locate(config: ModelConfig, *_: Any) -> Path:
        asked.append(config.revision)
        raise InputError([])

    monkeypatch.setattr(load_module, "locate", locate)
    with pytest.raises(InputError):
        load_saved(tmp_path / "model")
    assert asked == ["0123abc"]


def test_a_record_of_the_first_version(
    loaded: Loaded, config: ModelConfig, base: Path, tmp_path: Path
) -> None:
    model = prepare(loaded.model, LORA, "causal")
    move(model)
    after = logits(model)
    save(replace(loaded, model=model), tmp_path / "model", config)
    old = {
        "schema": 1,
        "tuning": "lora",
        "base": {"id": str(base), "revision": None, "trust_remote_code": False},
        "embedding_rows": loaded.model.get_input_embeddings().weight.shape[0],
    }
    (tmp_path / "model" / RECORD_FILE).write_text(json.dumps(old))
    assert torch.equal(logits(load_saved(tmp_path / "model", precision="fp32").model), after)


def test_no_saved_model(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_saved(tmp_path)
    assert caught.value.problems[0].code == "model.no-saved-model"
    (tmp_path / RECORD_FILE).write_text("{")
    with pytest.raises(InputError) as caught:
        load_saved(tmp_path)
    assert caught.value.problems[0].code == "model.broken-record"


def test_the_base_is_gone(loaded: Loaded, config: ModelConfig, base: Path, tmp_path: Path) -> None:
    model = prepare(loaded.model, LORA, "causal")
    save(replace(loaded, model=model), tmp_path / "model", config)
    shutil.rmtree(base)
    with pytest.raises(InputError) as caught:
        load_saved(tmp_path / "model")
    assert caught.value.problems[0].code == "model.base-missing"
    assert str(base) in str(caught.value)


def test_a_project_is_moved(
    loaded: Loaded, config: ModelConfig, base: Path, tmp_path: Path
) -> None:
    model = prepare(loaded.model, LORA, "causal")
    move(model)
    project, moved = tmp_path / "project", tmp_path / "moved"
    project.mkdir()
    there = config.model_copy(update={"id": str(shutil.move(base, project / "base"))})
    save(replace(loaded, model=model), project / "runs" / "a" / "model", there)
    project.rename(moved)
    folder = moved / "runs" / "a" / "model"
    assert torch.equal(logits(load_saved(folder, precision="fp32").model), logits(model))
    assert load_saved(folder, base=True, precision="fp32").id == str(moved / "base")
    weights = moved / "base" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")  # the same place, another model
    with pytest.raises(InputError) as caught:
        load_saved(folder, precision="fp32")
    assert caught.value.problems[0].code == "vocabulary.base-changed"


def _other_base(base: Path, **changes: int) -> None:
    """Put another model where the base was, as a hub revision that moved would."""
    from transformers import AutoConfig, Gemma3ForCausalLM

    config = AutoConfig.from_pretrained(base)
    for key, value in changes.items():
        setattr(config, key, value)
    Gemma3ForCausalLM(config).save_pretrained(base)


@pytest.mark.parametrize(
    ("changes", "hashed", "code"),
    [
        ({"vocab_size": 600}, True, "model.base-vocabulary-changed"),
        ({"intermediate_size": 48}, False, "model.adapter-unusable"),
        ({}, True, "vocabulary.base-changed"),  # the same sizes, other weights
    ],
)
def test_the_base_is_another_model(
    loaded: Loaded,
    config: ModelConfig,
    base: Path,
    tmp_path: Path,
    changes: dict[str, int],
    hashed: bool,
    code: str,
) -> None:
    model = prepare(loaded.model, LORA, "causal")
    known = loaded.provenance if hashed else {}
    save(replace(loaded, model=model, provenance=known), tmp_path / "model", config)
    _other_base(base, **changes)
    with pytest.raises(InputError) as caught:
        load_saved(tmp_path / "model")
    assert caught.value.problems[0].code == code
    assert str(caught.value)


def test_the_base_has_other_tokens_by_now(tmp_path: Path) -> None:
    config, loaded = opened(make_t5, tmp_path / "base")
    tuned(config, loaded, tmp_path / "model", LORA, ["😂"])
    _, other = opened(make_t5, tmp_path / "base")
    other.tokenizer.add_tokens(["新しい"])
    other.tokenizer.save_pretrained(tmp_path / "base")  # into a row that was not in use
    with pytest.raises(InputError) as caught:
        load_saved(tmp_path / "model")
    assert caught.value.problems[0].code == "vocabulary.id-taken"


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_parts_that_were_lost_or_changed(kind: Any, tmp_path: Path) -> None:
    config, loaded = opened(make_llama, tmp_path / "base")
    folder = tmp_path / "model"
    tuned(config, loaded, folder, TuningConfig(kind=kind), ["😂"])
    shutil.copytree(folder, tmp_path / "whole")
    (folder / TOKENS_FILE).unlink()
    with pytest.raises(InputError) as caught:
        load_saved(folder)
    assert caught.value.problems[0].code == "vocabulary.manifest-missing"

    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "whole", folder)
    opened(make_llama, tmp_path / "plain")[1].tokenizer.save_pretrained(folder)
    with pytest.raises(InputError) as caught:
        load_saved(folder)
    assert caught.value.problems[0].code == "vocabulary.saved-differs"
    assert "😂" in str(caught.value)


def test_an_adapter_that_lacks_weights(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    config, loaded = opened(make_llama, tmp_path / "base")
    tuned(config, loaded, tmp_path / "model", LORA, ["😂"])
    path = tmp_path / "model" / "adapter_model.safetensors"
    weights = load_file(path)
    save_file({k: v for k, v in weights.items() if "lm_head" not in k}, path)
    with pytest.raises(InputError) as caught:
        load_saved(tmp_path / "model")
    assert caught.value.problems[0].code == "model.adapter-unusable"
    assert "lm_head" in str(caught.value)
