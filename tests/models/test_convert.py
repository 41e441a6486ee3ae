from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from tests.models.gguf_files import write_gguf
from tests.models.gguf_llama import TEMPLATE, tiny_llama, write_llama
from tests.models.real_models import cached
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, Gemma3ForCausalLM

from kunren.errors import InputError, KunrenWarning
from kunren.models.convert import SOURCE_FILE, convert
from kunren.models.gguf_header import read_header
from kunren.models.packages import PACKAGES
from kunren.progress import Silent

TEXTS = (
    "今日はいい天気",
    "日本語 と  English\n",
    "🫠👨\u200d👩\u200d👧😀",
    "<start_of_turn>user\nはい<end_of_turn>\n",
)
auto: Any = AutoModelForCausalLM


def converted(gguf_path: Path, folder: Path) -> Path:
    scraps = folder.with_name("scraps")
    folder.mkdir()
    scraps.mkdir()
    convert(gguf_path, folder, scraps, {"source": "test"}, Silent())
    return folder


@pytest.fixture(scope="module")
def original(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six layers, of which Gemma 3's last is full: a GGUF file does not say which ones are."""
    config = AutoConfig.from_pretrained(tiny_model)
    config.num_hidden_layers = 6
    config.layer_types = ["sliding_attention"] * 5 + ["full_attention"]
    folder = tmp_path_factory.mktemp("original")
    torch.manual_seed(1)
    model = Gemma3ForCausalLM(config)
    for name, weight in model.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(weight)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return folder


@pytest.fixture
def gguf_path(original: Path, tmp_path: Path) -> Path:
    return write_gguf(original, tmp_path / "tiny.gguf")


def test_weights_and_logits_are_the_original_ones(
    original: Path, gguf_path: Path, tmp_path: Path
) -> None:
    folder = converted(gguf_path, tmp_path / "made")
    model = auto.from_pretrained(original, dtype=torch.bfloat16)
    made, report = auto.from_pretrained(
        folder, dtype=torch.bfloat16, use_safetensors=True, output_loading_info=True
    )
    assert not any(report.values())
    for name, weight in model.state_dict().items():
        assert torch.equal(made.state_dict()[name], weight), name
    ids = torch.arange(6, 30)[None]  # longer than the sliding window
    assert torch.equal(made(ids).logits, model(ids).logits)


def test_config_is_the_original_one(original: Path, gguf_path: Path, tmp_path: Path) -> None:
    folder = converted(gguf_path, tmp_path / "made")
    made = json.loads((folder / "config.json").read_text())
    stated = json.loads((original / "config.json").read_text())
    differ = {"dtype", "eos_token_id"}
    assert {k: made.get(k) for k in stated if k not in differ} == {
        k: v for k, v in stated.items() if k not in differ
    }
    assert made["rms_norm_eps"] == 1e-6
    assert "quantization_config" not in made
    assert "Tiny" not in json.dumps(made)


def test_tokenizer_reads_as_the_original_one(
    original: Path, gguf_path: Path, tmp_path: Path
) -> None:
    made = AutoTokenizer.from_pretrained(converted(gguf_path, tmp_path / "made"))
    tokenizer = AutoTokenizer.from_pretrained(original)
    for text in TEXTS:
        ids = tokenizer(text).input_ids
        assert made(text).input_ids == ids
        assert made.decode(ids[1:]) == text
        assert made.decode(ids, skip_special_tokens=True) == tokenizer.decode(
            ids, skip_special_tokens=True
        )
    assert made.padding_side == "left"
    assert (made.bos_token_id, made.eos_token_id, made.pad_token_id) == (2, 1, 0)


def test_chat_template_and_ends_are_saved(gguf_path: Path, tmp_path: Path) -> None:
    folder = converted(gguf_path, tmp_path / "made")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turn = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    assert "<start_of_turn>" in tokenizer.chat_template
    for name in ("config.json", "generation_config.json"):
        assert json.loads((folder / name).read_text())["eos_token_id"] == [1, turn]
    record = json.loads((folder / SOURCE_FILE).read_text())
    assert record["source"] == "test"
    assert record["chat_template"] == "gemma"


def test_linear_rope_scaling_is_restored(tiny_model: Path, tmp_path: Path) -> None:
    path = write_gguf(tiny_model, tmp_path / "scaled.gguf", rope_scaling=8.0)
    config = json.loads((converted(path, tmp_path / "made") / "config.json").read_text())
    assert config["rope_parameters"] == {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }


def test_header_without_vocabulary_keeps_all_else(gguf_path: Path, tmp_path: Path) -> None:
    header = read_header(gguf_path)
    small = tmp_path / "small.gguf"
    header.without_vocabulary(small)
    before, after = gguf.GGUFReader(gguf_path), gguf.GGUFReader(small)
    dropped = {f"tokenizer.ggml.{name}" for name in ("tokens", "scores", "token_type")}
    assert set(before.fields) - set(after.fields) == dropped
    tokens = header.metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, list)
    assert after.fields["gemma3.vocab_size"].contents() == len(tokens)
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert old.name == new.name
        assert (old.data == new.data).all()


