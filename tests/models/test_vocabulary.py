from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import make_tokenizer
from tests.models.tiny_families import (
    LABELS,
    make_bert,
    make_gemma,
    make_llama,
    make_mt5,
    make_t5,
    opened,
    t5_tokenizer,
)

from kunren.errors import InputError
from kunren.models.vocabulary import (
    TOKENS_FILE,
    check_round_trip,
    extend,
    is_tied,
    read_tokens,
    restore,
    write_tokens,
)

ALL = (make_gemma, make_llama, make_t5, make_mt5, make_bert)


def encoded(tokenizer: Any, text: str) -> list[str]:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return list(tokenizer.convert_ids_to_tokens(ids))


def rows(model: Any) -> torch.Tensor:
    found: torch.Tensor = model.get_input_embeddings().weight.detach().clone()
    return found


@pytest.mark.parametrize("make", ALL)
def test_new_tokens_start_as_the_mean_of_their_pieces(make: Any, tmp_path: Path) -> None:
    _, loaded = opened(make, tmp_path)
    before, known = rows(loaded.model), loaded.tokenizer.get_vocab()
    added = extend(loaded, ["日本語", "笑顔日本"])
    assert [t.string for t in added.tokens] == ["日本語", "笑顔日本"]
    now = rows(loaded.model)
    for token in added.tokens:
        assert loaded.tokenizer.convert_tokens_to_ids(token.string) == token.id
        assert encoded(loaded.tokenizer, token.string) == [token.string]
        pieces = [known[piece] for piece in token.initialised_from]
        torch.testing.assert_close(now[token.id], before[pieces].mean(dim=0))
    assert torch.equal(now[: len(known)], before[: len(known)])
    assert added.vocabulary == len(loaded.tokenizer) == len(known) + 2
    assert added.embedding_rows == len(now) >= added.vocabulary
    assert added.base_embedding_rows == len(before)
    assert loaded.model.config.get_text_config().vocab_size == len(now)


@pytest.mark.parametrize("make", [make_llama, make_mt5])
def test_an_output_layer_of_its_own_grows_too_and_stays_its_own(make: Any, tmp_path: Path) -> None:
    _, loaded = opened(make, tmp_path)
    head = loaded.model.get_output_embeddings()
    assert not is_tied(loaded.model)
    before = head.weight.detach().clone()
    known = loaded.tokenizer.get_vocab()
    many = [f"<新{n}>" for n in range(40)]  # more than the T5 has embeddings to spare
    added = extend(loaded, ["日本語", *many])
    assert not added.tied
    assert not is_tied(loaded.model)
    now = loaded.model.get_output_embeddings().weight
    assert len(now) == added.embedding_rows > len(before)
    assert torch.equal(now[: len(known)], before[: len(known)])
    token = added.tokens[0]
    pieces = [known[piece] for piece in token.initialised_from]
    torch.testing.assert_close(now[token.id], before[pieces].mean(dim=0))


@pytest.mark.parametrize("make", [make_gemma, make_t5])
def test_a_tied_output_layer_stays_tied(make: Any, tmp_path: Path) -> None:
    _, loaded = opened(make, tmp_path)
    added = extend(loaded, [f"<新{n}>" for n in range(40)])
    assert added.tied
    assert is_tied(loaded.model)


def test_a_bias_grows_as_well(tmp_path: Path) -> None:
    _, loaded = opened(make_llama, tmp_path)
    head = loaded.model.lm_head
    head.bias = torch.nn.Parameter(torch.arange(float(head.out_features)))
    known = loaded.tokenizer.get_vocab()
    (token,) = extend(loaded, ["日本語"]).tokens
    pieces = torch.tensor([known[p] for p in token.initialised_from], dtype=torch.float32)
    assert loaded.model.lm_head.bias[token.id] == pieces.mean()


