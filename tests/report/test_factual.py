"""The record says which facts came out wrong."""

from __future__ import annotations

import pytest

from kunren.messages import use_language
from kunren.records.predictions import Answer, Predicted
from kunren.report import factual


def row(question: str, gold: str) -> Predicted:
    return Predicted("1", "1", question, gold, (), {})


def said(text: str | None) -> Answer:
    return Answer(generated=text)


FOUNDED = row("設立はいつ、どこですか。", "1899年に東京で設立されました。")


def test_a_bad_answer_is_told_what_it_got_wrong_and_left_out() -> None:
    assert factual.wrong(FOUNDED, said("1860年に設立されました。")) == [
        "事実が違う: 1899年 → 1860年",
        "事実の抜け: 東京",
    ]
    assert factual.wrong(FOUNDED, said("東京で明治32年に設立。")) == []
    assert factual.wrong(FOUNDED, said("1899年ではありません。東京です。")) == [
        "事実が違う: 1899年 → 否定"
    ]
    assert factual.wrong(FOUNDED, said(None)) == []


def test_many_facts_are_cut_short() -> None:
    many = row("予定は？", "3月1日、4月2日、5月3日、6月4日に行います。")
    assert factual.wrong(many, said("未定です。")) == ["事実の抜け: 3月1日、4月2日、5月3日 …"]


def test_the_trend_counts_facts_and_names_those_that_are_wrong() -> None:
    use_language("en")
    other = row("料金は？", "5,000円です。")
    found = list(
        factual.trends(
            [
                (FOUNDED, said("1860年に設立されました。")),
                (other, said("5千円です。")),
                (row("元気ですか。", "はい。"), said("いいえ。")),
            ]
        )
    )
    assert found[0].startswith("Of the 3 facts in 2 gold answers")
    assert "the answers have 1 (33.3 %); 1 have another value there, 1 are not" in found[0]
    assert found[1:] == ["Facts that came out different: years: 1. For example: 1899年 → 1860年"]
    assert list(factual.trends([(row("元気ですか。", "はい。"), said("いいえ。"))])) == []


def test_without_the_tagger_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kunren.evaluation.facts.REQUIRES", {"no_such_module": "x"})
    assert factual.check(FOUNDED, said("1860年です。")) is None