def test_header_reads_what_the_library_reads(gguf_path: Path) -> None:
    reader = gguf.GGUFReader(gguf_path)
    header = read_header(gguf_path)
    for key, value in header.metadata.items():
        assert reader.fields[key].contents() == value
    assert list(header.tensors) == [tensor.name for tensor in reader.tensors]


def test_not_a_gguf(tmp_path: Path) -> None:
    path = tmp_path / "text.gguf"
    path.write_text("hello")
    with pytest.raises(InputError) as caught:
        read_header(path)
    assert caught.value.problems[0].code == "model.not-gguf"


@pytest.mark.parametrize("kept", [6, 30, 2000, 9000, -1])
def test_cut_short(gguf_path: Path, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "short.gguf"
    path.write_bytes(gguf_path.read_bytes()[:kept])
    with pytest.raises(InputError) as caught:
        read_header(path)
    assert caught.value.problems[0].code == "model.gguf-broken"


def test_old_version(gguf_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.gguf"
    path.write_bytes(b"GGUF\x01\0\0\0" + gguf_path.read_bytes()[8:])
    with pytest.raises(InputError) as caught:
        read_header(path)
    assert caught.value.problems[0].code == "model.gguf-version"


def test_unknown_architecture(tmp_path: Path) -> None:
    path = tmp_path / "strange.gguf"
    writer = gguf.GGUFWriter(path, "strange")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "a"])
    writer.add_tensor("x", torch.zeros(32).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(InputError) as caught:
        converted(path, tmp_path / "made")
    assert caught.value.problems[0].code == "model.gguf-unsupported"
    assert "strange" in str(caught.value)


def test_lost_rope_scaling_is_told(tiny_model: Path, tmp_path: Path) -> None:
    path = write_gguf(tiny_model, tmp_path / "scaled.gguf", rope_scaling=8.0)
    data = path.read_bytes().replace(b"linear", b"banana")
    path.write_bytes(data)
    with pytest.warns(KunrenWarning, match="RoPE"):
        converted(path, tmp_path / "made")


@pytest.mark.real_model
def test_the_real_model_knows_japanese_and_english() -> None:
    folder = PACKAGES["gemma-3-270m"].cached
    assert folder is not None
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = auto.from_pretrained(folder, dtype=torch.float32)

    def perplexity(text: str) -> float:
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.no_grad():
            return math.exp(model(ids, labels=ids).loss.item())

    assert perplexity("今日は天気がよかったので、公園まで散歩に出かけました。") < 30
    assert perplexity("In 1969, Neil Armstrong became the first person to walk on the Moon.") < 8
    # Shuffled words are no language: a model with a broken layer would not tell the difference.
    assert perplexity("を散歩天気でまので公園たけかに、し出がよか今日はた。") > 200

    def most_likely(text: str, count: int) -> list[str]:
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.no_grad():
            best = model(ids).logits[0, -1].topk(count).indices
        return [str(tokenizer.decode([i])) for i in best.tolist()]

    assert " Paris" in most_likely("The capital of France is", 5)
    assert "パリ" in most_likely("フランスの首都は", 5)


@pytest.mark.real_model
def test_the_real_model_states_what_google_published() -> None:
    folder = PACKAGES["gemma-3-270m"].cached
    assert folder is not None
    config = json.loads((folder / "config.json").read_text())
    published = {
        "hidden_size": 640,
        "num_hidden_layers": 18,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 256,
        "intermediate_size": 2048,
        "sliding_window": 512,
        "vocab_size": 262144,
        "query_pre_attn_scalar": 256,
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": 32768,
        "tie_word_embeddings": True,
        "final_logit_softcapping": None,
    }
    assert {key: config[key] for key in published} == published
    full = [n for n, kind in enumerate(config["layer_types"]) if kind == "full_attention"]
    assert full == [5, 11, 17]
    rope = config["rope_parameters"]
    assert rope["full_attention"]["rope_theta"] == 1e6
    assert rope["sliding_attention"]["rope_theta"] == 1e4
    assert (folder / "GEMMA_TERMS.html").is_file()


@pytest.mark.real_model
def test_the_real_tokenizer() -> None:
    folder = PACKAGES["gemma-3-270m"].cached
    assert folder is not None
    tokenizer = AutoTokenizer.from_pretrained(folder)
    # As google/gemma-3-270m's own tokenizer cuts them.
    assert tokenizer("<start_of_turn>user\nこんにちは<end_of_turn>\n").input_ids == [
        *(2, 105, 2364, 107, 85141, 106, 107)
    ]
    assert tokenizer("Hello world").input_ids == [2, 9259, 1902]
    assert tokenizer("12").input_ids == [2, 236770, 236778]
    for text in ("  a   b\n\n\nc\t\td", "𠮷野家🫠👨‍👩‍👧", " " * 45 + "x"):
        assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text


def test_a_llama_has_its_rotations_and_tied_weights_back(tmp_path: Path) -> None:
    folder = converted(write_llama(tmp_path / "llama.gguf"), tmp_path / "made")
    model = tiny_llama()
    made, report = auto.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
    )
    assert not any(report.values())
    assert made.lm_head.weight is made.model.embed_tokens.weight
    for name, weight in model.state_dict().items():
        assert torch.equal(made.state_dict()[name], weight), name
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        assert torch.equal(made(ids).logits, model(ids).logits)
    config = json.loads((folder / "config.json").read_text())
    assert config["rope_parameters"] == {"rope_type": "default", "rope_theta": 100_000.0}
    assert config["rms_norm_eps"] == 1e-5
    assert config["tie_word_embeddings"] is True


