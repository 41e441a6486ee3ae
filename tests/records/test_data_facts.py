from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.records import handmade

from kunren.records.facts import read_facts
from kunren.records.provenance import data_facts
from kunren.types import Item, Message


def item(name: str, row: str, text: str, answer: str, *labels: str) -> Item:
    return Item(name, row, (Message("user", text),), answer, labels)


def test_sets_are_counted_label_by_label() -> None:
    train = [item("a", "a", "1", "✨📚", "✨", "📚"), item("b", "b", "2", "✨", "✨")]
    test = [item("c", "c", "3", "🎉", "🎉")]
    found = data_facts({}, {"train": train, "validation": [], "test": test}, ("✨", "📚"))
    assert found["labels"] == {
        "✨": {"train": 2, "validation": 0, "test": 0},
        "📚": {"train": 1, "validation": 0, "test": 0},
    }
    assert found["sets"]["train"] == {"total": 3, "different": 2, "mean": 1.5}
    assert found["sets"]["validation"] is None
    assert found["sets"]["all"] == {"total": 4, "different": 3, "mean": pytest.approx(4 / 3)}
    assert found["filters"] is None


def test_texts_have_lengths_and_turns_and_no_labels() -> None:
    train = [
        item("a#1", "a", "あい", "はい"),
        item("a#2", "a", "あいうえ", "いいえ"),
        item("b", "b", "あ", "は"),
    ]
    found = data_facts({}, {"train": train, "test": []}, (), {"before": 5})
    assert found["labels"] == {}
    assert found["sets"] == {"train": None, "test": None, "all": None}
    assert found["lengths"]["train"]["question"] == {
        "min": 1,
        "median": 2,
        "mean": pytest.approx(7 / 3),
        "max": 4,
    }
    assert found["lengths"]["test"] == {"question": None, "answer": None}
    assert found["turns"] == {"train": {"1": 1, "2": 1}, "test": {}}
    assert found["rows"] == {"train": 2, "test": 0}
    assert found["filters"] == {"before": 5}
    json.dumps(found, allow_nan=False)


def test_what_an_answer_is_and_what_judged_it(tmp_path: Path) -> None:
    said = {
        kind: read_facts(handmade.make(tmp_path, kind=kind)) for kind in ("label", "set", "text")
    }
    assert {kind: facts.answers for kind, facts in said.items()} == {k: k for k in said}
    judged = [(facts.judged_by, facts.lower_is_better) for facts in said.values()]
    assert judged == [("accuracy", False), ("jaccard", False), ("loss", True)]
    chosen = handmade.config("set", train={"metric": "top1_share"})
    facts = read_facts(handmade.make(tmp_path, kind="set", experiment=chosen))
    assert (facts.judged_by, facts.lower_is_better) == ("top1_share", True)


def test_an_unfinished_run_is_of_the_kind_that_its_config_says(tmp_path: Path) -> None:
    path = handmade.make(tmp_path, kind="text")
    (path / "eval_metrics.json").unlink()
    assert read_facts(path).answers == "text"
