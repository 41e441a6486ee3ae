"""Turns as people keep them: what is read, joined, moved, left out, and what is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kunren.config.schema import Fields
from kunren.data.chats import ROLES
from kunren.data.notes import Notes
from kunren.data.read import read
from kunren.data.records import Content, Manner, read_record
from kunren.types import Message, Where

PATH = "a.jsonl"


def u(content: object, **more: object) -> dict[str, object]:
    return {"role": "user", "content": content, **more}


def a(content: object, **more: object) -> dict[str, object]:
    return {"role": "assistant", "content": content, **more}


def s(content: object) -> dict[str, object]:
    return {"role": "system", "content": content}


def chat(*turns: object, answered: bool = True) -> tuple[Content, list[str]]:
    """What a conversation is read as, and the notes of it."""
    notes = Notes(PATH)
    manner = Manner(Fields(), answered=answered)
    content = read_record({"messages": list(turns)}, manner, Where(PATH, 3), notes)
    return content, [note.code.removeprefix("notes.") for note in notes.problems()]


def said(*turns: object, answered: bool = True) -> tuple[list[tuple[str, str]], list[str]]:
    content, notes = chat(*turns, answered=answered)
    assert not content.problems, [str(problem) for problem in content.problems]
    return [(m.role, m.content) for m in content.messages], notes


def codes(*turns: object) -> list[str]:
    return [problem.code for problem in chat(*turns)[0].problems]


U, A = ("user", "u"), ("assistant", "a")


# --- the order of turns ---


@pytest.mark.parametrize(
    ("turns", "meant", "notes"),
    [
        ([s("s"), u("u"), a("a")], [("system", "s"), U, A], []),
        ([s(""), u("u"), a("a")], [U, A], []),
        ([s(None), u("u"), a("a")], [U, A], []),
        ([u("u"), u("v"), a("a")], [("user", "u\nv"), A], ["joined-user"]),
        ([u("u"), a("a"), a("b")], [U, ("assistant", "a\nb")], ["joined-assistant"]),
        ([a("やあ"), u("u"), a("a")], [U, A], ["before-the-user"]),
        ([s("s"), a("やあ"), u("u"), a("a")], [("system", "s"), U, A], ["before-the-user"]),
        ([u("u"), a("a"), u("v")], [U, A], ["after-the-answer"]),
        ([u("u"), a("a"), u("v"), s("t")], [U, A], ["late-system", "joined-user",
                                                   "after-the-answer"]),
        ([s("s"), s("t"), u("u"), a("a")], [("system", "s\n\nt"), U, A], ["joined-system"]),
        ([u("u"), a("a"), s("t"), u("v"), a("b")],
         [U, A, ("user", "t\n\nv"), ("assistant", "b")], ["late-system"]),
        ([u("u"), s("t"), a("a")], [("user", "u\n\nt"), A], ["late-system"]),
        ([a("やあ"), s("t"), u("u"), a("a")], [("user", "t\n\nu"), A],
         ["late-system", "before-the-user"]),
        ([u("u"), a("")], [U, ("assistant", "")], []),  # an answer or none: the task says
    ],
)  # fmt: skip
def test_one_behaviour_for_each_order(
    turns: list[object], meant: list[tuple[str, str]], notes: list[str]
) -> None:
    assert said(*turns) == (meant, notes)


@pytest.mark.parametrize(
    ("turns", "code"),
    [
        ([a("a")], "data.first-not-user"),
        ([s("s"), s("t")], "data.first-not-user"),
        ([u("u")], "data.no-answer"),
        ([u(" "), a("a")], "data.empty-message"),
        ([u("u"), a("a", weight=0), a("b")], "data.same-role-twice"),
        ([u("u"), a("a", weight=-1)], "data.weight"),
        ([u("u"), a("a", weight="重い")], "data.weight"),
        ([u("u"), a("a", tool_calls="f(x)")], "data.tool-calls"),
        ([{"role": "narrator", "content": "x"}, u("u"), a("a")], "data.unknown-role"),
        ([{"role": "assitant", "content": "x"}], "data.unknown-role-near"),
        ([{"role": "user"}, a("a")], "data.message-shape"),
        ([{"role": None, "content": "u"}, a("a")], "data.message-shape"),
        (["u", a("a")], "data.message-shape"),
        ([u("u\ud83d"), a("a")], "data.garbled"),
        ([u("u"), a("a", reasoning_content="\x00")], "data.garbled"),
    ],
)
def test_what_is_wrong_with_a_conversation(turns: list[object], code: str) -> None:
    assert code in codes(*turns)


def test_notes_count_rows_and_name_the_first(tmp_path: Path) -> None:
    rows = [[u("u"), a("a")], [u("u"), u("v"), a("a")], [u("u"), u("v"), a("a"), u("w"), u("x")]]
    path = tmp_path / PATH
    path.write_text("\n".join(json.dumps({"messages": row}) for row in rows), "utf-8")
    found = read(path, Fields())
    assert [(n.code, n.fields["rows"], n.fields["line"]) for n in found.notes] == [
        ("notes.joined-user", 2, 2), ("notes.after-the-answer", 1, 3),
    ]  # fmt: skip


# --- who speaks, and what is said ---


@pytest.mark.parametrize("name", [name for name in ROLES if ROLES[name] != "tool"])
@pytest.mark.parametrize("speaker", ["role", "from"])
def test_speakers_by_their_many_names(name: str, speaker: str) -> None:
    content = "content" if speaker == "role" else "value"
    turns = [
        {speaker: "system", content: "s"},
        {speaker: "Human", content: "u"},
        {speaker: "gpt", content: "a"},
    ]
    role = ROLES[name]
    turns[("system", "user", "assistant").index(role)][speaker] = name.upper()
    found, _ = chat(*turns)
    calls = name in ("function_call", "tool_call")
    assert [m.role for m in found.messages] == ([] if calls else ["system", "user", "assistant"])
    assert not found.problems


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "u"}], "u"),
        ([{"type": "text", "text": "u"}, {"type": "text", "text": "v"}], "u\nv"),
        ([{"type": "input_text", "text": "u"}], "u"),
        ([{"text": "u"}], "u"),
        (["u", "v"], "u\nv"),
        ({"type": "text", "text": "u"}, "u"),
        ({"parts": ["u"]}, "u"),
        (3, "3"),
    ],
)
def test_content_in_parts(content: object, text: str) -> None:
    assert said(u(content), a("a"))[0][0] == ("user", text)


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"type": "image_url", "image_url": {"url": "x"}}, "image_url"),
        ({"type": "image"}, "image"),
        ({"type": "input_audio", "input_audio": {}}, "input_audio"),
        ({"type": "text"}, "text"),
        (3, "int"),
    ],
)
def test_parts_that_are_no_text_are_an_error(part: object, kind: str) -> None:
    (problem,) = chat(u([{"type": "text", "text": "u"}, part]), a("a"))[0].problems
    assert (problem.code, problem.fields["kind"]) == ("data.content-part", kind)
    assert problem.where == Where(PATH, 3)


# --- weights ---


@pytest.mark.parametrize(
    ("fields", "weight"),
    [
        ({}, 1), ({"weight": 1}, 1), ({"weight": 0}, 0), ({"weight": None}, 1),
        ({"weight": 0.5}, 0.5), ({"weight": "2"}, 2), ({"weight": False}, 0),
        ({"train": False}, 0), ({"train": True}, 1), ({"training": False}, 0),
        ({"loss": False}, 0), ({"loss": 0}, 0), ({"weight": 1, "train": False}, 0),
        ({"weight": 0, "train": True}, 0), ({"weight": 2, "train": True}, 2),
    ],
)  # fmt: skip
def test_weights_of_answers(fields: dict[str, object], weight: float) -> None:
    found, notes = chat(u("u"), a("a", **fields), u("v"), a("b"))
    assert [m.weight for m in found.messages] == [1, weight, 1, 1]
    assert found.messages[1].is_answer == bool(weight)
    usual: dict[float, list[str]] = {0: ["unweighted"], 1: []}
    assert notes == usual.get(weight, ["weighted"])
    assert not any(m.unread for m in found.messages)


def test_rows_of_which_nothing_is_to_be_learnt_are_left_out(tmp_path: Path) -> None:
    assert chat(u("u"), a("a", weight=0)) == (
        Content((), {}, chat=True), ["nothing-to-learn"],
    )  # fmt: skip
    rows = [[u("u"), a("a", weight=0)], [u("u"), a("a")]]
    path = tmp_path / PATH
    path.write_text("\n".join(json.dumps({"messages": row}) for row in rows), "utf-8")
    found = read(path, Fields())
    assert [row.where.line for row in found.rows] == [2]
    assert not found.problems
    path.write_text(json.dumps({"messages": rows[0]}), "utf-8")
    (problem,) = read(path, Fields()).problems
    assert (problem.code, problem.fields["count"]) == ("data.no-rows-left", 1)


# --- reasoning, tools, and what nothing reads ---


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning(key: str) -> None:
    found, _ = chat(u("u"), a("a", **{key: "考える"}))
    assert found.messages[1].reasoning == "考える"
    parts = [{"type": "thinking", "thinking": "考える"}, {"type": "text", "text": "a"}]
    found, _ = chat(u("u"), a(parts))
    assert (found.messages[1].reasoning, found.messages[1].content) == ("考える", "a")
    found, _ = chat(u("u", **{key: "考える"}), a("a"))
    assert found.messages[0].unread == (key,)


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
MEANT = [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]


@pytest.mark.parametrize(
    "turn",
    [
        a(None, tool_calls=[CALL]),
        a("", tool_calls=[CALL]),
        a("調べます", tool_calls=[CALL]),
        a(None, tool_calls=json.dumps([CALL])),
        a(None, function_call={"name": "f", "arguments": '{"x": 1}'}),
        {"from": "function_call", "value": '{"name": "f", "arguments": {"x": 1}}'},
        {"role": "assistant", "tool_calls": [CALL]},
    ],
)
def test_a_call_that_a_tool_answers_only_leads_to_the_answer(turn: dict[str, Any]) -> None:
    back = {"role": "tool", "content": "3", "name": "f", "tool_call_id": None}
    found, notes = chat(u("u"), turn, back, a("a"))
    assert not found.problems
    assert [(m.role, m.weight) for m in found.messages] == [
        ("user", 1), ("assistant", 0), ("tool", 1), ("assistant", 1),
    ]  # fmt: skip
    assert json.loads(found.messages[1].calls) == MEANT
    assert found.messages[2].name == "f"
    assert notes in ([], ["chat-messages"], ["chat-sharegpt"])


def test_calls_beside_a_text_and_calls_alone() -> None:
    found, notes = chat(u("u"), a("a", tool_calls=[CALL]))
    assert found.messages[1].is_answer
    assert found.messages[1].calls
    assert not notes
    assert chat(u("u"), a(None, tool_calls=[CALL]))[1] == ["only-calls"]
    found, notes = chat(u("u"), a("a"), u("v"), a(None, tool_calls=[CALL]))
    assert ([m.content for m in found.messages], notes) == (["u", "a"], ["after-the-answer"])


def test_fields_that_nothing_reads_are_kept_by_name() -> None:
    found, _ = chat(
        u("u", name="太郎", id="", weight=1, ts=3),
        a("a", refusal=None, audio={"id": "x"}, annotations=[], train=True, value="z"),
        u("v", weight=0),
        a("b", loss=1.25),
    )
    assert [m.unread for m in found.messages] == [
        ("ts", "name", "weight"), ("audio", "value"), (), ("loss",),
    ]  # fmt: skip


def test_a_conversation_that_is_to_be_answered() -> None:
    assert said(u("u"), a("a"), answered=False)[0] == [U]
    assert said(u("u"), a("a"), u("v"), answered=False)[0] == [U, A, ("user", "v")]
    assert said(u("u"), a("a", weight=0), u("v"), u("w"), answered=False) == (
        [U, A, ("user", "v\nw")], ["joined-user"],
    )  # fmt: skip
    assert chat(a("a"), answered=False)[0].problems


def test_messages_are_plain_by_default() -> None:
    found, _ = chat(u("u"), a("a"))
    assert found.messages == (Message("user", "u"), Message("assistant", "a"))
