"""What counts as the same text."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.data.normalize import is_blank, normalize


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＡＢＣ　１２３", "abc 123"),
        ("ｶﾞｷﾞ", "ガギ"),
        ("が", "か\u3099"),
        ("やった〜", "やった～"),
        ("1−2", "1－2"),
        (" a\n\tb ", "a b"),
        ("❤", "❤️"),
        ("ゼロ\u200b幅", "ゼロ幅"),
        ("Straße", "STRASSE"),
        ("㍿", "株式会社"),
    ],
)
def test_the_same(one: str, other: str) -> None:
    assert normalize(one) == normalize(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("か", "が"), ("あ", "ア"), ("👨‍👩‍👧", "👨👩👧"), ("行った", "いった"), ("a", "ab")],
)
def test_not_the_same(one: str, other: str) -> None:
    assert normalize(one) != normalize(other)


@given(st.text())
def test_once_is_enough(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@given(st.text())
def test_it_is_what_it_says(text: str) -> None:
    """The same, spelled out."""
    twins = str.maketrans({"〜": "~", "−": "-", "‖": "∥"})
    seen = re.sub("[\u00ad\u200b\u200c\u2060\ufe0e\ufe0f\ufeff]", "", text.translate(twins))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    assert normalize(text) == re.sub(r"\s+", " ", folded.translate(twins)).strip()
    assert is_blank(text) == (not re.sub(r"\s+", "", seen))


@pytest.mark.parametrize(
    ("text", "blank"), [("", True), (" 　\n\u200b\ufeff", True), ("。", False)]
)
def test_blank(text: str, blank: bool) -> None:
    assert is_blank(text) == blank
