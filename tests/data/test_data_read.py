"""Reading data files: what becomes a row, and what is told, where, and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kunren.config.schema import DataConfig, Fields
from kunren.data.read import Files, Read, capped, read, read_files
from kunren.data.records import LIST_SEPARATOR
from kunren.errors import Problem
from kunren.types import Message, Where

GOOD = '{"text": "あ", "label": "😀"}'


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def chat(*turns: tuple[str, object]) -> str:
    messages = [{"role": role, "content": content} for role, content in turns]
    return json.dumps({"messages": messages}, ensure_ascii=False)


def contents(found: Read) -> list[tuple[int | None, list[str]]]:
    return [(row.where.line, [m.content for m in row.messages]) for row in found.rows]


def good(folder: Path, name: str, content: str | bytes, fields: Fields | None = None) -> Read:
    found = read(put(folder, name, content), fields or Fields())
    assert not found.problems, [str(p) for p in found.problems]
    return found


# --- groups ---


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,label,user\nあ,a,u1\nい,b, u1 \nう,a,\nえ,b,7\n"),
        (
            "a.jsonl",
            '{"text": "あ", "label": "a", "user": "u1"}\n'
            '{"text": "い", "label": "b", "user": "u1 "}\n'
            '{"text": "う", "label": "a", "user": null}\n'
            '{"text": "え", "label": "b", "user": 7}\n',
        ),
        (
            "a.jsonl",
            "\n".join(
                json.dumps({**json.loads(chat(("user", "あ"), ("assistant", "a"))), "user": user})
                for user in ("u1", "u1", None, 7)
            ),
        ),
    ],
)
def test_rows_know_their_group(tmp_path: Path, name: str, content: str) -> None:
    found = good(tmp_path, name, content, Fields(group="user"))
    assert [row.group for row in found.rows] == ["u1", "u1", None, "7"]
    assert {row.group for row in good(tmp_path, name, content).rows} == {None}


def test_groups_that_pandas_stored_as_floats(tmp_path: Path) -> None:
    table = pa.table({"text": ["あ", "い", "う"], "label": ["a", "b", "a"], "g": [3.0, None, 3.0]})
    pq.write_table(table, tmp_path / "null.parquet")
    filled = table.set_column(2, "g", pa.array([3.0, float("nan"), 3.0]))
    pq.write_table(filled, tmp_path / "nan.parquet")
    for name in ("null.parquet", "nan.parquet"):
        found = read(tmp_path / name, Fields(group="g"))
        assert not found.problems
        assert [row.group for row in found.rows] == ["3", None, "3"]


@pytest.mark.parametrize(
    ("name", "content", "line", "said"),
    [
        ("a.csv", "text,label,usr\nあ,a,u1\n", 1, ["「usr」ですか", "data.fields.group: usr"]),
        ("a.csv", "messages,x\n1,u1\n", 1, ["「user」", "data.fields.group"]),
        ("a.jsonl", f"{GOOD}\n{GOOD}\n", 1, ["2 件すべて", "data.fields.group"]),
        ("a.jsonl", GOOD[:-1] + ', "user": "u"}\n' + GOOD, 2, ["「user」がありません"]),
        ("a.jsonl", GOOD[:-1] + ', "user": ["u"]}', 1, ["「user」", "null"]),
        ("a.jsonl", GOOD[:-1] + ', "user": 1.5}', 1, ["「user」", "1.5"]),
        ("a.jsonl", GOOD[:-1] + ', "user": true}', 1, ["「user」", "true"]),
    ],
)
def test_groups_that_are_missing_or_none(
    tmp_path: Path, name: str, content: str, line: int, said: list[str]
) -> None:
    found = read(put(tmp_path, name, content), Fields(group="user"))
    told = [str(p) for p in found.problems if p.where and p.where.line == line]
    assert any(all(part in one for part in said) for one in told), told


# --- what can be read ---


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("a.jsonl", f"{GOOD}\n{GOOD}\n", [1, 2]),
        ("a.jsonl", f"\ufeff{GOOD}\r\n\r\n  {GOOD}", [1, 3]),
        ("a.jsonl", f"{GOOD},\n{GOOD},\n", [1, 2]),
        ("a.jsonl", f"[\n{GOOD},\n\n{GOOD}\n]\n", [2, 4]),
        ("a.json", f"{GOOD}\n{GOOD}\n", [1, 2]),
        ("a.json", f"[{GOOD}, {GOOD}]", [1, 1]),
        ("a.json", f'\n\n[{GOOD},\n{{"text": "\\n",\n"text2": 1}}]'.replace("\\n", "x"), None),
        ("a.json", json.dumps([json.loads(GOOD)] * 3, indent=2), [2, 6, 10]),
        ("a.jsonl", f"{json.dumps(json.loads(GOOD), indent=2)}\n" * 2, [1, 5]),
        ("no-suffix", f"{GOOD}\n", [1]),
        ("a.csv", "text,label\nあ,😀\n", [2]),
        ("a.csv", "\ufefftext,label,memo\r\nあ,😀,\r\n\r\nあ,😀,x\r\n", [2, 4]),
        ("a.csv", "text,label\nあ,😀,,\n,,\nあ,😀", [2, 4]),
        ("a.csv", "text\tlabel\nあ\t😀\n", [2]),
        ("a.tsv", "label\ttext\n😀\tあ\n", [2]),
        ("a.tsv", "text,label\nあ,😀\n", [2]),
    ],
)
def test_formats_and_true_lines(
    tmp_path: Path, name: str, content: str, lines: list[int] | None
) -> None:
    if lines is None:  # the second element lacks its label; its own line is named
        found = read(put(tmp_path, name, content), Fields())
        assert [p.where.line for p in found.problems if p.where] == [4]
        return
    found = good(tmp_path, name, content)
    assert [row.where.line for row in found.rows] == lines
    assert all(
        row.messages == (Message("user", "あ"), Message("assistant", "😀")) for row in found.rows
    )


def test_quoted_newlines_keep_the_first_line(tmp_path: Path) -> None:
    found = good(tmp_path, "a.csv", 'text,label\n"一\n二\n三",a\n"四 ""五""",b\n')
    assert contents(found) == [(2, ["一\n二\n三", "a"]), (5, ['四 "五"', "b"])]
    assert found.rows[1].id == "a.csv:5"


