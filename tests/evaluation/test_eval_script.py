"""What is not Japanese, and what may stand in a Japanese text all the same."""

from __future__ import annotations

import pytest

from kunren.evaluation.script import foreign_share, has_letters


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("料金は1,200円です。🎉", ""),
        ("高さは24cm、重さは1.9kgです。", ""),
        ("https://example.jp/shop か info@example.jp へどうぞ。", ""),
        ("Zoomをお使いください。", "ZOOMは使えますか。"),
        ("LEDランプです。", "「浦守LED」でございます。"),
        ("々〆ヶヴー髙﨑", ""),
        ("ﾊﾝｶｸ", ""),
    ],
)
def test_this_belongs_to_japanese(said: str, known: str) -> None:
    assert foreign_share(said, known) == 0.0


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ("The company", 1.0),
        ("会社 was", 3 / 5),
        ("我们这样", 3 / 4),
        ("회사입니다", 1.0),
        ("設立はinです", 2 / 7),
    ],
)
def test_this_does_not(said: str, share: float) -> None:
    assert foreign_share(said, "") == pytest.approx(share)


def test_a_text_without_letters_is_in_no_language() -> None:
    assert not any(map(has_letters, ("", "  ", "123%", "🎉。")))
    assert has_letters("あ")
