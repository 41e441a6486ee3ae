"""Facts: what a person finds in a text is found, and what an answer does with it."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.fact_cases import CASES, Case

from kunren.evaluation.facts import check, question
from kunren.evaluation.numerals import NUMBER, value_of
from kunren.evaluation.reading import facts


@pytest.mark.parametrize("case", CASES, ids=[f"{c.gold}|{c.said}" for c in CASES])
def test_what_a_person_finds(case: Case) -> None:
    found = check(case.said, case.gold, case.asked)
    assert tuple(fact.surface for fact in found.contained) == case.contained
    assert {f.surface: o.surface for f, o in found.contradicted} == case.contradicted
    assert tuple(fact.surface for fact in found.omitted) == case.omitted


@pytest.mark.parametrize("case", CASES, ids=[f"{c.gold}|{c.said}" for c in CASES])
def test_gold_has_all_its_own_facts(case: Case) -> None:
    found = check(case.gold, case.gold, case.asked)
    assert (
        len(found.contained)
        == found.total
        == len(case.contained) + len(case.contradicted) + len(case.omitted)
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1億2,000万", "120000000"),
        ("三百二十", "320"),
        ("二〇二四", "2024"),
        ("2万5千", "25000"),
        ("1.5億", "150000000"),
        ("十", "10"),
        ("三兆", "3000000000000"),
        ("12,345.6", "12345.6"),
        ("七億一千四百万", "714000000"),
    ],
)
def test_numbers(written: str, value: str) -> None:
    assert NUMBER.fullmatch(written)
    assert value_of(written) == Decimal(value)


def test_what_the_question_gives_away_is_no_fact() -> None:
    assert check("はい。", "はい、水曜は定休日です。", "水曜は休みですか。").total == 0
    assert check("はい。", "はい、1899年です。", "明治32年の創業ですか。").total == 0


def test_a_document_in_the_prompt_gives_nothing_away() -> None:
    prompt = "資料:\n会社は1899年に東京で創業した。\n\n質問: 創業は?\n回答:"
    assert question(prompt) == "質問: 創業は?\n回答:"
    assert check("1899年です。", "1899年です。", question(prompt)).total == 1


def test_one_wrong_value_contradicts_one_fact() -> None:
    found = check("料金は2,000円です。", "大人1,100円、小学生550円です。", "料金は？")
    assert (len(found.contradicted), len(found.omitted)) == (1, 1)


def test_the_wrong_value_is_set_against_what_it_is_about() -> None:
    found = check("小学生は600円です。", "大人は1,100円、小学生は550円です。", "料金は？")
    assert [(f.surface, o.surface) for f, o in found.contradicted] == [("550円", "600円")]


@settings(max_examples=200, deadline=None)
@given(st.text("12０一十百万億年月日時分半円名%:/-~・、。「」東京明治令和ABc 　\n@.", max_size=30))
def test_any_text_has_its_own_facts(text: str) -> None:
    found = check(text, text, "")
    assert (found.contradicted, found.omitted) == ((), ())
    keys = Counter((f.kind, f.value, f.numbers, f.unit, f.denied) for f in facts(text))
    assert max(keys.values(), default=1) == 1


def test_endless_digits_are_no_number() -> None:
    assert facts("9" * 50_000) == ()