def test_tsv_without_quoting(tmp_path: Path) -> None:
    found = good(tmp_path, "a.tsv", 'text\tlabel\r\n"引用"から始まる\ta\r\n5" の板\tb\r\n')
    assert contents(found) == [(2, ['"引用"から始まる', "a"]), (3, ['5" の板', "b"])]


def test_text_is_left_as_it_was_written(tmp_path: Path) -> None:
    text = " Ａ　b\u2028c\td\n "
    found = good(tmp_path, "a.jsonl", json.dumps({"text": text, "label": " x"}))
    assert contents(found) == [(1, [text, " x"])]


def test_chats(tmp_path: Path) -> None:
    turns = [("system", "s"), ("user", "u"), ("assistant", "a"), ("user", "v"), ("assistant", "b")]
    found = good(tmp_path, "a.jsonl", chat(*turns) + "\n" + chat(*turns[1:3]) + "\n" + GOOD)
    assert [(m.role, m.content) for m in found.rows[0].messages] == turns
    assert [m.role for m in found.rows[1].messages] == ["user", "assistant"]
    assert found.rows[2].messages[1] == Message("assistant", "😀")


def test_named_fields_and_ids(tmp_path: Path) -> None:
    content = '{"本文": "あ", "感情": "喜", "no": 7}\n{"本文": "い", "感情": "怒", "no": "x"}\n'
    fields = Fields(text="本文", label="感情", id="no")
    found = good(tmp_path, "a.jsonl", content, fields)
    assert [row.id for row in found.rows] == ["7", "x"]
    without = good(tmp_path, "a.jsonl", content, Fields(text="本文", label="感情"))
    assert [row.id for row in without.rows] == ["a.jsonl:1", "a.jsonl:2"]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["あ", "い", None], "label": ["a", "b", "c"]}), path)
    found = read(path, Fields())
    assert contents(found) == [(1, ["あ", "a"]), (2, ["い", "b"])]
    assert [str(p) for p in found.problems] == [
        f"{path}:3: 本文「text」が空です。本文を書くか、この行を消してください。"
    ]
    turns = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]
    pq.write_table(pa.table({"messages": [turns]}), path)
    assert contents(read(path, Fields())) == [(1, ["u", "a"])]


