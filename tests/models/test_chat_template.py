from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from tests.conftest import make_tokenizer

from kunren.errors import InputError
from kunren.models.chat_template import (
    end_of_turn,
    ensure_chat_template,
    merge_system,
    render,
    stop_at_turns,
)
from kunren.types import Message, Where

SYSTEM, USER = Message("system", "絵文字で"), Message("user", " 今日は \n")
ANSWER, AGAIN = Message("assistant", "😀"), Message("user", "では")


def with_tokens(*tokens: str, eos: str | None = "</s>", bos: str | None = None) -> Any:
    """A tokenizer with other special tokens than Gemma's."""
    from tokenizers import Tokenizer, models

    special = [*tokens, *(t for t in (eos, bos) if t)]
    vocabulary = {token: n for n, token in enumerate([*special, "<unk>"])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.add_special_tokens(special)
    make: Any = import_module("transformers").PreTrainedTokenizerFast
    return make(tokenizer_object=backend, eos_token=eos, bos_token=bos, unk_token="<unk>")


@pytest.fixture
def gemma() -> Any:
    tokenizer = make_tokenizer()
    assert ensure_chat_template(tokenizer) == "gemma"
    return tokenizer


def test_gemma_turns(gemma: Any) -> None:
    assert render(gemma, [SYSTEM, USER, ANSWER, AGAIN], add_generation_prompt=True) == (
        "<bos><start_of_turn>user\n絵文字で\n\n今日は<end_of_turn>\n"
        "<start_of_turn>model\n😀<end_of_turn>\n"
        "<start_of_turn>user\nでは<end_of_turn>\n"
        "<start_of_turn>model\n"
    )
    assert render(gemma, [USER, ANSWER], add_generation_prompt=False) == (
        "<bos><start_of_turn>user\n今日は<end_of_turn>\n<start_of_turn>model\n😀<end_of_turn>\n"
    )


def test_a_prompt_is_the_beginning_of_its_training_row(gemma: Any) -> None:
    for tokenizer in (gemma, with_tokens("<|im_start|>", "<|im_end|>"), with_tokens(bos="<s>")):
        ensure_chat_template(tokenizer)
        for turns in ([SYSTEM, USER], [USER], [SYSTEM, USER, ANSWER, AGAIN]):
            prompt = render(tokenizer, turns, add_generation_prompt=True)
            row = render(tokenizer, [*turns, ANSWER], add_generation_prompt=False)
            assert row.startswith(prompt + "😀")


def test_gemma_refuses_turns_that_do_not_alternate(gemma: Any) -> None:
    with pytest.raises(InputError) as caught:
        render(gemma, [USER, AGAIN], add_generation_prompt=True, where=Where("a.jsonl", 3))
    assert caught.value.problems[0].code == "model.template-refused"
    assert str(caught.value).startswith("a.jsonl:3: ")
    assert "alternate" in str(caught.value)


def test_chatml() -> None:
    tokenizer = with_tokens("<|im_start|>", "<|im_end|>")
    assert ensure_chat_template(tokenizer) == "chatml"
    assert render(tokenizer, [SYSTEM, AGAIN], add_generation_prompt=True) == (
        "<|im_start|>system\n絵文字で<|im_end|>\n"
        "<|im_start|>user\nでは<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(("bos", "begin"), [(None, ""), ("<s>", "<s>")])
def test_plain(bos: str | None, begin: str) -> None:
    tokenizer = with_tokens(bos=bos)
    assert ensure_chat_template(tokenizer) == "plain"
    assert render(tokenizer, [SYSTEM, USER, ANSWER, AGAIN], add_generation_prompt=True) == (
        f"{begin}絵文字で\n\n"
        "### 質問:\n今日は\n\n### 回答:\n😀</s>\n\n"
        "### 質問:\nでは\n\n### 回答:\n"
    )


def test_plain_needs_an_end() -> None:
    with pytest.raises(InputError) as caught:
        ensure_chat_template(with_tokens(eos=None))
    assert caught.value.problems[0].code == "model.no-end-token"


MINE = "{% for m in messages %}{{ m.content }}|{% endfor %}"


def test_a_template_of_its_own_is_kept() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = MINE
    assert ensure_chat_template(tokenizer) is None
    assert tokenizer.chat_template == MINE


@pytest.mark.parametrize(
    "rule",
    [
        "{% if message['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}",
        "{% if message['role'] == 'system' %}{% continue %}{% endif %}",  # drops it silently
    ],
)
def test_a_system_message_that_the_template_refuses_is_merged(rule: str) -> None:
    tokenizer = with_tokens()
    tokenizer.chat_template = (
        "{% for message in messages %}" + rule + "[{{ message['content'] }}]{% endfor %}"
    )
    assert render(tokenizer, [SYSTEM, AGAIN, ANSWER], False) == "[絵文字で\n\nでは][😀]"
    assert render(tokenizer, [AGAIN, ANSWER], False) == "[では][😀]"


def test_merge_system() -> None:
    assert merge_system([SYSTEM, AGAIN, ANSWER]) == (Message("user", "絵文字で\n\nでは"), ANSWER)
    assert merge_system([SYSTEM, ANSWER]) == (Message("user", "絵文字で"), ANSWER)
    assert merge_system([SYSTEM]) == (Message("user", "絵文字で"),)
    assert merge_system([USER]) == (USER,)
    assert merge_system([]) == ()


def test_the_template_survives_saving(gemma: Any, tmp_path: Any) -> None:
    from transformers import AutoTokenizer

    gemma.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    turns = [SYSTEM, USER, ANSWER]
    assert render(again, turns, False) == render(gemma, turns, False)


def test_end_of_turn(gemma: Any) -> None:
    assert end_of_turn(gemma) == gemma.convert_tokens_to_ids("<end_of_turn>")
    plain = with_tokens()
    ensure_chat_template(plain)
    assert end_of_turn(plain) == plain.eos_token_id
    spaced = with_tokens()
    spaced.chat_template = "{% for m in messages %}{{ m['content'] + ' ' + eos_token }}{% endfor %}"
    assert end_of_turn(spaced) == spaced.eos_token_id


def test_only_a_special_token_stops_generation() -> None:
    class Model:
        class generation_config:  # noqa: N801
            eos_token_id: Any = 1

    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] + 'X' }}{% endfor %}"
    stop_at_turns(Model, tokenizer)  # type: ignore[arg-type]
    assert Model.generation_config.eos_token_id == [1]
    tokenizer.chat_template = None
    ensure_chat_template(tokenizer)
    stop_at_turns(Model, tokenizer)  # type: ignore[arg-type]
    assert Model.generation_config.eos_token_id == [1, 5]