def test_unused_rows_are_taken_and_initialised(tmp_path: Path) -> None:
    _, loaded = opened(make_t5, tmp_path)
    before = rows(loaded.model)
    added = extend(loaded, ["日本語", "😂"])
    assert added.embedding_rows == added.base_embedding_rows == len(before)
    for token in added.tokens:
        assert token.id < len(before)
        assert not torch.equal(rows(loaded.model)[token.id], before[token.id])


def test_a_token_that_never_had_a_row_gets_the_mean_of_all(tmp_path: Path) -> None:
    _, loaded = opened(make_gemma, tmp_path)
    loaded.tokenizer.add_tokens(["<image>"])  # as Gemma 3 has one without an embedding
    before = rows(loaded.model)
    (token,) = extend(loaded, ["😂"]).tokens
    assert token.id == len(before) + 1
    torch.testing.assert_close(rows(loaded.model)[len(before)], before.mean(dim=0))


@pytest.mark.parametrize("make", [make_gemma, make_t5])
def test_where_the_pieces_say_nothing_the_japanese_name_does(make: Any, tmp_path: Path) -> None:
    _, loaded = opened(make, tmp_path)
    assert set(encoded(loaded.tokenizer, "🇯🇵")) <= {
        *("▁", "<unk>", "<0xF0>", "<0x9F>", "<0x87>", "<0xAF>", "<0xB5>")
    }
    nothing = "𠮷"
    flag, word = extend(loaded, ["🇯🇵", nothing]).tokens
    assert "日" in "".join(flag.initialised_from)
    assert not [p for p in flag.initialised_from if p.startswith("<")]
    assert word.initialised_from == ()


def test_the_same_base_gives_the_same_rows_and_leaves_chance_alone(tmp_path: Path) -> None:
    found = []
    for n in range(2):
        _, loaded = opened(make_llama, tmp_path / str(n))
        torch.manual_seed(n)
        state = torch.random.get_rng_state()
        extend(loaded, [*LABELS, "𠮷"])
        assert torch.equal(torch.random.get_rng_state(), state)
        found.append(loaded.model.state_dict())
    assert all(torch.equal(a, found[1][name]) for name, a in found[0].items())


@pytest.mark.parametrize("make", [make_gemma, make_t5])
def test_what_is_one_token_already_is_not_added(make: Any, tmp_path: Path) -> None:
    _, loaded = opened(make, tmp_path)
    before = len(loaded.tokenizer)
    added = extend(loaded, ["😀", "日", "😀", " "])
    assert added.tokens == ()
    assert len(loaded.tokenizer) == added.vocabulary == before


@pytest.mark.parametrize("make", [make_gemma, make_t5])
def test_runs_of_labels_stay_apart(make: Any, tmp_path: Path) -> None:
    _, loaded = opened(make, tmp_path)
    tokenizer: Any = loaded.tokenizer
    extend(loaded, [*LABELS, "1️⃣", "2️⃣"])
    wanted = ["😂", "❤️", "😀", "🇯🇵", "1️⃣", "2️⃣"]
    for between in ("", " "):
        text = between.join(wanted)
        pieces = encoded(tokenizer, text)
        assert [p for p in pieces if p != "▁"] == wanted
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == "".join(wanted)
    assert check_round_trip(tokenizer, wanted, ["".join(wanted), " ".join(wanted)]) == []


def test_a_label_of_letters_does_not_cut_the_words_of_texts(tmp_path: Path) -> None:
    _, loaded = opened(make_gemma, tmp_path)
    extend(loaded, ["日本語", "今天"])
    assert encoded(loaded.tokenizer, "日本語") == ["日本語"]
    assert encoded(loaded.tokenizer, "今天、日本語") == ["今天", "、", "日本語"]
    assert encoded(loaded.tokenizer, "今日本語の") == ["今", "日本", "語", "の"]


def test_a_token_that_cuts_a_whole_one_does_not_keep_it_cut(tmp_path: Path) -> None:
    _, loaded = opened(make_gemma, tmp_path)
    assert encoded(loaded.tokenizer, "日本") == ["日本"]
    loaded.tokenizer.add_tokens(["日"])  # begins 日本, and would win
    assert encoded(loaded.tokenizer, "日本") == ["日", "本"]
    extend(loaded, ["日本"])
    assert encoded(loaded.tokenizer, "日本") == ["日本"]