def test_other_columns_are_kept_as_text(tmp_path: Path) -> None:
    record = '{"text": "あ", "label": "a", "n": 3, "x": 2.5, "yes": true, "no": null, "e": {"k": 1}'
    (row,) = good(tmp_path, "a.jsonl", record + ', "words": ["い", "う"]}').rows
    assert row.fields == {
        "text": "あ",
        "label": "a",
        "n": "3",
        "x": "2.5",
        "yes": "true",
        "no": "",
        "e": '{"k": 1}',
        "words": "い、う",
    }
    (row,) = good(tmp_path, "a.csv", "text,label,n\nあ,a,03\n").rows
    assert row.fields == {"text": "あ", "label": "a", "n": "03"}
    line = '{"title": "題", ' + chat(("user", "u"), ("assistant", "a"))[1:]
    (row,) = good(tmp_path, "c.jsonl", line).rows
    assert row.fields == {"title": "題"}


def test_a_list_of_labels_is_one_answer(tmp_path: Path) -> None:
    found = good(tmp_path, "a.jsonl", '{"text": "あ", "label": ["A, B", "C"]}')
    assert contents(found) == [(1, ["あ", LIST_SEPARATOR.join(["A, B", "C"])])]
    assert found.rows[0].fields["label"] == "A, B、C"
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["あ"], "label": [["😀", "😢"]], "n": [2]}), path)
    found = read(path, Fields())
    assert contents(found) == [(1, ["あ", f"😀{LIST_SEPARATOR}😢"])]
    assert found.rows[0].fields == {"text": "あ", "label": "😀、😢", "n": "2"}


def test_an_answer_may_have_line_breaks(tmp_path: Path) -> None:
    found = good(tmp_path, "a.jsonl", '{"text": "あ", "label": "一\\n二"}')
    assert contents(found) == [(1, ["あ", "一\n二"])]


# --- what is wrong: (content, line, what is said) ---

