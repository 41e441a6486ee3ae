"""Tokenizers and configs of models that people have, and what they make of Japanese characters."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models import tiny_encoders
from tests.small import write_experiment
from tests.tiny_models import save_tiny
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from kunren import check
from kunren.config.load import load as load_config
from kunren.config.schema import ModelConfig
from kunren.errors import InputError
from kunren.models.folder import load_tokenizer
from kunren.models.letters import letters
from kunren.models.load import load
from kunren.models.outline import outline
from kunren.plan import prepare
from kunren.progress import Silent
from kunren.ready import make_ready, readable


def unigram(unknown: str) -> Any:
    """A tokenizer of a few kana, whose token for what it does not know is the named one."""
    known = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        *((c, -1.0) for c in "▁うれしいかなしい"),
    ]
    place = [name for name, _ in known].index(unknown)
    made = Tokenizer(models.Unigram(known, unk_id=place, byte_fallback=False))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=made, eos_token="</s>", pad_token="<pad>", unk_token=unknown)


@pytest.mark.parametrize("unknown", ["</s>", "<pad>"])
def test_characters_that_become_the_end_or_padding_are_named(unknown: str) -> None:
    rows = [("うれしい", "😀"), ("かなしい鬱", "😢"), ("うれしい鬱", "😀")]
    found = letters(unigram(unknown), rows, {0, 1})
    assert found.ends == dict.fromkeys("😀鬱😢", unknown)
    assert found.rows == {"😀": 2, "鬱": 2, "😢": 1}
    assert found.answers == 3
    assert letters(unigram("<unk>"), rows, {0, 1}).ends == {}


def lowered(strip: bool | None) -> Any:
    words = [
        *["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
        *"かがはぱばてで",
        *(f"##{c}" for c in "かがはぱばてで"),
    ]
    made = Tokenizer(models.WordPiece({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=strip)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]")


def test_a_tokenizer_that_takes_the_dakuten_off_is_seen() -> None:
    rows = [("が ぱ", "で"), ("か", "ば"), ("か\u3099", "か")]
    found = letters(lowered(None), rows, {0})
    assert found.bare == {"が": "か", "ぱ": "は", "で": "て", "ば": "は"}
    assert found.rows["が"] == 2
    assert letters(lowered(False), rows, {0}).bare == {}


def test_it_is_a_finding_of_check_before_any_weight_is_loaded(tmp_path: Path) -> None:
    config = write_experiment(tmp_path, save_tiny("llama", tmp_path / "model"))
    before = check.check(config, (), Silent()).found["findings"]
    assert "end-in-text" not in {finding["slug"] for finding in before}
    tokenizer = unigram("</s>")
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path / "model")
    looked = check.check(config, ("model.family=causal",), Silent(), select=["end-in-text"])
    (found,) = looked.found["findings"]
    assert found["severity"] == "critical"
    assert found["evidence"]["characters"]["😀"] == 8
    assert found["evidence"]["answers"] == 24


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        ({"model_type": "gpt2", "n_positions": 96, "n_embd": 32, "n_layer": 1, "n_head": 2}, 96),
        (
            {"model_type": "t5", "n_positions": 512, "d_model": 32},
            None,
        ),  # its positions are relative
    ],
)
def test_positions_are_read_under_the_models_own_name(
    tmp_path: Path, said: dict[str, Any], limit: int | None
) -> None:
    folder = save_tiny("t5", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    kind = "GPT2LMHeadModel" if said["model_type"] == "gpt2" else config["architectures"][0]
    config = {"vocab_size": config["vocab_size"], **said, "architectures": [kind]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    made = outline(folder, ModelConfig(id=str(folder)), (), False)
    described: Any = type("Family", (), {"loaded": made.loaded})()
    assert readable(described) == limit


def test_a_t5_without_a_start_token_begins_with_padding(tmp_path: Path) -> None:
    folder = save_tiny("t5", tmp_path / "model")
    for name in ("config.json", "generation_config.json"):
        path = folder / name
        said = json.loads(path.read_text("utf-8"))
        said.pop("decoder_start_token_id", None)
        path.write_text(json.dumps(said), encoding="utf-8")
    loaded = load(ModelConfig(id=str(folder)), "fp32")
    config: Any = loaded.model.config
    assert config.decoder_start_token_id == config.pad_token_id
    shifted = loaded.model._shift_right(torch.tensor([[5, 6, 1]]))
    assert shifted.tolist() == [[config.pad_token_id, 5, 6]]


def edited(folder: Path, **changes: Any) -> Path:
    path = folder / "tokenizer_config.json"
    said = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**said, **changes}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        (
            {"mecab_kwargs": {"mecab_dic": "unidic"}},
            "model.needs-splitter",
            "pip install unidic",
        ),
        (
            {"mecab_kwargs": {"mecab_dic": "unidic_lite", "mecab_option": "-d /no/such/dic"}},
            "model.mecab-option",
            "-d /no/such/dic",
        ),
        (
            {"word_tokenizer_type": "sudachi", "sudachi_kwargs": {"sudachi_split_mode": "A"}},
            "model.needs-splitter",
            "pip install sudachipy sudachidict_core",
        ),
        ({"word_tokenizer_type": "jumanpp"}, "model.needs-splitter", "pip install rhoknp"),
    ],
)
def test_what_splits_words_is_named_with_the_line_that_mends_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    code: str,
    says: str,
) -> None:
    for module in ("unidic", "sudachipy", "sudachidict_core", "rhoknp"):
        monkeypatch.setitem(sys.modules, module, None)
    folder = edited(tiny_encoders.save_mecab_bert(tmp_path), **changes)
    with pytest.raises(InputError) as caught:
        load_tokenizer(folder, ModelConfig(id=str(folder)))
    (problem,) = caught.value.problems
    assert problem.code == code
    assert says in str(problem)


def test_a_unidic_without_its_dictionary_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "unidic"
    (package / "dicdir").mkdir(parents=True)
    (package / "__init__.py").write_text(f"DICDIR = {str(package / 'dicdir')!r}\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "unidic", raising=False)
    folder = tiny_encoders.save_mecab_bert(tmp_path / "model")
    edited(folder, mecab_kwargs={"mecab_dic": "unidic"})
    with pytest.raises(InputError) as caught:
        load_tokenizer(folder, ModelConfig(id=str(folder)))
    (problem,) = caught.value.problems
    assert problem.code == "model.needs-unidic"
    assert "python -m unidic download" in str(problem)


def test_an_end_whose_embedding_is_zero_is_told_before_training(tmp_path: Path) -> None:
    folder = save_tiny("llama", tmp_path / "model")
    config = write_experiment(tmp_path, folder)
    ready = make_ready(prepare(load_config(config, ())), Silent())
    assert "zero-end" not in {f["slug"] for f in check.before_training(ready)["findings"]}
    family: Any = ready.family
    with torch.no_grad():
        family.loaded.model.get_input_embeddings().weight[family.end_tokens] = 0.0
    assert "zero-end" in {f["slug"] for f in check.before_training(ready)["findings"]}
