from __future__ import annotations

import json
import os
import pickle
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.fake_hub import COMMIT, fake_hub
from tests.models.test_sources import Heard, code_of, locate_on_hub
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertForMaskedLM,
    T5Config,
    T5ForConditionalGeneration,
)

from kunren.config.schema import ModelConfig
from kunren.errors import InputError
from kunren.models.cache import home
from kunren.models.load import load
from kunren.models.sources import check, locate
from kunren.models.torch_bin import read_bin

auto: Any = AutoModelForCausalLM


def without_weights(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.safetensors*"))
    return target


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = auto.from_pretrained(folder).state_dict()
    return state


@pytest.fixture
def pickled(tiny_model: Path, tmp_path: Path) -> Path:
    """The tiny model as its author would have published it in 2021."""
    folder = without_weights(tiny_model, tmp_path / "日本語 model")
    torch.save(state_of(tiny_model), folder / "pytorch_model.bin")
    return folder


@pytest.fixture
def sharded(tiny_model: Path, tmp_path: Path) -> Path:
    folder = without_weights(tiny_model, tmp_path / "sharded")
    state = state_of(tiny_model)
    # Tied weights stand in one file: pickle keeps them tied only there.
    second = [name for name in state if "layers.1" in name]
    shards = {
        "pytorch_model-00001-of-00002.bin": {n: t for n, t in state.items() if n not in second},
        "pytorch_model-00002-of-00002.bin": {n: state[n] for n in second},
    }
    for name, tensors in shards.items():
        torch.save(tensors, folder / name)
    index = {n: name for name, tensors in shards.items() for n in tensors}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    return folder


@pytest.mark.parametrize("which", ["pickled", "sharded"])
def test_every_weight_is_loaded(
    which: str, tiny_model: Path, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(which)
    config = ModelConfig(id=str(folder), family="causal")
    assert check(config) == []
    made = locate(config)
    assert made.parent == home() / "models"
    assert not list(made.glob("*.bin*"))
    whole, report = auto.from_pretrained(made, use_safetensors=True, output_loading_info=True)
    assert not any(report.values())
    for name, tensor in state_of(tiny_model).items():
        assert torch.equal(whole.state_dict()[name], tensor), name
    assert whole.lm_head.weight is whole.model.embed_tokens.weight
    loaded = load(config, "fp32")  # raises where a weight is missing
    ids = torch.arange(6, 20)[None]
    with torch.no_grad():
        assert torch.equal(loaded.model(ids).logits, auto.from_pretrained(tiny_model)(ids).logits)


def test_the_files_beside_the_weights_come_along(pickled: Path) -> None:
    (pickled / "vocab.txt").write_text("あ\n")
    (pickled / "own.py").write_text("raise SystemExit")
    (pickled / "optimizer.pt").write_bytes(b"not needed")
    (pickled / "pytorch_model.bin.index.json").write_text("{}")  # the whole file comes first
    (pickled / "kunren_source.json").write_text("{}")
    made = locate(ModelConfig(id=str(pickled)))
    names = {path.name for path in made.iterdir()}
    assert {"vocab.txt", "config.json", "tokenizer.json", "model.safetensors"} <= names
    assert not {"own.py", "optimizer.pt", "pytorch_model.bin.index.json"} & names
    trusted = locate(ModelConfig(id=str(pickled), trust_remote_code=True))
    assert (trusted / "own.py").read_text() == "raise SystemExit"
    record = json.loads((made / "kunren_source.json").read_text())
    assert record["source"] == str(pickled)
    assert len(record["bin_sha256"]["pytorch_model.bin"]) == 64
    assert (made / "model.safetensors").stat().st_mode == (made / "config.json").stat().st_mode


def test_it_is_made_once_and_again_when_a_file_changes(pickled: Path) -> None:
    config = ModelConfig(id=str(pickled))
    first, heard = Heard(), Heard()
    made = locate(config, first)
    assert "重みを safetensors に変換" in first.moved
    assert locate(config, heard) == made
    assert "重みを safetensors に変換" not in heard.moved
    (pickled / "tokenizer_config.json").write_text("{}")
    assert locate(config) != made


def test_safetensors_come_first(tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "both"))
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    assert locate(ModelConfig(id=str(folder))) == folder


def test_tied_t5(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = T5Config(vocab_size=40, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    model = T5ForConditionalGeneration(config)
    config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "spiece.model").write_bytes(b"a slow tokenizer's")
    made = locate(ModelConfig(id=str(tmp_path)))
    assert (made / "spiece.model").is_file()
    t5: Any = T5ForConditionalGeneration
    again, report = t5.from_pretrained(made, use_safetensors=True, output_loading_info=True)
    assert not any(report.values())
    assert all(torch.equal(again.state_dict()[n], t) for n, t in model.state_dict().items())
    assert again.encoder.embed_tokens.weight is again.shared.weight


def test_a_bert_of_2019(tmp_path: Path) -> None:
    """The format before torch 1.6, and the names of norms that TensorFlow had."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32,
    )  # fmt: skip
    model = BertForMaskedLM(config)
    config.save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    state = OrderedDict(
        (next((n.replace(a, b) for a, b in old.items() if a in n), n), t)
        for n, t in model.state_dict().items()
    )
    assert any("gamma" in name for name in state)
    torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    bert: Any = BertForMaskedLM
    made = locate(ModelConfig(id=str(tmp_path)))
    again, report = bert.from_pretrained(made, use_safetensors=True, output_loading_info=True)
    assert not report["missing_keys"]
    assert all(torch.equal(again.state_dict()[n], t) for n, t in model.state_dict().items())


def test_shared_and_strided_memory(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    given = {"whole": whole, "same": whole, "row": whole[1], "turned": whole.T}
    path = tmp_path / "pytorch_model.bin"
    torch.save(given, path)
    read = read_bin(path)
    assert all(torch.equal(read[name], tensor) for name, tensor in given.items())
    assert len({t.untyped_storage().data_ptr() for t in read.values()}) == len(given)
    assert all(t.is_contiguous() for t in read.values())


class Trap:
    """What a hostile file holds: reading it with pickle would run its command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize("form", ["zip", "before 1.6", "pickle 2", "pickle 5"])
def test_a_hostile_file_is_refused_and_never_run(pickled: Path, tmp_path: Path, form: str) -> None:
    trap = tmp_path / "trap"
    path = pickled / "pytorch_model.bin"
    held = {"model.embed_tokens.weight": torch.ones(2), "x": Trap(trap)}
    if form.startswith("pickle"):
        path.write_bytes(pickle.dumps(Trap(trap), protocol=int(form[-1])))
    else:
        torch.save(held, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(InputError) as caught:
        locate(ModelConfig(id=str(pickled)))
    if form == "pickle 5":  # newer than what torch writes, and than what its reader understands
        assert code_of(caught) == "model.bin-broken"
    else:
        assert code_of(caught) == "model.bin-refused"
        assert f"{os.system.__module__}.system" in str(caught.value)
    assert not trap.exists()
    assert not [p for p in (home() / "models").iterdir() if p.suffix != ".lock"]
    if form.startswith("pickle"):  # the trap is a real one
        pickle.loads(path.read_bytes())  # noqa: S301
        assert trap.exists()


@pytest.mark.parametrize(
    ("held", "found"),
    [
        ({"a": torch.ones(2), "epoch": 3}, "epoch: int"),
        ({"state_dict": {"a": torch.ones(2)}}, "state_dict: dict"),
        ([torch.ones(2)], "list"),
        ({0: torch.ones(2)}, "0: Tensor"),
        ({"a": torch.ones(2).to_sparse()}, "sparse"),
        (torch.nn.Linear(2, 2), "Linear"),
    ],
)
def test_what_is_no_table_of_tensors_is_refused(tmp_path: Path, held: object, found: str) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(held, path)
    with pytest.raises(InputError) as caught:
        read_bin(path)
    assert code_of(caught) == "model.bin-refused"
    assert found in str(caught.value)


@pytest.mark.parametrize(
    ("kept", "code"),
    [(0, "empty-file"), (10, "bin-broken"), (-60, "bin-broken"), (None, "lfs-pointer")],
)
def test_a_damaged_file(pickled: Path, kept: int | None, code: str) -> None:
    path = pickled / "pytorch_model.bin"
    pointer = b"version https://git-lfs.github.com/spec/v1\n"
    path.write_bytes(pointer if kept is None else path.read_bytes()[:kept])
    with pytest.raises(InputError) as caught:
        locate(ModelConfig(id=str(pickled)))
    assert code_of(caught) == f"model.{code}"


def test_missing_shards_are_named_together(sharded: Path) -> None:
    for path in sharded.glob("*.bin"):
        path.unlink()
    with pytest.raises(InputError) as caught:
        locate(ModelConfig(id=str(sharded)))
    assert [p.code for p in caught.value.problems] == ["model.bin-missing"] * 2
    assert "pytorch_model-00002-of-00002.bin" in str(caught.value)


@pytest.mark.parametrize("name", ["../pytorch_model.bin", "/etc/passwd", "config.json", 7])
def test_an_index_that_names_another_file(sharded: Path, name: object) -> None:
    torch.save({"a": torch.ones(1)}, sharded.parent / "pytorch_model.bin")
    index = sharded / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(InputError) as caught:
        locate(ModelConfig(id=str(sharded)))
    assert code_of(caught) == "model.bin-missing"


@pytest.mark.parametrize("said", ["{", "[]", "{}", '{"weight_map": {"a": []}}'])
def test_an_index_that_cannot_be_read(sharded: Path, said: str) -> None:
    (sharded / "pytorch_model.bin.index.json").write_text(said)
    with pytest.raises(InputError) as caught:
        locate(ModelConfig(id=str(sharded)))
    assert code_of(caught) == "model.bin-broken"


@pytest.mark.enable_socket
def test_the_hub_gives_bin_files_only_where_there_is_nothing_else(
    pickled: Path, tiny_model: Path, tmp_path: Path
) -> None:
    shutil.copy(tiny_model / "model.safetensors", pickled)
    cache, log = tmp_path / "cache", tmp_path / "hub.log"
    with fake_hub(tmp_path, pickled) as address:
        said, path = locate_on_hub(address, "open/model", cache)
        assert said == "found"
        assert Path(path.strip()).name == COMMIT
        assert "pytorch_model.bin" not in log.read_text()
        said, path = locate_on_hub(address, "pickled/model", cache)
        assert said == "found"
        assert "pytorch_model.bin" in log.read_text()
    made = Path(path.strip())
    assert made.name.startswith("pickled--model-")
    record = json.loads((made / "kunren_source.json").read_text())
    assert (record["source"], record["commit"]) == ("pickled/model", COMMIT)
    state = auto.from_pretrained(made, use_safetensors=True).state_dict()
    assert all(torch.equal(state[n], t) for n, t in state_of(tiny_model).items())
    # The hub is gone: what was fetched still works.
    assert locate_on_hub(address, "pickled/model", cache) == [said, path]
