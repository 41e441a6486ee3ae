"""Which columns hold what: recognised where it is plain, asked for where it is not."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kunren.config.schema import DataConfig, Fields, TaskConfig
from kunren.data.read import Read, read, read_files
from kunren.data.records import Content, Manner, read_record
from kunren.types import Where

TURNS = [{"role": "user", "content": "問い"}, {"role": "assistant", "content": "答え"}]
SHAREGPT = [{"from": "human", "value": "問い"}, {"from": "gpt", "value": "答え"}]


def of(value: object, fields: Fields | None = None, **manner: Any) -> Content:
    return read_record(value, Manner(fields or Fields(), **manner), Where("a.jsonl", 1))


def said(content: Content) -> list[tuple[str, str]]:
    assert not content.problems, [str(problem) for problem in content.problems]
    return [(message.role, message.content) for message in content.messages]


def written(folder: Path, rows: Sequence[object], fields: Fields | None = None) -> Read:
    path = folder / "a.jsonl"
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), "utf-8")
    return read(path, fields or Fields())


def table(folder: Path, rows: Sequence[Mapping[str, object]], fields: Fields | None = None) -> Read:
    made = io.StringIO()
    writer = csv.DictWriter(made, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path = folder / "a.csv"
    path.write_text(made.getvalue(), "utf-8")
    return read(path, fields or Fields())


ASKED = [("user", "問い"), ("assistant", "答え")]


@pytest.mark.parametrize(
    "record",
    [
        {"conversations": SHAREGPT},
        {"messages": SHAREGPT, "id": "x"},
        {"conversation": TURNS},
        {"dialogue": TURNS, "text": None, "label": None},
        {"talk": TURNS, "tools": [{"type": "function"}]},  # by its values, whatever it is called
        {"contents": [{"role": "user", "parts": [{"text": "問い"}]},
                      {"role": "model", "parts": [{"text": "答え"}]}]},
        {"prompt": TURNS[:1], "completion": TURNS[1:]},
        TURNS,
        {"instruction": "問い", "output": "答え"},
        {"Instruction": "問い", "Input": "", "Output": "答え"},
        {"instruction": "問い", "input": None, "output": "答え"},
        {"prompt": "問い", "completion": "答え"},
        {"prompt": "問い", "response": "答え"},
        {"question": "問い", "answer": "答え", "category": "x"},
        {"query": "問い", "response": "答え"},
        {"input": "問い", "output": "答え"},
        {"質問": "問い", "回答": "答え"},
        {"text": "問い", "output": "答え"},
        {"text": "問い", "label": "答え", "input": "別", "output": "別"},  # the defaults are there
        {"text": "問い", "label": "答え", "messages": None},
    ],
)  # fmt: skip
def test_plain_shapes_are_read(record: object) -> None:
    assert said(of(record)) == ASKED


def test_what_an_instruction_is_applied_to_comes_below_it() -> None:
    for name in ("input", "context"):
        record = {"instruction": "要約して", name: "長い文", "output": "短い文"}
        assert said(of(record))[0] == ("user", "要約して\n長い文")
        # A template that names the column reads it itself.
        assert said(of(record, templated=(name,)))[0] == ("user", "要約して")
        named = Fields(text="instruction", label="output")
        assert said(of(record, named))[0] == ("user", "要約して")


def test_earlier_exchanges_and_a_system_prompt() -> None:
    record = {"instruction": "c", "output": "d", "history": [["a", "b"]], "system": "s"}
    assert [content for _, content in said(of(record))] == ["s", "a", "b", "c", "d"]
    for history in ("病歴: なし", ["病歴"], [["a", 1]]):  # no exchanges: an ordinary column
        assert len(said(of({**record, "history": history}))) == 3


@pytest.mark.parametrize(
    ("record", "key", "columns"),
    [
        ({"prompt": "a", "question": "b", "answer": "c"}, "text", ["prompt", "question"]),
        ({"question": "a", "answer": "b", "response": "c"}, "label", ["response", "answer"]),
        ({"chosen": TURNS, "rejected": TURNS}, "messages", ["chosen", "rejected"]),
        ({"instruction": "a", "output": "b", "text": "a b"}, "text", ["text", "instruction"]),
        ({"question": "a", "answer": "b", "label": "c"}, "label", ["label", "answer"]),
    ],
)
def test_two_columns_that_could_be_meant(
    tmp_path: Path, record: dict[str, object], key: str, columns: list[str]
) -> None:
    (problem,) = written(tmp_path, [record] * 5).problems
    assert problem.code == "data.ambiguous-columns"
    assert problem.fields["key"] == f"data.fields.{key}"
    assert problem.fields["columns"] == columns
    assert f"data: {{fields: {{{key}: {columns[0]}}}}}" in str(problem)  # the line to write
    (named,) = table(tmp_path, [{k: json.dumps(v) for k, v in record.items()}] * 5).problems
    assert (named.code, named.where and named.where.line) == ("data.ambiguous-columns", 1)


def test_what_the_config_names_always_counts() -> None:
    assert said(of({"conv": SHAREGPT}, Fields(messages="conv"))) == ASKED
    record = {"q": "問い", "a": "答え", "messages": SHAREGPT, "instruction": "x", "output": "y"}
    assert said(of(record, Fields(text="q", label="a"))) == ASKED
    (problem,) = of({"conversations": SHAREGPT}, Fields(messages="conv")).problems
    assert problem.fields["key"] == "data.fields.messages"
    (problem,) = of({"instruction": "x", "output": "y"}, Fields(text="q")).problems
    assert problem.fields["field"] == "q"


def test_other_columns_are_not_guessed() -> None:
    for record in ({"text": "a", "category": "b"}, {"sentence": "a", "label": "b"}, {"x": "a"}):
        assert {p.code for p in of(record).problems} <= {
            "data.missing-field", "data.missing-field-near",
        }  # fmt: skip


@pytest.mark.parametrize(
    "write",
    [json.dumps, repr, lambda turns: str(np.array(turns, dtype=object))],
    ids=["JSON", "pandas", "numpy"],
)
def test_conversations_in_the_cells_of_a_table(tmp_path: Path, write: Any) -> None:
    for column, turns in (("messages", TURNS), ("conversations", SHAREGPT)):
        found = table(tmp_path, [{"n": n, column: write(turns)} for n in range(3)])
        assert not found.problems
        assert [m.content for m in found.rows[2].messages] == ["問い", "答え"]
        assert found.rows[2].chat
        (note,) = [note for note in found.notes if note.code == "notes.written-out"]
        assert (note.fields["column"], note.fields["rows"]) == (column, 3)


def test_a_broken_conversation_in_a_cell_is_told_with_its_row(tmp_path: Path) -> None:
    cells = ["[{'role': 'user'", json.dumps(TURNS), "", "[[[["]
    found = table(tmp_path, [{"n": n, "messages": cell} for n, cell in enumerate(cells)])
    assert [(p.code, p.where and p.where.line) for p in found.problems] == [
        ("data.messages-type", 2), ("data.messages-type", 4), ("data.messages-type", 5),
    ]  # fmt: skip
    assert len(found.rows) == 1


def test_conversations_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    turns = [{**turn, "weight": None} for turn in SHAREGPT]
    pq.write_table(pa.table({"conversations": [turns, turns], "text": [None, None]}), path)
    found = read(path, Fields())
    assert not found.problems
    assert [m.content for m in found.rows[0].messages] == ["問い", "答え"]


def test_what_was_recognised_is_noted_once_a_file(tmp_path: Path) -> None:
    found = written(tmp_path, [{"conversations": SHAREGPT}] * 7)
    (note,) = found.notes
    assert note.code == "notes.chat-sharegpt"
    assert note.fields == {
        "column": "conversations", "speaker": "from", "content": "value", "rows": 7, "line": 1,
        "roles": ["human → user", "gpt → assistant"],
    }  # fmt: skip
    (note,) = written(tmp_path, [{"instruction": "a", "input": "b", "output": "c"}] * 3).notes
    assert (note.code, note.fields["text"]) == ("notes.alpaca", "instruction + input")
    assert not written(tmp_path, [{"messages": TURNS}, {"text": "a", "label": "b"}]).notes
    mixed = written(tmp_path, [{"messages": TURNS}, {"question": "a", "answer": "b"}])
    assert [(n.code, n.fields["rows"]) for n in mixed.notes] == [("notes.pair", 1)]


def test_a_row_that_cannot_be_read_is_not_counted(tmp_path: Path) -> None:
    rows = [{"question": "a", "answer": "b"}, {"question": " ", "answer": "b"}]
    found = written(tmp_path, rows)
    assert [note.fields["rows"] for note in found.notes] == [1]
    assert [problem.code for problem in found.problems] == ["data.empty-text"]


def test_where_no_answer_is_needed() -> None:
    def asked(value: object) -> list[tuple[str, str]]:
        return said(of(value, answered=False))

    assert asked({"text": "問い"}) == ASKED[:1]
    assert asked({"text": "問い", "instruction": "別"}) == ASKED[:1]
    assert asked({"instruction": "要約して", "input": "文"}) == [("user", "要約して\n文")]
    assert asked({"question": "問い", "system": "s"}) == [("system", "s"), *ASKED[:1]]
    assert asked({"messages": TURNS}) == ASKED[:1]
    assert asked({"conversations": [*SHAREGPT, SHAREGPT[0]]}) == [*ASKED, ASKED[0]]
    assert of({"label": "x"}, answered=False).problems
    assert of({"text": ""}, answered=False).problems


# --- system prompts ---


def test_a_system_column(tmp_path: Path) -> None:
    rows = [
        {"system": "宿", "text": "a", "label": "b"},
        {"system": " ", "text": "a", "label": "c"},
        {"system": "宿", "messages": [{"role": "system", "content": "城"}, *TURNS]},
        {"system": "宿", "messages": TURNS},
    ]
    found = written(tmp_path, rows)
    assert [row.messages[0].content for row in found.rows] == ["宿", "a", "城", "宿"]
    assert [(n.code, n.fields["rows"]) for n in found.notes] == [
        ("notes.system-column", 2), ("notes.system-unused", 1),
    ]  # fmt: skip
    assert found.rows[0].fields["system"] == "宿"


def test_a_system_column_that_is_named_or_switched_off(tmp_path: Path) -> None:
    rows = [{"role_prompt": "宿", "system": "Linux", "text": "a", "label": "b"}]
    (row,) = written(tmp_path, rows, Fields(system="role_prompt")).rows
    assert row.messages[0].content == "宿"
    (row,) = written(tmp_path, rows, Fields(system=None)).rows
    assert [m.role for m in row.messages] == ["user", "assistant"]
    (problem,) = written(tmp_path, rows, Fields(system="prompt")).problems
    assert problem.fields["key"] == "data.fields.system"
    # A template that names the column reads it itself.
    path = tmp_path / "a.jsonl"
    (row,) = read(path, Manner(Fields(), templated=("system",))).rows
    assert [m.role for m in row.messages] == ["user", "assistant"]


# --- numbers, and what is missing ---


def test_numbers_and_booleans_are_texts(tmp_path: Path) -> None:
    labels: list[object] = [3, 1.5, True, False, "a"]
    found = written(tmp_path, [{"text": n, "label": label} for n, label in enumerate(labels)])
    assert [row.messages[1].content for row in found.rows] == ["3", "1.5", "true", "false", "a"]
    assert [(n.code, n.fields["rows"]) for n in found.notes] == [
        ("notes.number-text", 5), ("notes.number-label", 4),
    ]  # fmt: skip
    (row,) = written(tmp_path, [{"text": "a", "label": [1, "b", True]}]).rows
    assert row.messages[1].content == "1\x1fb\x1ftrue"


def test_an_empty_label_is_for_the_task_to_judge(tmp_path: Path) -> None:
    labels: tuple[object, ...] = ("", " ", [])
    found = written(tmp_path, [{"text": "a", "label": label} for label in labels])
    assert not found.problems
    assert [row.messages[1].content for row in found.rows] == ["", "", ""]


def test_missing_labels_and_texts_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    numbers = pa.array([1.0, float("nan"), 0.0], type=pa.float64(), from_pandas=False)
    pq.write_table(pa.table({"text": ["a", "b", None], "label": numbers}), path)
    found = read(path, Fields())
    assert [(p.code, p.where and p.where.line) for p in found.problems] == [
        ("data.null-label", 2), ("data.empty-text", 3),
    ]  # fmt: skip
    assert [row.messages[1].content for row in found.rows] == ["1.0"]


# --- one column a label ---

WIDE = Fields(label=("喜び", "怒り", "悲しみ"))


def test_wide_columns(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"text": "a", "喜び": 1, "怒り": 0, "悲しみ": 3},
        {"text": "b", "喜び": "0.0", "怒り": "True", "悲しみ": ""},
        {"text": "c", "喜び": "×", "怒り": "", "悲しみ": "0"},
    ]
    for found in (table(tmp_path, rows, WIDE), written(tmp_path, rows, WIDE)):
        assert not found.problems
        answers = [row.messages[1].content for row in found.rows]
        assert answers == ["喜び\x1f悲しみ", "怒り", ""]
        (note,) = found.notes
        assert (note.code, note.fields["columns"], note.fields["rows"]) == ("notes.wide", 3, 3)


def test_wide_columns_with_a_threshold_and_one_that_is_never_set(tmp_path: Path) -> None:
    rows = [{"text": f"a{n}", "喜び": n % 4, "怒り": 1, "悲しみ": (n + 2) % 4} for n in range(8)]
    table(tmp_path, rows)
    task = TaskConfig.model_validate({"kind": "tag", "labels": {"threshold": 1}})
    data = DataConfig(train="a.csv", fields=WIDE)
    found = read_files(data, tmp_path, task)
    assert [row.messages[1].content for row in found.rows][:4] == [
        "悲しみ",
        "悲しみ",
        "喜び",
        "喜び",
    ]
    assert [note.code for note in found.notes] == ["notes.wide", "notes.wide-never"]
    assert found.notes[1].fields["columns"] == ["怒り"]


def test_wide_columns_that_are_wrong(tmp_path: Path) -> None:
    good = {"text": "a", "喜び": 1, "怒り": 0, "悲しみ": 0}
    (problem,) = table(tmp_path, [good, {**good, "怒り": "強い"}], WIDE).problems
    assert (problem.code, problem.fields["field"]) == ("data.wide-value", "怒り")
    assert problem.where
    assert problem.where.line == 3
    (problem,) = table(tmp_path, [good], Fields(label=("喜び", "怒"))).problems
    assert problem.code == "data.missing-column-of-labels-near"
    assert problem.fields["nearest"] == "怒り"
    (problem,) = written(tmp_path, [good, {"text": "b", "喜び": 1, "怒り": 0}], WIDE).problems
    assert (problem.code, problem.fields["field"]) == ("data.missing-field-of-labels", "悲しみ")


def test_one_label_from_wide_columns(tmp_path: Path) -> None:
    rows = [{"text": f"a{n}", "喜び": n % 2, "怒り": 1 - n % 2, "悲しみ": 0} for n in range(4)]
    table(tmp_path, rows)
    data = DataConfig(train="a.csv", fields=WIDE)
    found = read_files(data, tmp_path, TaskConfig(kind="classify"))
    assert [row.messages[1].content for row in found.rows] == ["怒り", "喜び", "怒り", "喜び"]
    table(tmp_path, [*rows, {**rows[0], "悲しみ": 1}, {**rows[0], "怒り": 0}])
    found = read_files(data, tmp_path, TaskConfig(kind="classify"))
    (problem,) = found.problems  # one, not one a row
    assert (problem.code, problem.fields["count"]) == ("data.wide-not-one", 2)
    assert problem.where
    assert problem.where.line == 6


# --- rows that weigh ---


def test_weights_of_rows(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"text": "a", "label": "b", "w": 2},
        {"text": "a", "label": "c", "w": "0.5"},
        {"text": "a", "label": "d", "w": 0},
        {"messages": [*TURNS, TURNS[0], {**TURNS[1], "weight": 0}, *TURNS], "w": 0.5},
    ]
    found = written(tmp_path, rows, Fields(weight="w"))
    weights = [[m.weight for m in row.messages if m.role == "assistant"] for row in found.rows]
    assert weights == [[2], [0.5], [0.5, 0, 0.5]]
    (left,) = [note for note in found.notes if note.code == "notes.row-without-weight"]
    assert (left.fields["rows"], left.fields["line"]) == (1, 3)
    for wrong in ("", None, -1, "重い", [1]):
        found = written(tmp_path, [{**rows[0], "w": wrong}], Fields(weight="w"))
        assert [problem.code for problem in found.problems] == ["data.weight"], wrong
    assert not written(tmp_path, rows).rows[1].fields.get("weight")


def test_columns_that_nothing_reads_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    made = [
        {
            "質問": "休みは？",
            "回答": "水曜",
            "資料": "案内 p.3",
            "id": 1,
            "店": "本店",
            "備考": None,
        },
        {"質問": "何時から？", "回答": "9 時", "資料": "", "id": 2, "店": "支店", "備考": ""},
    ]
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in made), "utf-8")
    fields = Fields(text="質問", label="回答", group="店")

    def unread(manner: Manner) -> list[object]:
        notes = read(path, manner).notes
        return [n.fields["columns"] for n in notes if n.code == "notes.unread-columns"]

    assert unread(Manner(fields)) == [["資料"]]
    assert unread(Manner(fields, templated=("資料",))) == []
    assert unread(Manner(fields, answered=False)) == []


def test_label_columns_and_tools_of_a_chat_are_read(tmp_path: Path) -> None:
    wide = tmp_path / "wide.csv"
    wide.write_text("text,喜,怒,店\nうれしい,1,0,本店\nひどい,0,1,支店\n", "utf-8")
    (note,) = [n for n in read(wide, Fields(label=("喜", "怒"))).notes if "unread" in n.code]
    assert note.fields == {"columns": ["店"], "rows": 2, "line": 2}
    chat = {"messages": [{"role": "user", "content": "今日は？"},
                         {"role": "assistant", "content": "晴れです"}],
            "tools": [{"name": "weather"}], "source": "窓口"}  # fmt: skip
    talk = tmp_path / "chat.jsonl"
    talk.write_text(json.dumps(chat, ensure_ascii=False), "utf-8")
    assert [n.fields["columns"] for n in read(talk, Fields()).notes] == [["source"]]