LINES: dict[str, tuple[str, list[str]]] = {
    "missing comma": ('{"text": "a" "label": "b"}', ["14 文字目", "コンマが抜けている"]),
    "comma too many": ('{"text": "a", "label": "b",}', ["余分なコンマ", "消してください"]),
    "single quotes": ("{'text': 'a', 'label': 'b'}", ["2 文字目", "' ではなく \" で囲んで"]),
    "wide quotes": ("{“text”: “a”}", ["全角", "「“」", '半角の「"」']),
    "wide colon": ('{"text"：  "a"}', ["8 文字目", "「：」", "半角の「:」"]),
    "open string": ('{"text": "a', ["10 文字目", "閉じられていません", "「\\n」と書いて"]),
    "two records": (GOOD + GOOD, ["28 文字目", "1 行に 1 件だけ"]),
    "quote inside": ('{"text": "a"b", "label": "c"}', ["13 文字目", '「\\"」と書いて']),
    "no JSON": ("あ,😀", ["JSON として読めません", "1 文字目"]),
    "cut off": ('{"text": "a", "label"', ["JSON として読めません", "括弧"]),
    "no object": ("3", ['{"text": …, "label": …} の形', "今は 3"]),
    "a string": ('"あ"', ["の形で書いて", '"あ"']),
    "key twice": ('{"text":"a","text":"b","label":"c"}', ["「text」", "2 回", "消して"]),
    "no label": (
        '{"text": "a", "memo": "b"}',
        ["「label」がありません", "text、memo", "fields.label"],
    ),
    "label misspelt": (
        '{"text": "a", "lable": "b"}',
        ["「lable」ですか", "data.fields.label: lable"],
    ),
    "empty text": ('{"text": "", "label": "b"}', ["本文「text」が空", "消して"]),
    "blank text": ('{"text": " 　\\u200b", "label": "b"}', ["本文「text」が空"]),
    "null text": ('{"text": null, "label": "b"}', ["本文「text」が空"]),
    "null label": ('{"text": "a", "label": null}', ["「label」に値がありません", "[] と書き"]),
    "NaN as label": ('{"text": "a", "label": NaN}', ["「label」に値がありません", "NaN"]),
    "NaN as text": ('{"text": NaN, "label": "b"}', ["本文「text」が空"]),
    "object as label": ('{"text": "a", "label": {"b": 1}}', ["ラベル「label」を読めません"]),
    "blank label in a list": ('{"text": "a", "label": ["b", " "]}', ["「label」に空の要素"]),
    "null in a list": (
        '{"text": "a", "label": ["b", null]}',
        ["null や一覧の中の一覧", '["b", null]'],
    ),
    "a list in a list": ('{"text": "a", "label": [["b"], "c"]}', ["null や一覧の中の一覧"]),
    "garbled label in a list": ('{"text": "a", "label": ["b", "\ufffd"]}', ["U+FFFD"]),
    "list as id": ('{"text": "a", "label": "b", "id": [1]}', ["id", "[1]", "消して"]),
    "replacement": ('{"text": "a\ufffdb", "label": "b"}', ["「text」", "U+FFFD", "元のデータ"]),
    "control": ('{"text": "a", "label": "\\u0007"}', ["「label」", "U+0007"]),
    "half a pair": ('{"text": "a\\ud83d", "label": "b"}', ["U+D83D", "a\\ud83d"]),
    "UTF-8 as CP932": (
        '{"text": "縺ゅ＞", "label": "b"}',
        ["「縺ゅ＞」は「あい」", "UTF-8 で保存"],
    ),
    "UTF-8 as Latin-1": (
        '{"text": "' + "晴れた".encode().decode("latin-1").replace("\x82", "\\u0082") + '"}',
        ["文字化け"],
    ),
    "messages no list": ('{"messages": "a"}', ["一覧ではありません", '"a"', "role"]),
    "no messages": ('{"messages": []}', ["メッセージが 1 つもありません", "消して"]),
    "message no object": ('{"messages": ["a"]}', ["1 番目", "role と content", '"a"']),
    "message without content": ('{"messages": [{"role": "user"}]}', ["1 番目", "content"]),
    "content no string": (
        chat(("user", {"a": 1}), ("assistant", "a")),
        ["1 番目", "文字列ではありません", '{"a": 1}'],
    ),
    "image": (
        chat(("user", [{"type": "image_url", "image_url": {"url": "x"}}]), ("assistant", "a")),
        ["1 番目", "「image_url」", "文だけ"],
    ),
    "empty message": (chat(("user", " "), ("assistant", "a")), ["1 番目", "user", "空です"]),
    "only answers": (chat(("system", "s"), ("assistant", "a")), ["user のメッセージがありません"]),
    "garbled message": (chat(("user", "\x00"), ("assistant", "a")), ["messages[1]", "U+0000"]),
    "role misspelt": (chat(("usre", "u"), ("assistant", "a")), ["「user」ですか"]),
    "unknown role": (chat(("客", "u"), ("assistant", "a")), ["「客」", "system、user、assistant"]),
    "no answer": (chat(("user", "u")), ["assistant のメッセージがありません", "書き加えて"]),
}