def test_the_manifest_comes_back_and_repeats_the_extension(tmp_path: Path) -> None:
    _, loaded = opened(make_llama, tmp_path / "a")
    added = extend(loaded, [*LABELS, "𠮷"])
    write_tokens(added, tmp_path)
    assert read_tokens(tmp_path) == added
    said = json.loads((tmp_path / TOKENS_FILE).read_text(encoding="utf-8"))
    assert said["tokens"][0].keys() == {"string", "id", "initialised_from"}
    assert said["vocabulary"] == len(loaded.tokenizer)

    _, again = opened(make_llama, tmp_path / "b")
    restore(again, added, {})
    wanted = loaded.model.state_dict()
    assert all(torch.equal(w, wanted[name]) for name, w in again.model.state_dict().items())


def test_a_tokenizer_that_has_other_tokens_by_now_is_refused(tmp_path: Path) -> None:
    _, loaded = opened(make_t5, tmp_path / "a")
    added = extend(loaded, ["😂", "🇯🇵"])
    _, other = opened(make_t5, tmp_path / "b")
    other.tokenizer.add_tokens(["新しい"])
    size = len(other.tokenizer)
    with pytest.raises(InputError) as caught:
        restore(other, added, {"path": "run", "base": "base"})
    assert caught.value.problems[0].code == "vocabulary.id-taken"
    assert "新しい" in str(caught.value)
    assert len(other.tokenizer) == size

    _, other = opened(make_t5, tmp_path / "c")
    short = type(added)(added.tokens[1:], *(getattr(added, n) for n in added.__slots__[1:]))
    with pytest.raises(InputError) as caught:
        restore(other, short, {"path": "run", "base": "base"})
    assert caught.value.problems[0].code == "vocabulary.ids-differ"


def test_a_broken_manifest(tmp_path: Path) -> None:
    assert read_tokens(tmp_path) is None
    for broken in ("{", "{}", '{"schema": 1, "tokens": [{}]}'):
        (tmp_path / TOKENS_FILE).write_text(broken)
        with pytest.raises(InputError) as caught:
            read_tokens(tmp_path)
        assert caught.value.problems[0].code == "model.broken-record"


def test_labels_that_would_be_lost_are_all_named_at_once() -> None:
    (problem,) = check_round_trip(t5_tokenizer(), ["😀", "😂", "笑顔", "𠮷", "あ  い"])
    assert problem.code == "vocabulary.unwritable"
    said = str(problem)
    assert problem.fields["count"] == 3
    assert all(lost in said for lost in ("😂", "𠮷", "あ  い → あ い", "add_tokens: labels"))
    assert "😀" not in said
    assert "笑顔" not in said


def test_adding_the_labels_mends_it(tmp_path: Path) -> None:
    _, loaded = opened(make_t5, tmp_path)
    labels = ["😀", "😂", "笑顔", "𠮷", "あ  い"]
    assert check_round_trip(loaded.tokenizer, labels)
    extend(loaded, labels)
    assert check_round_trip(loaded.tokenizer, labels) == []


def test_a_label_that_is_a_special_token() -> None:
    (problem,) = check_round_trip(make_tokenizer(), ["😀", "<pad>", "a<eos>"])
    assert problem.code == "vocabulary.special"
    assert problem.fields["labels"] == "<pad>, a<eos>"


def test_answers_that_would_be_lost() -> None:
    (problem,) = check_round_trip(t5_tokenizer(), ["😀"], ["😀", "😀 笑顔", "😀😂"])
    assert problem.code == "vocabulary.answers-unwritable"
    assert problem.fields["answers"] == "😀😂"
    assert str(problem)


def test_byte_fallback_loses_nothing() -> None:
    assert check_round_trip(make_tokenizer(), [*LABELS, "国際/政治", "𠮷"], ["😀😂 ❤️"]) == []
