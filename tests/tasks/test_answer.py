"""Free text as an answer."""

from __future__ import annotations

from tests.tasks.rows import chat, contents

from kunren.config.schema import TaskConfig
from kunren.data.records import LIST_SEPARATOR
from kunren.tasks import Parsed
from kunren.tasks.answer import Answer

QA = [
    chat("社名は？", "訓練商事です。"),
    chat("設立は？", "1998 年です。\n改組は 2005 年です。", line=2),
]


def task(**config: str) -> Answer:
    return Answer(TaskConfig(kind="answer", **config))  # type: ignore[arg-type]


def test_good_rows_have_no_problems() -> None:
    assert task().problems(QA) == []
    assert task().problems([chat("a", "b", "c", "b"), chat("d", "e")]) == []
    assert task().problems([]) == []


def test_answers_that_are_none() -> None:
    rows = [*QA, chat("a", " \u200b", line=3), chat("b", f"x{LIST_SEPARATOR}y", line=4)]
    found = [str(p) for p in task().problems(rows)]
    assert found[0].startswith("rows.jsonl:3: 答えが空です")
    assert found[1].startswith("rows.jsonl:4: 答えが 2 個の一覧です")
    assert "\x1f" not in "".join(found)


def test_the_same_answer_everywhere() -> None:
    (problem,) = task().problems([chat("a", "はい"), chat("b", "はい ")])
    assert "2 件の答えがすべて「はい」" in str(problem)


def test_answers_keep_their_line_breaks() -> None:
    (row,) = task(system="s", template="質問: {text}").prepare([chat("a", " 一\r\n二\n")])
    assert contents(row) == [("system", "s"), ("user", "質問: a"), ("assistant", "一\n二")]


def test_items_have_no_labels() -> None:
    items = task().items([chat("a", "b", "c", "d")])
    assert [(i.id, i.answer, i.labels) for i in items] == [
        ("rows.jsonl:1#1", "b", ()),
        ("rows.jsonl:1#2", "d", ()),
    ]
    assert task().labels(QA) == ()
    assert task().parse("何か", ()) == Parsed(())
    assert task().default_system(()) == ""
    assert len({task().stratum(row) for row in QA}) == 1


def test_nothing_is_filtered() -> None:
    found = task().filter(QA)
    assert found.rows == tuple(QA)
    assert (found.before, found.labels_before, found.steps, found.kept) == (2, 0, (), 1.0)
