from __future__ import annotations

import json
from pathlib import Path

import pytest

from kunren.config.schema import DataConfig, Fields
from kunren.data import marks
from kunren.data.read import read, read_files
from kunren.data.records import LIST_SEPARATOR, Manner, read_record
from kunren.types import Message, Where

TURNS = [("user", "琵琶湖はどこですか。"), ("assistant", "滋賀県です。")]


@pytest.mark.parametrize(
    "typed",
    [
        "<bos><start_of_turn>user\n琵琶湖はどこですか。<end_of_turn>\n"
        "<start_of_turn>model\n滋賀県です。<end_of_turn>\n",
        "<|im_start|>user\n琵琶湖はどこですか。<|im_end|>\n<|im_start|>assistant\n滋賀県です。<|im_end|>",
        "<s>[INST] 琵琶湖はどこですか。 [/INST] 滋賀県です。 </s>",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n琵琶湖はどこですか。<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n滋賀県です。<|eot_id|>",
        "<|user|>\n琵琶湖はどこですか。<|end|>\n<|assistant|>\n滋賀県です。<|end|>",
        "<｜begin▁of▁sentence｜><｜User｜>琵琶湖はどこですか。<｜Assistant｜>滋賀県です。"
        "<｜end▁of▁sentence｜>",
    ],
)
def test_a_whole_conversation_is_read_by_its_marks(typed: str) -> None:
    assert marks.conversation(typed) == TURNS
    content = read_record({"text": typed}, Manner(Fields()), Where("a.jsonl", 1))
    assert content.messages == tuple(Message(r, said) for r, said in TURNS)  # type: ignore[arg-type]
    assert content.chat


def test_a_system_prompt_between_marks_is_one() -> None:
    typed = "[INST] <<SYS>>\n短く。\n<</SYS>>\n\n一年は？ [/INST] 十二か月。 </s>"
    assert marks.conversation(typed) == [
        ("system", "短く。"),
        ("user", "一年は？"),
        ("assistant", "十二か月。"),
    ]


@pytest.mark.parametrize(
    "text",
    ["<s>打ち消し</s>です。", "a < b", "[1] と [2]", "<start_of_turn>user\n一人だけ", ""],
)
def test_what_is_no_conversation(text: str) -> None:
    assert marks.conversation(text) == []


def test_marks_are_taken_out_and_all_else_stays() -> None:
    assert marks.stripped("富士山です。<end_of_turn>\n") == "富士山です。"
    assert marks.stripped("<start_of_turn>user\n山は？<end_of_turn>\n<start_of_turn>model\n") == (
        "山は？"
    )
    for kept in (" 空白 ", "<b>太字</b>", "[MASK]です", "<s>線</s>の書き方", "<think>\n</think>"):
        assert marks.stripped(kept) == kept


def test_rows_with_and_without_marks_are_the_same_once_stripped(tmp_path: Path) -> None:
    pairs = [("山は？", "富士山です。"), ("湖は？", "琵琶湖です。")]
    rows = {
        "plain": [{"text": q, "label": a} for q, a in pairs],
        "typed": [
            {
                "text": f"<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n",
                "label": f"{a}<|im_end|>",
            }
            for q, a in pairs
        ],
    }  # fmt: skip
    said = {}
    for name, some in rows.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(json.dumps(r) for r in some), encoding="utf-8")
        files = read_files(DataConfig(train=str(path), strip_marks=True), tmp_path)
        said[name] = [row.messages for row in files.train]
    assert said["plain"] == said["typed"]
    (noted,) = read(tmp_path / "typed.jsonl", Manner(Fields(), strip_marks=True)).notes
    assert (noted.code, noted.fields["rows"]) == ("notes.marks-stripped", 2)


def test_earlier_turns_typed_into_a_question_become_turns() -> None:
    asked = (
        "<start_of_turn>user\n山は？<end_of_turn>\n<start_of_turn>model\n富士山です。<end_of_turn>\n"
        "<start_of_turn>user\n高さは？<end_of_turn>\n<start_of_turn>model\n"
    )
    made = marks.without_marks(
        [Message("user", asked), Message("assistant", "3776 m です。<eos>")], LIST_SEPARATOR
    )
    assert [(m.role, m.content) for m in made] == [
        ("user", "山は？"),
        ("assistant", "富士山です。"),
        ("user", "高さは？"),
        ("assistant", "3776 m です。"),
    ]


def test_labels_of_a_list_keep_their_separator() -> None:
    answer = Message("assistant", f"東京 駅<|im_end|>{LIST_SEPARATOR}")
    (made,) = marks.without_marks([answer], LIST_SEPARATOR)
    assert made.content == f"東京 駅{LIST_SEPARATOR}"
