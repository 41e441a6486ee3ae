"""Words: no character is lost, whatever a model wrote."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kunren.evaluation.words import surfaces, words


def test_words_are_those_of_the_dictionary() -> None:
    found = words("お尋ねします。")
    assert [w.surface for w in found] == ["お", "尋ね", "し", "ます", "。"]
    assert found[0].pos == ("接頭辞",)
    assert (found[2].lemma, found[2].form) == ("為る", "連用形-一般")
    assert (found[3].kind, found[3].form) == ("助動詞-マス", "終止形-一般")
    assert found[4].pos == ("補助記号", "句点")


def test_a_word_that_the_dictionary_lacks_is_its_own_lemma() -> None:
    (word,) = words("🎉")
    assert (word.lemma, word.pos, word.kind, word.form) == ("🎉", ("補助記号", "一般"), "", "")


def test_proper_nouns_say_so() -> None:
    assert words("東京")[0].pos == ("名詞", "固有名詞", "地名", "一般")


@pytest.mark.parametrize(
    "text", ["", "   ", "\n\t\u3000\u00a0"], ids=["empty", "blank", "other-blanks"]
)
def test_white_space_is_no_word(text: str) -> None:
    assert words(text) == ()


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40))
@example("価格は１，２００円🎉🎉です！")
@example("a\0b\ud83d今日")
@example('「,」"x"')
@example(" 今日 は\r\n\n良い\u00a0天気\u2003です ")
def test_no_character_is_lost(text: str) -> None:
    assert "".join(surfaces(text)) == "".join(text.split())
    assert all(surfaces(text))


@pytest.mark.parametrize("character", ["x", "あ", "🎉", ","])
def test_endless_repetition_does_no_harm(character: str) -> None:
    assert "".join(surfaces(character * 100_000)) == character * 100_000


def test_threads_do_not_disturb_each_other() -> None:
    texts = [f"{n}番目の文は、今日は良い天気です。" * 3 for n in range(300)]
    alone = [words.__wrapped__(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(words.__wrapped__, texts)) == alone
