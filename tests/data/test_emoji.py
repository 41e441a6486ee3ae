"""Exactly one emoji, in one form."""

from __future__ import annotations

import emoji
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.data.emoji import (
    emoji_name,
    is_emoji,
    merge_skin_tones,
    normalize_emoji,
    split_emoji,
    split_graphemes,
)

FULL = [e for e, about in emoji.EMOJI_DATA.items() if about["status"] == 2]
ONE = st.sampled_from(FULL)
VARIATION = str.maketrans("", "", "\ufe0e\ufe0f")


@pytest.mark.parametrize(
    "text",
    [
        "😀",
        "❤",
        "❤️",
        "❤︎",
        "🇯🇵",
        "👨‍👩‍👧‍👦",
        "👍🏽",
        "☝🏽",
        "👩🏿‍❤️‍💋‍👨🏻",
        "1️⃣",
        "#️⃣",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "🏳️‍🌈",
        "©️",
        "㊙️",
        "🫠",
    ],
)
def test_one_emoji(text: str) -> None:
    assert is_emoji(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1",
        "#",
        "a",
        "嬉",
        "★",
        "♪",
        "😀😀",
        "😀 ",
        " 😀",
        "😀嬉",
        "(^^)",
    ],
)
def test_not_one_emoji(text: str) -> None:
    assert not is_emoji(text)


@pytest.mark.parametrize(
    "text",
    [
        "🇯",
        "🇯🇵🇺🇸",
        "🏽",
        "😀🏽",
        "\ufe0f",
        "\u200d",
        "😀\u200d",
        "1\ufe0f",
        "1\u20e3\u20e3",
        "\ufe0f😀",
    ],
)
def test_parts_of_emoji_are_none(text: str) -> None:
    assert not is_emoji(text)


@given(ONE)
def test_every_form_of_an_emoji_is_the_same_label(one: str) -> None:
    for form in (one, one.translate(VARIATION)):
        assert is_emoji(form)
        assert normalize_emoji(form) == one
    assert split_graphemes(one) == [one]


@given(st.lists(ONE, min_size=2, max_size=4))
def test_several_are_not_one(several: list[str]) -> None:
    assert not is_emoji("".join(several))


@given(st.text())
def test_normalising_twice_changes_nothing_and_text_stays(text: str) -> None:
    once = normalize_emoji(text)
    assert normalize_emoji(once) == once
    assert once.translate(VARIATION) == text.translate(VARIATION)
    assert "".join(split_graphemes(text)) == text


def test_words_stay_as_they_are() -> None:
    assert normalize_emoji("今日は1番 #❤") == "今日は1番 #❤️"
    assert split_graphemes("が👨‍👩‍👧🇯🇵") == ["が", "👨‍👩‍👧", "🇯🇵"]


# --- runs of emoji ---


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("😀😢🎉", ["😀", "😢", "🎉"]),
        ("🎻 🎹　🎵", ["🎻", "🎹", "🎵"]),
        ("🎻、🎹,🎵，🎺・🎷\n", ["🎻", "🎹", "🎵", "🎺", "🎷"]),
        ("❤🔥❤️‍🔥", ["❤️", "🔥", "❤️‍🔥"]),
        ("🇯🇵🇺🇸🇯🇵", ["🇯🇵", "🇺🇸", "🇯🇵"]),
        ("👨‍👩‍👧👩🏽‍🚀👍🏿", ["👨‍👩‍👧", "👩🏽‍🚀", "👍🏿"]),
        ("1️⃣2⃣#️⃣", ["1️⃣", "2️⃣", "#️⃣"]),
        ("🏴󠁧󠁢󠁥󠁮󠁧󠁿🏴󠁧󠁢󠁳󠁣󠁴󠁿🏴", ["🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🏴"]),
        ("🏳️‍🌈🏳🌈", ["🏳️‍🌈", "🏳️", "🌈"]),
        ("今日は、楽しい😀 よね", ["今日は", "楽しい", "😀", "よね"]),
        ("😀(^^)★12", ["😀", "(^^)★12"]),
        ("🚗🏽", ["🚗", "🏽"]),
        ("😀\u200d🐶", ["😀", "🐶"]),
        ("😀\u200d", ["😀"]),
        ("\ufe0f😀\u200b😢", ["😀", "😢"]),
        ("🇯🇵🇺", ["🇯🇵", "🇺"]),
    ],
)
def test_emoji_and_what_is_between_them(text: str, pieces: list[str]) -> None:
    assert split_emoji(text) == pieces


BETWEEN = st.sampled_from(["", " ", "　", ",", "、", ", ", "\n"])


@given(st.lists(st.tuples(ONE, st.booleans(), BETWEEN), max_size=8))
def test_runs_come_apart_into_what_they_were_made_of(made: list[tuple[str, bool, str]]) -> None:
    written = [one.translate(VARIATION) if bare else one for one, bare, _ in made]
    run = "".join(form + between for form, (_, _, between) in zip(written, made, strict=True))
    assert split_emoji(run) == [one for one, _, _ in made]


@given(
    st.text(alphabet=st.one_of(st.characters(), st.sampled_from("😀❤1🇯🇵🏽\u200d\ufe0f\u20e3、 ")))
)
def test_no_text_is_lost_but_what_separates(text: str) -> None:
    pieces = split_emoji(text)
    seen = [c for c in text.translate(VARIATION) if not c.isspace() and c not in ",，、､・"]
    hidden = "\u200b\u200c\u200d\u2060\ufeff"
    kept = "".join(pieces).translate(VARIATION)
    assert [c for c in kept if c not in hidden] == [c for c in seen if c not in hidden]
    assert all(
        piece and (is_emoji(piece) or not any(c.isspace() for c in piece)) for piece in pieces
    )
    assert [p for piece in pieces for p in split_emoji(piece)] == pieces


@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ("👍🏻", "👍"),
        ("👍🏿👍", "👍👍"),
        ("☝🏽", "☝️"),
        ("👩🏽‍🚀", "👩‍🚀"),
        ("🕵🏽‍♀️", "🕵️‍♀️"),
        ("👩🏿‍❤️‍💋‍👨🏻", "👩‍❤️‍💋‍👨"),
        ("🫱🏻‍🫲🏿", "🤝"),
        ("👩🏻‍🤝‍👨🏿", "👫"),
        ("🧑🏻‍❤️‍🧑🏿", "💑"),
        ("👨‍👩‍👧", "👨‍👩‍👧"),
        ("今日は❤", "今日は❤️"),
        ("🏽", "🏽"),
    ],
)
def test_skin_tones_are_merged(text: str, merged: str) -> None:
    assert merge_skin_tones(text) == merged


@given(ONE)
def test_a_merged_emoji_is_an_emoji_without_tone(one: str) -> None:
    merged = merge_skin_tones(one)
    assert is_emoji(merged)
    assert not any("🏻" <= c <= "🏿" for c in merged)
    assert merge_skin_tones(merged) == merged
    if not any("🏻" <= c <= "🏿" for c in one):
        assert merged == one


def test_names_are_japanese() -> None:
    assert emoji_name("🎻") == "バイオリン"
    assert emoji_name("❤") == emoji_name("❤️") == "赤いハート"
    assert emoji_name("🇯🇵") == "旗 日本"
    assert emoji_name("嬉しい") is None
    assert emoji_name("😀😢") is None
    assert emoji_name("🏽") is None
    assert all(emoji_name(one) for one in FULL)
