"""Exactly one emoji, in one form."""

from __future__ import annotations

import emoji
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.data.emoji import is_emoji, normalize_emoji, split_graphemes

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
