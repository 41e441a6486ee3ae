"""Cutting rows by a counter of tokens that needs no model: one token a character."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
import regex

from kunren.config.schema import Truncation
from kunren.tasks.truncation import cuts, note, shortened
from kunren.types import Message, Row, Where

_HERE = Where("rows.jsonl", 1)


def flat(said: str, name: str = "a", **fields: str) -> Row:
    turns = (Message("user", said), Message("assistant", "はい"))
    return Row(name, turns, _HERE, fields)


def asked(row: Row) -> str:
    return "".join(m.content for m in row.messages if m.role in ("user", "tool"))


def characters(rows: Sequence[Row]) -> list[int]:
    return [
        sum(len(m.content) for m in row.messages) + sum(map(len, row.fields.values()))
        for row in rows
    ]


@pytest.mark.parametrize(
    ("where", "left"), [("end", "あいうえお"), ("start", "かきくけこ"), ("middle", "あい…けこ")]
)
def test_what_is_taken_out_is_what_is_named(where: Truncation, left: str) -> None:
    assert asked(shortened(flat("あいうえおかきくけこ"), 5, where, ())) == left


@pytest.mark.parametrize("where", ["end", "start", "middle"])
def test_a_character_of_several_code_points_stays_whole_or_goes(where: Truncation) -> None:
    said = "👩‍👩‍👧👍🏽が🇯🇵か\u3099" * 6
    whole = regex.findall(r"\X", said)
    for most in range(len(said)):
        left = asked(shortened(flat(said), most, where, ()))
        assert len(left) <= most
        assert set(regex.findall(r"\X", left.replace("…", ""))) <= set(whole)


def test_the_longest_parts_are_cut_and_only_those_that_the_template_reads() -> None:
    row = flat("あ" * 30, title="い" * 20, note="う" * 40)
    cut = shortened(row, 10, "end", ("title",))
    assert [asked(cut), cut.fields["title"]] == ["あ" * 10, "い" * 10]
    assert cut.fields["note"] == row.fields["note"]
    assert cut.messages[-1] == row.messages[-1]


def test_in_a_chat_system_and_assistant_stay_whole() -> None:
    turns = (
        Message("system", "丁寧に" * 9),
        Message("user", "短い"),
        Message("assistant", "そう" * 30, weight=0.0),
        Message("tool", "結果" * 40),
        Message("user", "長い" * 50),
        Message("assistant", "答え" * 30),
    )
    row = Row("a", turns, _HERE, chat=True)
    found = cuts([row], 200, characters, "end", ())
    cut = shortened(row, found["a"].most, "end", ())
    kept = [(m.role, m.content) for m in cut.messages]
    for number in (0, 1, 2, 5):
        assert kept[number] == (turns[number].role, turns[number].content)
    assert len(kept[3][1]) == len(kept[4][1])
    assert 200 - 200 // 100 <= characters([cut])[0] <= 200


@pytest.mark.parametrize("where", ["end", "start", "middle"])
def test_rows_of_any_length_fit_and_use_what_room_there_is(where: Truncation) -> None:
    random = Random(7)
    rows = [flat("字" * random.randint(1, 3000), str(n)) for n in range(200)]
    found = cuts(rows, 500, characters, where, ())
    assert set(found) == {row.id for row in rows if characters([row])[0] > 500}
    for row in rows:
        if row.id in found:
            cut = shortened(row, found[row.id].most, where, ())
            assert 495 <= characters([cut])[0] <= 500
            assert found[row.id].kept == len(asked(cut)) / len(asked(row))


def test_tokens_that_jump_are_no_trap() -> None:
    """Seven characters a token, and a first one that costs forty: the search still ends."""

    def tokens(rows: Sequence[Row]) -> list[int]:
        return [40 * bool(asked(row)) + len(asked(row)) // 7 for row in rows]

    row = flat("字" * 5000)
    (cut,) = cuts([row], 60, tokens, "end", ()).values()
    (size,) = tokens([shortened(row, cut.most, "end", ())])
    assert size == 60


def test_a_row_that_is_too_long_without_its_question_is_not_cut() -> None:
    turns = (Message("user", "問"), Message("assistant", "答" * 100))
    assert cuts([Row("a", turns, _HERE)], 50, characters, "end", ()) == {}


def test_the_note_counts_rows_and_what_is_left() -> None:
    rows = [flat("字" * n, str(n)) for n in (10, 98, 198, 398)]
    found = cuts(rows, 100, characters, "end", ())
    told = note(found, {"train": rows[:2], "validation": rows[2:3], "test": rows[3:]}, 100, "end")
    assert told is not None
    assert told.fields == {
        "where": "end", "limit": 100, "rows": 2, "all": 4, "train": 0, "validation": 1, "test": 1,
        "median": 49, "least": 24,
    }  # fmt: skip
    assert note({}, {"train": rows, "validation": [], "test": []}, 100, "end") is None