def test_a_llama_keeps_its_own_chat_template(tmp_path: Path) -> None:
    folder = converted(write_llama(tmp_path / "llama.gguf"), tmp_path / "made")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template == TEMPLATE
    assert json.loads((folder / SOURCE_FILE).read_text())["chat_template"] == "own"
    for name in ("config.json", "generation_config.json"):
        assert json.loads((folder / name).read_text())["eos_token_id"] == [2]
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer("a").input_ids == tokenizer("a", add_special_tokens=False).input_ids
    # SmolLM cuts off every digit before it looks at spaces; a letter keeps its space.
    assert tokenizer.tokenize("a  1") == ["a", "ĠĠ", "1"]
    assert tokenizer.tokenize("a  l") == ["a", "Ġ", "Ġ", "l"]


@pytest.mark.real_model
def test_the_real_llama_answers_a_question() -> None:
    folder = cached("smollm2-135m")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = auto.from_pretrained(folder, dtype=torch.float32)
    assert model.num_parameters() == 134_515_008
    assert model.lm_head.weight is model.model.embed_tokens.weight

    def answer(question: str) -> str:
        turns = [{"role": "user", "content": question}]
        given = tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        made = model.generate(**given, max_new_tokens=20, do_sample=False)
        return str(tokenizer.decode(made[0, given["input_ids"].shape[1] :]))

    assert answer("What is the capital of France?") == "The capital of France is Paris.<|im_end|>"
    assert "7 days" in answer("How many days are in a week?")

    def perplexity(text: str) -> float:
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.no_grad():
            return math.exp(model(ids, labels=ids).loss.item())

    assert perplexity("In 1969, Neil Armstrong became the first person to walk on the Moon.") < 10
    assert perplexity("Moon the walk to 1969, on person became Armstrong first the In Neil.") > 200


@pytest.mark.real_model
def test_the_real_llama_is_the_published_one() -> None:
    folder = cached("smollm2-135m")
    config = json.loads((folder / "config.json").read_text())
    published = {
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "intermediate_size": 1536,
        "max_position_embeddings": 8192,
        "vocab_size": 49152,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 100_000.0},
        "eos_token_id": [2],
    }
    assert {key: config[key] for key in published} == published
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer("Hello world 2023").input_ids == [19556, 905, 216, 34, 32, 34, 35]
    assert tokenizer("<|im_start|>user\nHi<|im_end|>\n").input_ids == [1, 4093, 198, 26843, 2, 198]
    for text in ("  a\n\n\tb  12", "こんにちは。今日は😀"):
        assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert "Apache License" in (folder / "LICENSE").read_text(encoding="utf-8")
