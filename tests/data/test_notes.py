"""Notes: facts that are counted, said in both languages, and kept in the record."""

from __future__ import annotations

import json

import pytest

from kunren.data.notes import Notes, as_json, from_json, said
from kunren.errors import Problem
from kunren.messages import catalogue, use_language
from kunren.types import Where


def test_the_same_note_is_counted() -> None:
    notes = Notes("data/a.csv")
    notes.add("pair", 2, text="q", label="a")
    notes.add("pair", 3, text="q", label="a")
    notes.add("pair", 4, text="q", label="b")
    assert [(n.fields["label"], n.fields["rows"], n.fields["line"]) for n in notes.problems()] == [
        ("a", 2, 2), ("b", 1, 4),
    ]  # fmt: skip


def test_values_of_tuples_are_put_together() -> None:
    notes = Notes("a")
    for roles in (("user",), ("user", "gpt → assistant"), ("gpt → assistant",)):
        notes.add("chat-messages", 1, column="m", speaker="role", content="content", roles=roles)
    (note,) = notes.problems()
    assert (note.fields["roles"], note.fields["rows"]) == (["user", "gpt → assistant"], 3)


@pytest.mark.parametrize("name", [n for n in catalogue("notes") if n != "between"])
@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_note_can_be_said_from_the_record(name: str, language: str) -> None:
    fields: dict[str, object] = dict.fromkeys(
        ("column", "speaker", "content", "text", "label", "separator", "other", "example",
         "written", "none", "threshold", "file", "lines"), "x",
    )  # fmt: skip
    fields |= {"roles": ["a", "b"], "examples": ["c", "d"], "rows": 1234, "line": 5, "labels": 6}
    fields |= dict.fromkeys(("limit", "all", "train", "validation", "test"), 100)
    fields |= {"median": 80, "least": 20}
    fields["columns"] = ["e"] * 20 if name == "wide-never" else 4
    kept = as_json([Problem(f"notes.{name}", Where("/home/me/data/a.csv", 7), fields)])
    assert "/home" not in json.dumps(kept)
    (note,) = from_json(json.loads(json.dumps(kept)))
    use_language(language)  # type: ignore[arg-type]
    try:
        told = said(note)
    finally:
        use_language("ja")
    assert told.startswith("a.csv:7: ")
    assert "{" not in told
    assert len(told) < 350
