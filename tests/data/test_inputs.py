"""What is to be predicted: read as all other data is, an answer not required, bad rows in place."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kunren.config.schema import Fields
from kunren.data.formats import Form
from kunren.data.inputs import BadLine, Input, Inputs, read_inputs
from kunren.data.records import Manner
from kunren.errors import InputError

TEXTS = ["一つ目の文", "二つ目,と\tの文", "三つ目の文"]
ROWS = [{"id": f"r{n}", "text": text} for n, text in enumerate(TEXTS)]


def load(content: str | bytes, name: str = "-", form: Form | None = None) -> Inputs:
    raw = content.encode() if isinstance(content, str) else content
    return read_inputs(raw, name, Manner(Fields(), answered=False), form)


def read(content: str | bytes, name: str = "-", form: Form | None = None) -> list[Input | BadLine]:
    return list(load(content, name, form).rows)


def said(found: Input | BadLine) -> str:
    return found.messages[-1].content if isinstance(found, Input) else found.problem.code


def refused(content: str | bytes, name: str, form: Form | None = None) -> list[str]:
    with pytest.raises(InputError) as stopped:
        read(content, name, form)
    return [problem.code for problem in stopped.value.problems]


def parquet() -> bytes:
    held = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), held)
    return held.getvalue()


JSONL = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
TSV = "id\ttext\n" + "\n".join(f'{r["id"]}\t"{r["text"]}"' for r in ROWS)
CSV = "id,text\n" + "\n".join(f'{r["id"]},"{r["text"]}"' for r in ROWS)

SAME: dict[str, tuple[str, str | bytes, list[int]]] = {
    "JSONL": ("a.jsonl", JSONL, [1, 2, 3]),
    "an array": ("a.json", json.dumps(ROWS), [1, 1, 1]),
    "an array over lines": ("a.json", json.dumps(ROWS, indent=1), [2, 6, 10]),
    "objects over lines": ("a.jsonl", "\n".join(json.dumps(r, indent=1) for r in ROWS), [1, 5, 9]),
    "JSON on standard input": ("-", json.dumps(ROWS), [1, 1, 1]),
    "JSON with a mark": ("a.jsonl", "\ufeff" + JSONL, [1, 2, 3]),
    "CSV": ("a.csv", CSV, [2, 3, 4]),
    "CSV with spaces": ("a.csv", CSV.replace("id,text", "id , text"), [2, 3, 4]),
    "CSV, semicolons": ("a.csv", CSV.replace(',"', ';"').replace("id,", "id;"), [2, 3, 4]),
    "CSV below a title": ("a.csv", "質問一覧,\n" + CSV, [3, 4, 5]),
    "CSV, full width": ("a.csv", CSV.replace("text", "ｔｅｘｔ"), [2, 3, 4]),
    "CSV on standard input": ("-", CSV, [2, 3, 4]),
    "TSV": ("a.tsv", TSV, [2, 3, 4]),
    "TSV in a text file": ("a.txt", TSV, [2, 3, 4]),
    "gzip": ("a.jsonl.gz", gzip.compress(JSONL.encode()), [1, 2, 3]),
    "Parquet": ("a.parquet", parquet(), [1, 2, 3]),
}


@pytest.mark.parametrize("case", SAME)
def test_all_formats_say_the_same(case: str) -> None:
    name, content, lines = SAME[case]
    found = read(content, name)
    assert [said(f) for f in found] == TEXTS
    assert [f.id for f in found] == ["r0", "r1", "r2"]
    assert [f.line for f in found] == lines


def test_plain_lines_keep_their_order_and_their_numbers() -> None:
    found = read("一つ目\n\n 二つ目 \r\n三つ目")
    assert [(f.line, said(f)) for f in found] == [(1, "一つ目"), (3, "二つ目"), (4, "三つ目")]
    assert [said(f) for f in read("text\n[笑]です\n", "a.txt")] == ["text", "[笑]です"]
    assert [said(f) for f in read('{"text": "あ"}', "a.txt", "lines")] == ['{"text": "あ"}']


def test_bad_lines_stand_in_their_place() -> None:
    lines = [
        '{"text": "あ", "id": 7}',
        '{"text": }',
        '{"txt": "い", "id": "x"}',
        '{"text": " "}',
        "[1]",
        '{"text": "う\\ud83d"}',
        '{"text": "' + "[" * 10 + '"}',
        '{"text": "え", "x": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"text": 3}',
        '{"text": "お"}',
    ]
    found = read("\n".join(lines))
    assert [f.line for f in found] == list(range(1, 11))
    assert [said(f) for f in found] == [
        "あ", "data.broken-json", "data.missing-field-near", "data.empty-text",
        "data.not-an-object", "data.garbled", "[" * 10, "data.json-too-deep", "3",
        "お",
    ]  # fmt: skip
    assert [f.id for f in found[:3]] == ["7", None, "x"]
    assert isinstance(found[2], BadLine)
    assert "--field" in str(found[2].problem)  # there is no config that one could mend


@pytest.mark.parametrize(("name", "comma"), [("a.csv", ","), ("a.tsv", "\t")])
def test_bad_rows_of_tables(name: str, comma: str) -> None:
    rows = ["id,text", '1,"あ\nい"', "2,う", "3,", "4,え,お", "5", "6,nan", "7,か"]
    found = read("\n".join(rows).replace(",", comma), name)
    assert [(f.line, said(f)) for f in found] == [
        (2, "あ\nい"), (4, "う"), (5, "data.empty-text"), (6, "data.too-many-cells"),
        (7, "data.too-few-cells"), (8, "data.missing-word"), (9, "か"),
    ]  # fmt: skip


def test_a_stray_quote_costs_one_row_of_a_csv_and_none_of_a_tsv() -> None:
    texts = [f"これは{n}つ目の長い文" for n in range(9)]
    rows = [f"{n},{text}" for n, text in enumerate(texts)]
    rows[3] = rows[3].replace(",", ',"')
    found = read("id,text\n" + "\n".join(rows), "a.csv")
    assert [said(f) for f in found] == [*texts[:3], "data.open-quote", *texts[4:]]
    loaded = load("id\ttext\n" + "\n".join(rows).replace(",", "\t"), "a.tsv")
    assert [said(f) for f in loaded.rows] == [*texts[:3], f'"{texts[3]}', *texts[4:]]
    assert [note.code for note in loaded.notes] == ["data.quotes-as-text"]


def test_a_conversation_leaves_out_the_answer_at_its_end() -> None:
    line = (
        '{"messages": [{"role": "user", "content": "あ"}, {"role": "assistant", "content": "😀"},'
        ' {"role": "user", "content": "い"}, {"role": "assistant", "content": %s}]}'
    )
    for answer in ('"😢"', '""', "null"):
        (found,) = read(line % answer)
        assert isinstance(found, Input)
        assert [m.content for m in found.messages] == ["あ", "😀", "い"]
    (found,) = read('{"messages": [{"role": "user", "content": "あ"}]}')
    assert said(found) == "あ"


@pytest.mark.parametrize(
    "line",
    [
        '{"messages": [{"role": "人", "content": "あ"}]}',
        '{"messages": [{"role": "user"}]}',
        '{"messages": ["あ"]}',
        '{"messages": []}',
        '{"messages": [{"role": "assistant", "content": "あ"}]}',
        '{"messages": [{"role": "system", "content": "あ"}]}',
    ],
)
def test_a_conversation_that_is_none_is_a_bad_line(line: str) -> None:
    good = '{"messages": [{"role": "user", "content": "あ"}]}'
    assert [type(one) for one in read(f"{line}\n{good}")] == [BadLine, Input]


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.csv", "本文,label\nあ,い\nう,え\n", 1),
        ("a.csv", "本文,label\nあ,い\n", 1),
        ("a.csv", "題,\n本文,label\nあ,い\n", 2),
        ("a.jsonl", '{"本文": "あ"}\n{"本文": "い"}', None),
        ("a.json", '[{"本文": "あ"}]', None),
        ("a.jsonl", '{"本文": "あ"}\n{"x": "い"}', None),
    ],
)
def test_without_the_text_column_nothing_is_predicted(
    name: str, content: str, line: int | None
) -> None:
    with pytest.raises(InputError) as stopped:
        read(content, name)
    (problem,) = stopped.value.problems
    assert problem.code == "cli.predict-no-column"
    assert problem.where is not None
    assert problem.where.line == line
    assert "本文" in str(problem.fields["found"])
    assert "--field" in str(problem)


def test_a_column_of_nearly_that_name_is_named() -> None:
    assert refused("Text,label\nあ,い\n", "a.csv") == ["cli.predict-no-column-near"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.csv", "text,label\nあ,い\n".encode("cp932"), "data.wrong-encoding"),
        ("a.jsonl", '{"text": "日本語の文"}'.encode("cp932"), "data.wrong-encoding"),
        ("a.csv", "番号,本文\n1,あ\n".encode("cp932"), "data.wrong-encoding"),
        ("a.txt", "あいう\nえお".encode("utf-16"), "data.wrong-encoding"),
        ("a.jsonl", "", "data.empty-file"),
        ("a.txt", " \n\n", "data.empty-file"),
        ("-", "", "data.empty-file"),
        ("a.csv", "text,label\n", "data.no-rows"),
        ("a.json", "[]", "data.no-rows"),
        ("a.csv", "text,text\nあ,い\n", "data.duplicate-column"),
        ("a.yaml", "name: a\n", "data.unknown-format"),
        ("a.jsonl", "version https://git-lfs.github.com/spec/v1\nsize 1\n", "data.lfs-pointer"),
        ("a.txt", "<!DOCTYPE html><html></html>", "data.web-page"),
        ("a.jsonl", "{broken\n{broken", "data.broken-json"),
        ("a.csv", "text\n#N/A\n", "data.missing-word"),
    ],
)
def test_what_cannot_be_read_at_all(name: str, content: str | bytes, code: str) -> None:
    assert set(refused(content, name)) == {code}


def test_a_line_that_is_not_utf_8_is_bad_and_the_others_are_read() -> None:
    found = read("あ\n".encode() + "日本語\n".encode("cp932") + "い\n".encode())
    assert [said(f) for f in found] == ["あ", "data.garbled", "い"]


def test_further_columns_are_there_for_templates() -> None:
    (found,) = read('{"text": "あ", "title": "題", "year": 2025, "memo": null}')
    assert isinstance(found, Input)
    assert found.fields == {"text": "あ", "title": "題", "year": "2025", "memo": ""}
    (found,) = read("text,title\nあ,題\n", "a.csv")
    assert isinstance(found, Input)
    assert found.fields == {"text": "あ", "title": "題"}
    (found,) = read("あ", form="lines")
    assert isinstance(found, Input)
    assert found.fields == {"text": "あ"}
