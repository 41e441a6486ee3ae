"""JSON that people have: too deep, too long, half a character, other line ends, joined files."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kunren.config.schema import Fields
from kunren.data.formats import Parsed, Wanted, parse
from kunren.data.json_records import DEEPEST
from kunren.data.read import read

WANTED = Wanted(("text", "label"), ("id", "messages"), "messages")
GOOD = '{"text": "あ", "label": "い"}'


def told(parsed: Parsed) -> list[tuple[str, int | None]]:
    found = [(p.code.removeprefix("data."), p.where) for p in parsed.problems]
    return [(code, where.line if where else None) for code, where in found]


def take(content: str, name: str = "a.jsonl") -> Parsed:
    return parse(content.encode("utf-8", "surrogatepass"), name, WANTED)


def nested(depth: int, brackets: str = "[]") -> str:
    return brackets[0] * depth + brackets[1] * depth


# --- nesting and numbers ---


@pytest.mark.parametrize("depth", [DEEPEST, 300, 900, 1_000, 5_000, 200_000])
@pytest.mark.parametrize("kind", ["[", "{"])
def test_deep_nesting_is_one_message_with_its_line(depth: int, kind: str) -> None:
    inner = nested(depth) if kind == "[" else '{"a":' * depth + "1" + "}" * depth
    deep = f'{{"text": "あ", "label": "い", "x": {inner}}}'
    assert told(take(f"{GOOD}\n{deep}\n{GOOD}")) == [("json-too-deep", 2)]
    array = take(f"[\n{GOOD},\n{deep},\n{GOOD}\n]", "a.json")
    assert told(array) == [("json-too-deep", 3)]
    assert [record.line for record in array.records] == [2, 4]
    on_one_line = take(f"[{GOOD}, {deep}, {GOOD}]", "a.json")
    assert (told(on_one_line), len(on_one_line.records)) == ([("json-too-deep", 1)], 2)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "[\n" + "[" * 100_000])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_brackets_that_are_never_closed(content: str, name: str) -> None:
    assert [code for code, _ in told(take(content, name))] == ["json-too-deep"]


def test_what_is_deep_enough_for_tools_is_read() -> None:
    parsed = take(f'{{"text": "あ", "label": "い", "tools": {nested(DEEPEST - 1)}}}')
    assert not parsed.problems


def test_numbers_of_thousands_of_digits() -> None:
    long = f'{{"text": "あ", "label": "い", "n": {"9" * 5_000}}}'
    assert told(take(f"{long}\n{GOOD}")) == [("json-long-number", 1)]
    array = take(f"[{long}, {GOOD}]", "a.json")
    assert (told(array), len(array.records)) == ([("json-long-number", 1)], 1)


def test_nan_is_no_value_and_infinity_a_number() -> None:
    parsed = take('{"text": "あ", "label": "い", "n": NaN, "m": -Infinity}')
    assert parsed.records[0].value == {"text": "あ", "label": "い", "n": None, "m": float("-inf")}


def test_a_cell_of_ten_megabytes() -> None:
    huge = json.dumps({"text": "あ" * 3_500_000, "label": "い"}, ensure_ascii=False)
    assert not take(f"{GOOD}\n{huge}\n").problems
    assert len(take(f"text,label\n{'あ' * 3_500_000},い\n", "a.csv").records) == 1


@pytest.mark.parametrize(
    "content",
    [
        "[\n" + ",\n".join(["{'text': 'あ'}"] * 20_000) + "\n]",
        "[\n" + ",\n".join(['{"text": "あ}'] * 20_000) + "\n]",
        "{\n" + "\n}\n{\n".join([" 'text': 'あ'"] * 20_000) + "\n}",
        "[" + ",".join([f'{{"x": {nested(150)}}}'] * 5_000) + "]",
        "[" + " ".join(['{"text": "あ"}'] * 20_000) + "]",
    ],
    ids=["quotes", "open strings", "objects", "deep", "no commas"],
)
def test_thousands_of_mistakes_do_not_take_forever(content: str) -> None:
    begun = time.monotonic()
    assert take(content, "a.json").problems
    # Each was once looked for from the beginning of the file: minutes.
    assert time.monotonic() - begun < 30


# --- half a character ---


def test_half_a_character_in_a_text_is_told_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"text": "あ\\ud83d", "label": "い"}\n'
        '{"text": "\\ud83d\\ude00", "label": "い"}\n'
        '{"text": "う", "label": "\\uDE00"}\n'
        '{"messages": [{"role": "user", "content": "\\ud83d"},'
        ' {"role": "assistant", "content": "い"}]}\n',
        "utf-8",
    )
    found = read(path, Fields())
    assert [(p.code, p.where.line) for p in found.problems if p.where] == [
        ("data.garbled", 1), ("data.garbled", 3), ("data.garbled", 4),
    ]  # fmt: skip
    assert [row.messages[0].content for row in found.rows] == ["😀"]


def test_elsewhere_it_is_replaced_and_told() -> None:
    parsed = take(
        '{"text": "あ", "label": "い", "id": "\\ud83d1", "user": {"name": ["a\\udc00"]}}\n'
        f'{GOOD}\n{{"text": "う", "label": "い", "\\ud83d": 1}}'
    )
    assert not parsed.problems
    values = [record.value for record in parsed.records]
    assert values[0] == {
        "text": "あ", "label": "い", "id": "\ufffd1", "user": {"name": ["a\ufffd"]},
    }  # fmt: skip
    assert values[2] == {"text": "う", "label": "い", "\ufffd": 1}
    (note,) = parsed.notes
    assert (note.code, note.fields) == ("data.half-characters", {"count": 2, "lines": "1, 3"})
    json.dumps(values, ensure_ascii=False).encode()  # can be written again


# --- lines ---


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    assert [r.line for r in take(end.join([GOOD] * 3) + end).records] == [1, 2, 3]
    array = take("[" + end + f",{end}".join([GOOD] * 3) + end + "]", "a.json")
    assert [r.line for r in array.records] == [2, 3, 4]


def test_what_other_programs_take_for_a_line_end_is_text() -> None:
    parsed = take('{"text": "あ\u2028い\u2029う\x85", "label": "い"}\n' + GOOD)
    assert [r.line for r in parsed.records] == [1, 2]


def test_joined_files_have_marks_in_the_middle() -> None:
    content = f"\ufeff{GOOD}\n\ufeff{GOOD}\n\ufeff\ufeff{GOOD}"
    assert len(take(content).records) == 3
    # Within a string it is left alone.
    assert take('\ufeff{"text": "a\ufeffb"}').records[0].value == {"text": "a\ufeffb"}


@pytest.mark.parametrize("text", ["[笑] 今日は晴れ", "{笑}", "[ ]内に記入", "{}", "[1] 参照"])
def test_a_text_that_begins_with_a_bracket_is_a_text(text: str) -> None:
    parsed = parse(f"{text}\nほかの行\n".encode(), "-", Wanted(("text",)), plain=True)
    if text == "{}":
        assert not parsed.plain  # that is JSON
    else:
        assert [record.value for record in parsed.records] == [text, "ほかの行"]


# --- Parquet ---


def test_a_cell_that_is_not_utf_8(tmp_path: Path) -> None:
    held = pa.array([b"\xe3\x81\x82", b"\xff\xfe", b"\xe3\x81\x84"], pa.binary())
    offsets, data = held.buffers()[1], held.buffers()[2]
    texts = pa.Array.from_buffers(pa.string(), 3, [None, offsets, data])
    pq.write_table(pa.table({"text": texts, "label": ["a", "b", "a"]}), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet", Fields())
    assert [row.where.line for row in found.rows] == [1, 3]
    assert [(p.code, p.where.line) for p in found.problems if p.where] == [("data.broken-cell", 2)]


def test_a_cut_file_and_one_that_would_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["あ"] * 1000, "label": ["い"] * 1000}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert [p.code for p in read(path, Fields()).problems] == ["data.broken-parquet"]
    many = pa.DictionaryArray.from_arrays(pa.array([0] * 30_000_000, pa.int8()), ["あ"])
    pq.write_table(pa.table({"text": many}), path)
    assert path.stat().st_size < 2**20
    assert [p.code for p in read(path, Fields()).problems] == ["data.too-large"]


# --- encodings ---


def test_broken_lines_among_whole_ones_are_told_one_by_one(tmp_path: Path) -> None:
    broken = '{"text": "日本語", "label": "い"}'.encode("cp932")
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([GOOD.encode(), broken, GOOD.encode()]))
    found = read(path, Fields())
    assert {p.where.line for p in found.problems if p.where} == {2}
    assert len(found.rows) == 2


def test_utf_32_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for encoding in ("utf-32", "utf-32-be"):
        mark = b"" if encoding == "utf-32" else b"\0\0\xfe\xff"
        path.write_bytes(mark + "text,label\nあ,い\n".encode(encoding))
        (problem,) = read(path, Fields()).problems
        assert (problem.code, problem.fields["encoding"]) == ("data.wrong-encoding", "UTF-32")
