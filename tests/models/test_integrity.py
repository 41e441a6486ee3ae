"""Damaged copies of a model folder: each is told in one message before any weight is read."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from kunren.cli import main
from kunren.config.schema import ModelConfig
from kunren.errors import InputError, KunrenWarning
from kunren.messages import use_language
from kunren.models.chat_template import FROZEN, ensure_chat_template, render
from kunren.models.folder import load_tokenizer
from kunren.models.load import load
from kunren.models.sources import check, locate
from kunren.types import Message

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "1" * 64 + "\nsize 4096\n"
PAGE = "<html><head><title>ログイン</title></head><body></body></html>"
REPLY = "Entry not found"

Damage = Callable[[Path], object]


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def codes(folder: Path) -> list[str]:
    problems = check(ModelConfig(id=str(folder)))
    for problem in problems:  # each is worded in both languages
        use_language("en")
        english = str(problem)
        use_language("ja")
        assert str(problem) != english
    return [problem.code.removeprefix("model.") for problem in problems]


def write(name: str, text: str) -> Damage:
    return lambda folder: (folder / name).write_text(text, encoding="utf-8")


def change(name: str, **values: Any) -> Damage:
    def edit(folder: Path) -> None:
        path = folder / name
        said = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps(said | values), encoding="utf-8")

    return edit


def weights(folder: Path) -> Path:
    return folder / "model.safetensors"


def cut(folder: Path, keep: float) -> None:
    data = weights(folder).read_bytes()
    weights(folder).write_bytes(data[: int(len(data) * keep)])


def dangling(folder: Path) -> None:
    weights(folder).unlink()
    weights(folder).symlink_to("../blobs/gone")


def sharded(folder: Path, named: str) -> None:
    weights(folder).rename(folder / "model-00001-of-00003.safetensors")
    said = {"weight_map": {"a": "model-00001-of-00003.safetensors", "b": named}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(said), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (write("model.safetensors", POINTER), "lfs-pointer"),
        (write("config.json", POINTER), "lfs-pointer"),
        (write("tokenizer.json", POINTER), "lfs-pointer"),
        (write("generation_config.json", POINTER), "lfs-pointer"),
        (write("model.safetensors", PAGE), "web-page"),
        (write("tokenizer_config.json", PAGE), "web-page"),
        (write("model.safetensors", REPLY), "download-error"),
        (write("config.json", REPLY), "download-error"),
        (write("model.safetensors", ""), "empty-file"),
        (write("config.json", ""), "empty-file"),
        (write("model.safetensors", "\0" * 4096), "zeros"),
        (write("model.safetensors", "kurz"), "weights-cut"),
        (lambda f: cut(f, 0.99), "weights-cut"),
        (lambda f: cut(f, 0.01), "weights-cut"),
        (lambda f: weights(f).write_bytes(struct.pack("<Q", 2) + b"[]"), "weights-cut"),
        (lambda f: weights(f).write_bytes(weights(f).read_bytes() + b"\0"), "weights-cut"),
        (dangling, "dangling-link"),
        (lambda f: sharded(f, "model-00003-of-00003.safetensors"), "bin-missing"),
        (lambda f: sharded(f, "../elsewhere.safetensors"), "bin-missing"),
        (write("config.json", "[]"), "not-object"),
        (write("tokenizer.json", '"text"'), "not-object"),
        (write("config.json", '{"model_type": "llama",'), "broken-json"),
        (write("config.json", "[" * 100_000), "broken-json"),
        (change("config.json", model_type=None), "no-model-type"),
        (change("config.json", model_type="brandnew7"), "unknown-type"),
        (change("config.json", model_type="own", auto_map={"AutoConfig": "a.B"}), "own-code"),
        (change("config.json", quantization_config={"quant_method": "awq"}), "quantised"),
        (change("config.json", vocab_size=99), "embedding-size"),
        (change("adapter_config.json", peft_type="LORA"), "adapter-beside"),
    ],
)
def test_damage_is_named(folder: Path, damage: Damage, code: str) -> None:
    damage(folder)
    assert codes(folder) == [code]


def test_all_damaged_files_at_once(folder: Path) -> None:
    write("config.json", PAGE)(folder)
    write("tokenizer.json", POINTER)(folder)
    cut(folder, 0.5)
    assert codes(folder) == ["web-page", "lfs-pointer", "weights-cut"]


def test_an_adapter_alone_is_named_as_one(folder: Path) -> None:
    weights(folder).rename(folder / "adapter_model.safetensors")
    change("adapter_config.json", peft_type="LORA")(folder)
    assert codes(folder) == ["is-adapter"]


def test_own_code_that_is_trusted(folder: Path) -> None:
    change("config.json", model_type="own", auto_map={"AutoConfig": "a.B"})(folder)
    assert check(ModelConfig(id=str(folder), trust_remote_code=True)) == []


def test_a_whole_folder(folder: Path) -> None:
    assert codes(folder) == []


def test_a_byte_order_mark_is_taken_off(folder: Path) -> None:
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    model = ModelConfig(id=str(folder))
    assert check(model) == []
    found = locate(model)
    assert found != folder
    assert locate(model) == found
    assert load(model, "fp32").model is not None


def test_a_tokenizer_that_the_library_does_not_know(folder: Path) -> None:
    said = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    said["model"]["type"] = "Newer"
    (folder / "tokenizer.json").write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_tokenizer(folder, ModelConfig(id=str(folder)))
    assert [problem.code for problem in caught.value.problems] == ["model.tokenizer-unusable"]


# ---- chat templates

PARTS = (
    "{% for m in messages %}[{{ m.role }}]{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{{ eos_token }}{% endfor %}"
)
EITHER = (
    "{% for m in messages %}{% if m.content is string %}<{{ m.content }}>{% else %}"
    "{% for p in m.content %}({{ p.text }}){% endfor %}{% endif %}{% endfor %}"
)
DATED = "{{ strftime_now('%d %b %Y') }}{% for m in messages %}{{ m.content }}{% endfor %}"
TURNS = (Message("user", "空は青い"), Message("assistant", "はい"))


def with_template(folder: Path, template: object) -> Any:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = template
    return tokenizer


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (PARTS, "[user]空は青い{eos}[assistant]はい{eos}"),
        (EITHER, "<空は青い><はい>"),
        ({"default": EITHER, "tool_use": "{{ tools }}"}, "<空は青い><はい>"),
    ],
)
def test_content_is_given_as_the_template_reads_it(
    folder: Path, template: object, said: str
) -> None:
    tokenizer = with_template(folder, template)
    assert ensure_chat_template(tokenizer) is None
    assert render(tokenizer, TURNS, False) == said.replace("{eos}", tokenizer.eos_token)


def test_the_date_stands_still(folder: Path) -> None:
    tokenizer = with_template(folder, DATED)
    with pytest.warns(KunrenWarning, match=str(FROZEN)):
        ensure_chat_template(tokenizer)
    assert render(tokenizer, TURNS, False).startswith("01 Jan 2025")
    assert "strftime_now" not in tokenizer.chat_template


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("{% for m in messages %}{{ m.content }}", "template-broken"),
        ("{{ messages[0].content }}", "template-drops"),
        ("{% for m in messages %}{{ m.role }}{% endfor %}", "template-drops"),
        ("{{ raise_exception('no') }}", "template-refused"),
        ({"tool_use": EITHER}, "template-refused"),
    ],
)
def test_a_template_that_cannot_be_used(folder: Path, template: object, code: str) -> None:
    with pytest.raises(InputError) as caught:
        ensure_chat_template(with_template(folder, template))
    assert [problem.code for problem in caught.value.problems] == [f"model.{code}"]


# ---- generation configs


def test_settings_for_another_use_take_no_hold(folder: Path) -> None:
    change(
        "generation_config.json", num_beams=4, num_return_sequences=4, forced_bos_token_id=5,
        suppress_tokens=[7], min_new_tokens=12, do_sample=False, temperature=0.6,
    )(folder)  # fmt: skip
    with pytest.warns(KunrenWarning, match="num_return_sequences") as told:
        loaded = load(ModelConfig(id=str(folder)), "fp32")
    assert "temperature" not in str(told[0].message)
    kept = loaded.model.generation_config
    assert kept.num_beams is None
    assert kept.forced_bos_token_id is None
    assert kept.eos_token_id
    assert loaded.provenance["generation_config_unused"]
    loaded.model.save_pretrained(folder.parent / "saved")  # a temperature without sampling is none


def test_ordinary_sampling_is_not_spoken_of(folder: Path, recwarn: pytest.WarningsRecorder) -> None:
    change("generation_config.json", do_sample=True, temperature=0.6, top_k=64, top_p=0.95)(folder)
    load(ModelConfig(id=str(folder)), "fp32")
    assert not [w for w in recwarn if issubclass(w.category, KunrenWarning)]


@pytest.mark.filterwarnings("always::kunren.errors.KunrenWarning")
def test_the_command_line_tells_a_warning_once_and_without_code(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change("generation_config.json", num_beams=4)(folder)
    rows = [{"text": f"{n} 番目の朝", "label": "良い" if n % 2 else "悪い"} for n in range(20)]
    data = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "train.jsonl").write_text(data, encoding="utf-8")
    (tmp_path / "c.yaml").write_text(
        "name: c\ntask: {kind: classify}\ndata: {train: train.jsonl}\n"
        f"model: {{id: {folder}}}\n",
        encoding="utf-8",
    )
    with pytest.raises(SystemExit):
        main(["check", str(tmp_path / "c.yaml")])
    said = capsys.readouterr().err
    assert said.count("num_beams") == 1
    assert "KunrenWarning" not in said
    assert ".py" not in said
