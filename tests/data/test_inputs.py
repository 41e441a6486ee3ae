from __future__ import annotations

import io

import pytest

from kunren.config.schema import Fields
from kunren.data.inputs import BadLine, Input, InputFormat, read_inputs
from kunren.errors import InputError


def read(
    content: str | bytes, name: str = "-", format_: InputFormat | None = None
) -> list[Input | BadLine]:
    raw = content.encode() if isinstance(content, str) else content
    return list(read_inputs(io.BytesIO(raw), name, Fields(), format_))


def said(found: Input | BadLine) -> str:
    return found.messages[-1].content if isinstance(found, Input) else str(found.problem)


def test_plain_lines_keep_their_order_and_their_numbers() -> None:
    found = read("一つ目\n\n 二つ目 \r\n三つ目")
    assert [(f.line, said(f)) for f in found] == [(1, "一つ目"), (3, "二つ目"), (4, "三つ目")]


def test_jsonl_is_known_by_its_first_line_and_goes_on_past_bad_ones() -> None:
    found = read(
        '{"text": "あ", "id": 7}\n{"text": }\n{"txt": "い"}\n{"text": " "}\n[1]\n{"text": "う"}'
    )
    assert [type(f) for f in found] == [Input, BadLine, BadLine, BadLine, BadLine, Input]
    assert [f.line for f in found] == [1, 2, 3, 4, 5, 6]
    assert isinstance(found[0], Input)
    assert found[0].id == "7"
    assert "txt" in said(found[2])


def test_a_conversation_leaves_out_the_answer_at_its_end() -> None:
    line = (
        '{"messages": [{"role": "user", "content": "あ"}, {"role": "assistant", "content": "😀"},'
        ' {"role": "user", "content": "い"}, {"role": "assistant", "content": "😢"}]}'
    )
    (found,) = read(line)
    assert isinstance(found, Input)
    assert [m.content for m in found.messages] == ["あ", "😀", "い"]


@pytest.mark.parametrize(
    "line",
    [
        '{"messages": [{"role": "人", "content": "あ"}]}',
        '{"messages": [{"role": "user"}]}',
        '{"messages": ["あ"]}',
        '{"messages": []}',
        '{"messages": [{"role": "assistant", "content": "あ"}]}',
    ],
)
def test_a_conversation_that_is_none_is_a_bad_line(line: str) -> None:
    (found,) = read(line)
    assert isinstance(found, BadLine)


@pytest.mark.parametrize(("name", "comma"), [("a.csv", ","), ("a.tsv", "\t")])
def test_tables_with_line_breaks_in_their_cells(name: str, comma: str) -> None:
    found = read(f'\ufeffid{comma}text\n1{comma}"あ\nい"\n2{comma}う\n3{comma}\n', name)
    assert [(f.line, said(f)) for f in found[:2]] == [(2, "あ\nい"), (4, "う")]
    assert isinstance(found[2], BadLine)


def test_a_table_without_the_text_column_says_which_there_are() -> None:
    with pytest.raises(InputError, match="本文") as error:
        read("本文,label\nあ,い\n", "a.csv")
    assert str(error.value).startswith("a.csv:1")


def test_a_line_that_is_not_utf_8_is_bad_and_the_others_are_read() -> None:
    found = read("あ\n".encode() + "日本語\n".encode("cp932") + "い\n".encode())
    assert [type(f) for f in found] == [Input, BadLine, Input]
    assert "UTF-8" in said(found[1])


def test_further_columns_are_there_for_templates() -> None:
    (found,) = read('{"text": "あ", "title": "題", "year": 2025, "memo": null}')
    assert isinstance(found, Input)
    assert found.fields == {"text": "あ", "title": "題", "year": "2025", "memo": ""}
    (found,) = read("text,title\nあ,題\n", "a.csv")
    assert isinstance(found, Input)
    assert found.fields == {"text": "あ", "title": "題"}
    (found,) = read("あ", format_="lines")
    assert isinstance(found, Input)
    assert found.fields == {"text": "あ"}
