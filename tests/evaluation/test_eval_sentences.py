"""Sentences of Japanese answers, posts and mails."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kunren.evaluation.sentences import sentences, without_quotations, without_remark


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("送料は無料です。3.5kgまで！！本当？", ["送料は無料です。", "3.5kgまで！！", "本当？"]),
        (
            "「はい。分かりました。」と言った。次だ。",
            ["「はい。分かりました。」と言った。", "次だ。"],
        ),
        ("「こんにちは。元気ですか。」", ["こんにちは。", "元気ですか。"]),
        (
            "詳しくは https://example.jp/?q=1!a をご覧ください。以上。",
            ["詳しくは https://example.jp/?q=1!a をご覧ください。", "以上。"],
        ),
        ("お世話に\nなります", ["お世話に", "なります"]),
        ("先日の件につきまして、\n回答します。", ["先日の件につきまして、回答します。"]),
        ("・送料: 500円\n1.選びます\n2.5倍です", ["送料: 500円", "選びます", "2.5倍です"]),
        ("料金は１．５倍です．次です．", ["料金は１．５倍です．", "次です．"]),
        ("また行きます✨ うれしいw", ["また行きます✨", "うれしいw"]),
        ("今日は🍎を食べました", ["今日は🍎を食べました"]),
        ("助かりました(笑)。次へ", ["助かりました(笑)。", "次へ"]),
        ("窓口へどうぞ。（正午を除く）", ["窓口へどうぞ。（正午を除く）"]),
        ("いいですか？って聞かれた。", ["いいですか？って聞かれた。"]),
        ("Yahoo!ニュースを見た。", ["Yahoo!ニュースを見た。"]),
        ("Q: 返品できますか？\nA: できます。", ["返品できますか？", "できます。"]),
        ("It opened in 1943. It sells lamps.", ["It opened in 1943.", "It sells lamps."]),
        ("そうですか…。", ["そうですか…。"]),
        ("---\n😊✨\nhttps://example.jp\n。。。\n", []),
        ("括弧(が閉じない。次の文。", ["括弧(が閉じない。", "次の文。"]),
    ],
)
def test_sentences(said: str, expected: list[str]) -> None:
    assert list(sentences(said)) == expected


def test_remarks_and_hashtags_at_the_end() -> None:
    assert without_remark("10時からです（祝日を除く）。") == "10時からです"
    assert without_remark("終わりました #引退 #感謝") == "終わりました"
    assert without_remark("（祝日を除く）") == "（祝日を除く）"
    assert without_remark("3(三)個だ。") == "3(三)個だ。"


def test_quotations() -> None:
    assert without_quotations("彼は「はい『ええ』」と答えた。") == "彼は「」と答えた。"
    assert without_quotations("「はい。」") == "「はい。」"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="あ亜aZ1。！?．.「」（）()、\n 😊w笑#・です", max_size=40))
def test_no_letter_is_lost(said: str) -> None:
    def letters(text: str) -> str:
        return "".join(c for c in text if c.isalpha())

    assert letters("".join(sentences(said))) == letters(said)
