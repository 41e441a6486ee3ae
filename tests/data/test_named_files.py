"""Training, validation and test rows in files of their own, which hold what people put there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kunren.config.load import load
from kunren.errors import InputError
from kunren.plan import Plan, prepare

Row = dict[str, object]

LONG = "今朝は駅前の通りで大きな犬を連れた人とすれ違って"
"""Long enough for another ending to make no other text of it."""


def rows(count: int, begin: int = 0, **more: object) -> list[Row]:
    places = tuple("駅 橋 店 庭 丘 港 村 森 島 谷 滝 湖 寺 塔 門 畑 蔵 池 浜 峠".replace(" ", ""))
    things = tuple("猫 傘 本 花 皿 鍵 笛 絵 糸 石 箱 鐘".replace(" ", ""))
    return [
        {
            "text": f"{places[n % 20]}で{things[n % 12]}と{things[(n // 12 + n) % 12]}を{n}回見た",
            "label": "良い" if n % 2 else "悪い",
            **more,
        }
        for n in range(begin, begin + count)
    ]


def plan(
    folder: Path,
    train: Sequence[Row],
    validation: Sequence[Row] | None = None,
    test: Sequence[Row] | None = None,
    task: str = "{kind: classify}",
    **data: Any,
) -> Plan:
    named: dict[str, object] = dict(data)
    for name, content in (("train", train), ("validation", validation), ("test", test)):
        if content is not None:
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
            (folder / f"{name}.jsonl").write_text(lines, "utf-8")
            named[name] = f"{name}.jsonl"
    cv = named.pop("cv", None)
    text = (
        f"name: named\ntask: {task}\ndata: {json.dumps(named, ensure_ascii=False)}\n"
        "model: {id: scratch:bert-small}\n"
    )
    if cv:
        text += f"evaluate: {{cv: {cv}}}\n"
    config = folder / "c.yaml"
    config.write_text(text, "utf-8")
    return prepare(load(config, []))


def near(label: str = "良い") -> list[Row]:
    return [{"text": LONG + end, "label": label} for end in ("楽しい", "楽しいよ", "楽しいな")]


@pytest.mark.parametrize("crowded", ["validation", "test"])
def test_near_duplicates_inside_a_held_out_file(tmp_path: Path, crowded: str) -> None:
    others: dict[str, Any] = {"validation": rows(6, 40), "test": rows(6, 60)}
    others[crowded] = [*others[crowded], *near()]
    made = plan(tmp_path, rows(24), **others)
    assert len(made.rows[crowded]) == 9
    assert not made.overlaps[crowded].near


@pytest.mark.parametrize("names", [("validation",), ("test",), ("validation", "test")])
def test_near_duplicates_across_files_are_counted(tmp_path: Path, names: Sequence[str]) -> None:
    one, *others = near()
    held_out: dict[str, Any] = {
        name: [*rows(6, 40 + 20 * n), others[n]] for n, name in enumerate(names)
    }  # fmt: skip
    made = plan(tmp_path, [*rows(24), one], **held_out)
    for name in names:
        (pair,) = made.overlaps[name].near
        assert pair.first.where.path.endswith("train.jsonl")
        assert pair.second.where.line == 7


def test_folds_beside_a_validation_file_with_near_duplicates(tmp_path: Path) -> None:
    made = plan(tmp_path, rows(30), [*rows(6, 40), *near()], cv=3)
    assert len(made.folds) == 3
    assert sum(len(one.test) for one in made.folds) == 30


# ---- rows of two columns

PAIR = "{kind: classify, template: '{premise} / {text}'}"


def pairs(count: int, begin: int = 0) -> list[Row]:
    return [row | {"text": "この文から言えますか", "premise": row["text"]}
            for row in rows(count, begin)]  # fmt: skip


def test_rows_that_differ_in_another_column_are_others(tmp_path: Path) -> None:
    made = plan(tmp_path, pairs(40), task=PAIR)
    sizes = [len(made.rows[name]) for name in ("train", "validation", "test")]
    assert sizes == [32, 4, 4]
    assert {row.messages[0].content for row in made.raw["train"]} == {"この文から言えますか"}


def test_files_that_share_one_column_are_no_leak(tmp_path: Path) -> None:
    made = plan(tmp_path, pairs(20), pairs(6, 30), pairs(6, 40), task=PAIR)
    assert not made.overlaps["test"].near


def test_files_that_share_all_columns_are_one(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        plan(tmp_path, pairs(20), pairs(6, 30), pairs(3, 10), task=PAIR)
    codes = [problem.code for problem in caught.value.problems]
    assert codes == ["data.in-two-files"] * 3


def test_columns_that_the_template_leaves_out_make_no_difference(tmp_path: Path) -> None:
    same = [row | {"id_of_shop": str(n)} for n, row in enumerate(rows(6, 0))]
    with pytest.raises(InputError) as caught:
        plan(tmp_path, rows(20), rows(6, 30), same, task=PAIR.replace("{premise} / ", ""))
    told = [problem.code for problem in caught.value.problems]
    assert told == [*["data.in-two-files"] * 3, "data.and-more-lines"]
    assert "あと 3 件あります (4、5、6 行目)" in str(caught.value.problems[-1])


def test_a_text_that_the_template_leaves_out_makes_none_either(tmp_path: Path) -> None:
    read = [{"text": f"{n}", "label": "ab"[n % 2], "body": row["text"]}
            for n, row in enumerate(rows(20))]  # fmt: skip
    again = [row | {"text": f"他 {n}"} for n, row in enumerate(read[:4])]
    with pytest.raises(InputError) as caught:
        plan(tmp_path, read, None, again, task="{kind: classify, template: '{body}'}")
    assert {problem.code for problem in caught.value.problems} == {"data.in-two-files"}


# ---- data.overlap


def test_rows_that_are_also_tested_are_left_out_on_request(tmp_path: Path) -> None:
    train, test = rows(24), rows(6, 18)
    with pytest.raises(InputError) as caught:
        plan(tmp_path, train, None, test)
    assert "data.overlap: drop" in str(caught.value.problems[0])
    made = plan(tmp_path, train, None, test, overlap="drop")
    held = {row.where.line for name in ("train", "validation") for row in made.raw[name]}
    assert held == set(range(1, 19))
    assert len(made.raw["test"]) == 6
    (note,) = [note for note in made.notes if note.code == "notes.overlap-dropped"]
    assert note.fields["rows"] == 6
    assert "19、20、21" in str(note)


def test_the_test_file_is_never_touched(tmp_path: Path) -> None:
    made = plan(tmp_path, rows(24), rows(8, 20), rows(6, 26), overlap="drop")
    lines = {name: [row.where.line for row in made.raw[name]] for name in made.raw}
    assert lines["train"] == list(range(1, 21))
    assert lines["validation"] == [1, 2, 3, 4, 5, 6]
    assert lines["test"] == [1, 2, 3, 4, 5, 6]
    assert len([n for n in made.notes if n.code == "notes.overlap-dropped"]) == 2


def test_a_file_that_would_lose_all_rows(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        plan(tmp_path, rows(6), None, rows(24), overlap="drop")
    assert [problem.code for problem in caught.value.problems] == ["data.all-in-two-files"]