@pytest.mark.parametrize("case", LINES)
def test_wrong_line_between_good_ones(tmp_path: Path, case: str) -> None:
    line, said = LINES[case]
    found = read(put(tmp_path, "a.jsonl", f"{GOOD}\n\n{line}\n{GOOD}\n"), Fields())
    assert [row.where.line for row in found.rows] == [1, 4]
    messages = [str(problem) for problem in found.problems]
    assert all("a.jsonl:3: " in message for message in messages)
    assert any(all(part in message for part in said) for message in messages), messages


# Those two swallow what follows them in an array; test_wrong_file has the like.
ELEMENTS = [case for case in LINES if case not in ("open string", "cut off")]


@pytest.mark.parametrize("case", [c for c in ELEMENTS if LINES[c][0].startswith('{"')])
def test_wrong_element_of_an_array(tmp_path: Path, case: str) -> None:
    line, _ = LINES[case]
    found = read(put(tmp_path, "a.json", f"[\n{GOOD},\n{line},\n{GOOD}\n]"), Fields())
    assert 4 in [row.where.line for row in found.rows]
    assert found.problems
    assert all(p.where and p.where.line == 3 for p in found.problems)


WHOLE: dict[str, tuple[str, str | bytes, int | None, list[str]]] = {
    "empty": ("a.jsonl", b"", None, ["空です", "書いて"]),
    "blank": ("a.csv", "\ufeff \n\n", None, ["空です"]),
    "empty array": ("a.json", "[]", None, ["1 件もありません"]),
    "header only": ("a.csv", "text,label\n", None, ["1 件もありません"]),
    "commas only": ("a.csv", ",,\n,,\n", None, ["1 件もありません"]),
    "open array": ("a.json", f"[\n{GOOD},\n{GOOD}\n", 3, ["配列が閉じられて", "「]」で閉じて"]),
    "open array after a comma": ("a.json", f"[\n{GOOD},\n", 2, ["配列が閉じられて"]),
    "comma at the end": ("a.json", f"[\n{GOOD},\n]", 3, ["余分なコンマ"]),
    "array without comma": ("a.json", f"[\n{GOOD}\n{GOOD}\n]", 3, ["コンマが抜けて"]),
    "after the array": ("a.json", f"[\n{GOOD}\n]\n{GOOD}", 4, ["余分な文字"]),
    "cut off": ("a.json", f'[\n{GOOD},\n{{"text": "a', 3, ["閉じられていません"]),
    "pretty, comma too many": ("a.json", '[\n {\n  "text": "a",\n },\n]', 4, ["余分なコンマ"]),
    "pretty, no comma": ("a.json", '[\n {\n  "text": "a"\n  "label": "b"\n }\n]', 4, ["コンマ"]),
    "other column": (
        "a.csv",
        "本文,label\nあ,a\n",
        1,
        ["「text」", "本文、label", "data.fields.text"],
    ),
    "near column": (
        "a.csv",
        "text,Label\nあ,a\n",
        1,
        ["「Label」ですか", "data.fields.label: Label"],
    ),
    "no header": ("a.csv", "あ,喜\nい,怒\n", 1, ["1 行目に列名を"]),
    "column twice": ("a.csv", "text,label,text\nあ,a,b\n", 1, ["「text」が 2 つ"]),
    "too many cells": ("a.csv", "text,label\nあ,い,a\n", 2, ["3 個", '「"」で囲んで']),
    "too few cells": ("a.csv", "text,label\n\nあ\n", 3, ["1 個", "2 個", "書き加えて"]),
    "open quote": ("a.csv", 'text,label\nあ,a\n"い,b\nう,c\n', 3, ["引用符", '"い,b']),
    "bad quote": ("a.csv", 'text,label\n"あ"い,a\n', 2, ["引用符", '「""」']),
    "Excel": ("a.xlsx", b"PK\x03\x04rest", None, ["Excel", "CSV UTF-8"]),
    "Excel named CSV": ("a.csv", b"PK\x03\x04rest", None, ["Excel", "CSV UTF-8"]),
    "text": ("a.txt", "あ\nい\n", None, [".txt", ".jsonl", "保存し直して"]),
    "broken Parquet": ("a.parquet", b"PAR1rest", None, ["Parquet として読めません"]),
    "no encoding": ("a.csv", bytes(range(128, 256)) * 2, None, ["どの文字コードとしても"]),
}


