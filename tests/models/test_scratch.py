from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from kunren.config.schema import ModelConfig
from kunren.errors import InputError
from kunren.models import cache, scratch, sources
from kunren.models.causal import Causal
from kunren.models.folder import infer_family
from kunren.models.load import Head, load
from kunren.progress import Silent
from kunren.types import Item, Message

NAMES = tuple(scratch.ARCHITECTURES)
TEXTS = (
    "今日はいい天気ですね。散歩に行きました。",
    "今日は雨です。家で本を読みました。",
    "国際/政治",
    "Python 3.11 で書いた\n二行目",
    "😀",
    "👍🏻",
    "🇯🇵 🎉",
) * 8
LABELS = (
    *(
        "😀",
        "👍🏻",
        "👨‍👩‍👧‍👦",
        "🏳️‍🌈",
        "🇯🇵",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ),
    *("1️⃣", "#️⃣", "☺️", "☺", "ℹ️", "㊙️", "❤️‍🔥", "国際/政治"),
)
TRICKY = (
    *LABELS,
    "".join(LABELS),
    " 前後に空白 ",
    "a  b\n\n\tc !",
    "▁▂▃ は空白ではない",
    "ﾊﾝｶｸ①㍿Ａ",  # NFKC would change all of them
    "か\u3099が",  # both forms of one letter
    "𠮷野家と龘",  # not in the texts
    "<0x41> は A ではない",
    "\u200b\ufeff",
    "it 's a n't",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUNREN_HOME", str(tmp_path_factory.mktemp("home")))
        yield {name: scratch.build(name, TEXTS) for name in NAMES}


def tokenizer_of(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("name", NAMES)
def test_every_text_comes_back_as_it_was(made: dict[str, Path], name: str) -> None:
    tokenizer = tokenizer_of(made[name])
    for said in (*TEXTS, *TRICKY):
        ids = tokenizer(said)["input_ids"]
        assert tokenizer.unk_token_id not in ids, said
        assert tokenizer.decode(ids, skip_special_tokens=True) == said


@pytest.mark.parametrize("name", NAMES)
def test_labels_stay_different(made: dict[str, Path], name: str) -> None:
    tokenizer = tokenizer_of(made[name])
    assert len({tuple(tokenizer(label)["input_ids"]) for label in LABELS}) == len(LABELS)


@pytest.mark.parametrize(
    ("name", "around"),
    [
        ("t5-small", ([], ["</s>"])),
        ("bert-small", (["[CLS]"], ["[SEP]"])),
        ("llama-small", (["<s>"], [])),
    ],
)
def test_texts_begin_and_end_as_in_the_family(
    made: dict[str, Path], name: str, around: tuple[list[str], list[str]]
) -> None:
    tokenizer = tokenizer_of(made[name])
    inner = tokenizer.tokenize("今日は")
    whole = tokenizer.convert_ids_to_tokens(tokenizer("今日は")["input_ids"])
    assert whole == [*around[0], *inner, *around[1]]
    assert tokenizer.pad_token_id is not None
    assert tokenizer.unk_token_id is not None


@pytest.mark.parametrize("name", NAMES)
def test_frequent_pieces_are_one_token_and_no_token_holds_two_emoji(
    made: dict[str, Path], name: str
) -> None:
    tokenizer = tokenizer_of(made[name])
    assert len(tokenizer.tokenize("今日は")) < 3
    assert tokenizer.tokenize("😀😀")[:1] == ["😀"]
    assert all(token.count("😀") < 2 for token in tokenizer.get_vocab())


def test_more_text_makes_a_larger_vocabulary_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from itertools import product

    many = ["".join(p) for p in product("あいうえおかきくけこ", repeat=5)][::10]
    sizes = []
    for texts in (many[:100], many[:1000], many[:5000]):
        folder = scratch.build("t5-small", texts)
        sizes.append(json.loads((folder / "kunren_source.json").read_text())["vocabulary_size"])
    assert sizes[0] < sizes[1] < sizes[2]
    monkeypatch.setattr(scratch, "_LARGEST_VOCABULARY", sizes[1])
    limited = scratch.build("bert-small", many[:5000])
    assert len(tokenizer_of(limited)) == sizes[1]


@pytest.mark.parametrize(
    ("name", "family", "millions"),
    [
        ("t5-small", "seq2seq", 7.3),
        ("bert-small", "encoder", 3.5),
        ("llama-small", "causal", 3.4),
    ],
)
def test_the_model_loads_and_says_that_it_was_not_pretrained(
    made: dict[str, Path],
    name: str,
    family: Literal["seq2seq", "encoder", "causal"],
    millions: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = made[name]
    monkeypatch.setenv("KUNREN_HOME", str(folder.parents[1]))
    assert infer_family(folder) == family
    config = ModelConfig(id=f"scratch:{name}", family=family)
    head = Head(("a", "b"), multi_label=False) if family == "encoder" else None
    loaded = load(config, "fp32", Silent(), folder=folder, head=head)
    assert loaded.provenance["pretrained"] is False
    assert loaded.provenance["kind"] == "scratch"
    rows = loaded.model.get_input_embeddings().num_embeddings
    assert rows == len(loaded.tokenizer)
    assert round((loaded.model.num_parameters() - 256 * rows) / 1e6, 1) == millions
    record = json.loads((folder / "kunren_source.json").read_text(encoding="utf-8"))
    assert record == {
        "source": "scratch",
        "name": name,
        "pretrained": False,
        "texts_sha256": record["texts_sha256"],
        "vocabulary_size": rows,
    }


def test_the_llama_talks_in_chatml_and_stops(made: dict[str, Path]) -> None:
    config = ModelConfig(id="scratch:llama-small", family="causal")
    family = Causal(load(config, "fp32", Silent(), folder=made["llama-small"]))
    context = (Message("system", "絵文字で"), Message("user", "今日は"))
    words = family.tokenizer.convert_ids_to_tokens(family.prompt(context))
    assert words[0] == "<|im_start|>"
    assert words[-3:] == ["<|im_start|>", "assistant", "\n"]
    assert {"system", "user"} <= set(words)
    assert family.tokenizer.decode(family.end_tokens[-1:]) == "<|im_end|>"
    with Silent().stage("", None) as task:
        (said,) = family.predict([Item("1", "1", context, "")], LABELS, 1, task)
    assert sum(said.probabilities) == pytest.approx(1)


def test_it_is_made_once_for_the_same_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    first = scratch.build("bert-small", TEXTS)
    stamp = (first / "model.safetensors").stat().st_mtime_ns
    monkeypatch.setattr(scratch, "_save_model", None)  # would fail, were it made again
    assert scratch.build("bert-small", TEXTS) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == stamp
    monkeypatch.undo()
    assert cache.place(first.name).parent == cache.home() / "models"


def test_other_texts_make_another_folder(made: dict[str, Path]) -> None:
    assert scratch.build("llama-small", TEXTS[1:]).name != made["llama-small"].name


def test_making_it_does_not_touch_the_random_numbers() -> None:
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    scratch.build("llama-small", TEXTS[:9])
    assert torch.equal(torch.rand(2), expected)


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_another_process_makes_the_same_files(
    made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUNREN_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    program = (
        "import json, sys\n"
        "from kunren.models import scratch\n"
        "for name in scratch.ARCHITECTURES: scratch.build(name, json.load(open(sys.argv[1])))\n"
    )
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS))
    subprocess.run([sys.executable, "-c", program, tmp_path / "texts.json"], check=True)
    for folder in made.values():
        assert hashes(tmp_path / "models" / folder.name) == hashes(folder)


def test_a_wrong_name_is_told_with_the_nearest() -> None:
    (problem,) = sources.check(ModelConfig(id="scratch:t5-smal"))
    assert problem.code == "scratch.unknown-near"
    assert "scratch:t5-small" in str(problem)
    (problem,) = scratch.check("gpt")
    assert problem.code == "scratch.unknown"
    assert all(name in str(problem) for name in NAMES)
    with pytest.raises(InputError):
        scratch.build("gpt", TEXTS)


def test_it_is_a_kind_of_source_and_found_by_its_texts(made: dict[str, Path]) -> None:
    config = ModelConfig(id="scratch:t5-small")
    assert sources.kind_of(config.id) == "scratch"
    assert sources.check(config) == []
    assert sources.locate(config, texts=TEXTS).name == made["t5-small"].name


def test_without_texts_it_says_that_it_is_not_kept() -> None:
    with pytest.raises(InputError) as caught:
        sources.locate(ModelConfig(id="scratch:t5-small"))
    assert [problem.code for problem in caught.value.problems] == ["scratch.not-kept"]