@pytest.mark.parametrize("case", WHOLE)
def test_wrong_file(tmp_path: Path, case: str) -> None:
    name, content, line, said = WHOLE[case]
    found = read(put(tmp_path, name, content), Fields())
    place = f"{name}: " if line is None else f"{name}:{line}: "
    messages = [str(p) for p in found.problems]
    assert any(place in m and all(part in m for part in said) for m in messages), messages


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp932", "CP932"),
        ("euc_jp", "EUC-JP"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-16-be", "UTF-16BE"),
        ("iso2022_jp", "ISO-2022-JP"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_other_encodings_are_named_with_a_way_out(
    tmp_path: Path, encoding: str, name: str, suffix: str
) -> None:
    content = {"csv": "text,label\nこんにちは、晴れ,喜び\n", "jsonl": '{"text":"こんにちは"}\n'}[
        suffix
    ]
    (problem,) = read(put(tmp_path, f"a b.{suffix}", content.encode(encoding)), Fields()).problems
    said = str(problem)
    assert f"a b.{suffix}: " in said
    assert f"iconv -f {name} -t UTF-8 'a b.{suffix}' > 'a b.utf8.{suffix}'" in said
    assert "こんにちは" in said  # the proof that it is this encoding


def test_one_broken_byte_is_told_with_its_line(tmp_path: Path) -> None:
    lines = [f'{{"text": "今日はいい天気でした{n}", "label": "a"}}'.encode() for n in range(9)]
    lines[4] = '{"text": "今日は", "label": "a"}'.encode("cp932")
    found = read(put(tmp_path, "a.jsonl", b"\n".join(lines)), Fields())
    assert len(found.rows) == 8
    assert "a.jsonl:5: " in str(found.problems[0])
    assert "U+FFFD" in str(found.problems[0])


def test_records_on_one_line_are_told_apart(tmp_path: Path) -> None:
    found = read(
        put(tmp_path, "a.json", f'[{GOOD}, {{"text": "", "label": "b"}}, {GOOD}]'), Fields()
    )
    assert [row.id for row in found.rows] == ["a.json:1[1]", "a.json:1[3]"]
    (problem,) = found.problems
    assert "a.json:1: 2 件目: 本文「text」が空です" in str(problem)


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    put(tmp_path, "tweets.jsonl", GOOD)
    (problem,) = read(tmp_path / "tweet.jsonl", Fields()).problems
    assert "tweet.jsonl: " in str(problem)
    assert "tweets.jsonl」ですか" in str(problem)
    (problem,) = read(tmp_path / "nowhere" / "a.jsonl", Fields()).problems
    assert "パスを確かめて" in str(problem)
    (problem,) = read(tmp_path, Fields()).problems
    assert "フォルダ" in str(problem)


def test_duplicate_ids_name_both_lines(tmp_path: Path) -> None:
    line = '{"text": "a", "label": "b", "id": %s}'
    found = read(put(tmp_path, "a.jsonl", "\n".join([line % 1, GOOD, line % '"1"'])), Fields())
    assert [row.id for row in found.rows] == ["1", "a.jsonl:2"]
    assert "a.jsonl:3: " in str(found.problems[0])
    assert "a.jsonl:1" in str(found.problems[0]).split(": ", 1)[1]


def test_a_field_that_no_record_has_is_told_once(tmp_path: Path) -> None:
    content = '{"text": "a", "reply": "b"}\n' * 50
    (problem,) = read(put(tmp_path, "a.jsonl", content), Fields()).problems
    assert "50 件すべてにフィールド「label」がありません" in str(problem)
    assert "data.fields.label" in str(problem)


def test_all_problems_in_the_order_of_the_file(tmp_path: Path) -> None:
    content = '{"text": "", "label": null}\n{broken\n{"text": "a"}\n[1]\n'
    found = read(put(tmp_path, "a.jsonl", content), Fields())
    assert [p.where.line for p in found.problems if p.where] == [1, 1, 2, 3, 4]


def test_capped_counts_what_it_leaves_out() -> None:
    many = [Problem("data.no-answer", Where("a", n)) for n in range(1, 101)]
    other = [Problem("data.no-rows", Where("b"))]
    printed = capped([*many, *other])
    assert printed[:3] == many[:3]
    lines = "、".join(map(str, range(4, 24)))
    assert str(printed[3]) == f"a: 同じ種類の問題があと 97 件あります ({lines} 行目など)。"
    assert printed[4:] == other
    assert capped(many[:4]) == many[:4]
    assert str(capped(many[:5])[-1]) == "a: 同じ種類の問題があと 2 件あります (4、5 行目)。"


def test_problems_without_lines_are_told_in_full() -> None:
    many = [Problem("data.no-rows", Where("a")) for _ in range(30)]
    printed = capped(many)
    assert printed[:20] == many[:20]
    assert str(printed[20]) == "a: 同じ種類の問題があと 10 件あります。"


def test_path_is_shown_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    put(tmp_path / "data", "a.jsonl", "{")
    monkeypatch.chdir(tmp_path)
    (problem,) = read(tmp_path / "data" / "a.jsonl", Fields()).problems
    assert str(problem).startswith("data/a.jsonl:1: ")


# --- several files ---


def three(folder: Path, rows: Sequence[Sequence[dict[str, Any]]]) -> Files:
    names = ("train", "validation", "test")[: len(rows)]
    for name, records in zip(names, rows, strict=True):
        put(folder, f"{name}.jsonl", "\n".join(json.dumps(r) for r in records))
    return read_files(DataConfig.model_validate({n: f"{n}.jsonl" for n in names}), folder)


def flat(text: str, label: str = "a", **more: object) -> dict[str, Any]:
    return {"text": text, "label": label, **more}


def test_files_that_are_not_named_are_none(tmp_path: Path) -> None:
    found = three(tmp_path, [[flat("x")], [flat("y")]])
    assert found.test is None
    assert found.validation is not None
    assert [row.id for row in found.rows] == ["train.jsonl:1", "validation.jsonl:1"]
    assert not found.problems


def test_ids_of_two_files_are_told_apart(tmp_path: Path) -> None:
    found = three(tmp_path, [[flat("x", id=1)], [flat("y", id=1)], [flat("z", id=2)]])
    assert [row.id for row in found.rows] == ["train:1", "validation:1", "test:2"]
    assert not found.problems


def test_row_in_two_files(tmp_path: Path) -> None:
    found = three(
        tmp_path,
        [[flat("x"), flat("Ａ B")], [flat("y")], [flat("z"), flat("a　b "), flat("x", "b")]],
    )
    (problem,) = found.problems
    assert "test.jsonl:2: " in str(problem)
    assert "data.train" in str(problem)
    assert "train.jsonl:2" in str(problem)


def test_the_same_file_twice(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", GOOD)
    data = DataConfig(train="a.jsonl", test="./a.jsonl")
    (problem,) = read_files(data, tmp_path).problems
    assert "data.train と data.test が同じファイル" in str(problem)


def test_problems_of_all_files_at_once(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", "{")
    data = DataConfig(train="a.jsonl", validation="b.jsonl", test="c.jsonl")
    found = read_files(data, tmp_path)
    assert len(found.problems) == 3
    assert found.rows == ()
