"""Copies of the input as baselines: where they are made, and what they give."""

from __future__ import annotations

import pytest

from kunren.config.schema import EvaluateConfig
from kunren.evaluation.baselines import run_baselines
from kunren.evaluation.score import evaluate
from kunren.evaluation.told import best_baseline
from kunren.types import Item, Message, Prediction


def item(number: int, asked: str, answer: str) -> Item:
    return Item(str(number), str(number), (Message("user", asked),), answer, ())


CORRECTED = [
    ("会議は三時から始まりす。", "会議は三時から始まります。"),
    ("資料を先週送りました。", "資料を先週送りました。"),
    ("駅から歩いて五分でです。", "駅から歩いて五分です。"),
    ("雨の場合は中止します。", "雨の場合は中止します。"),
]
QUESTIONS = [
    ("営業時間を教えてください。", "平日九時から十八時までです。"),
    ("返品はできますか。", "到着後七日以内であれば承ります。"),
    ("駐車場はありますか。", "建物の裏に二十台分ございます。"),
    ("予約は必要ですか。", "当日の来店でも問題ありません。"),
]
SUMMARIES = [
    (f"{first}詳しい日程は後日発表される。関係者は準備を急いでいる。", first)
    for first in ("市は新しい図書館を建てる。", "駅前で祭りが開かれる。", "橋の工事が始まった。")
]


def made(pairs: list[tuple[str, str]], template: str = "{}") -> dict[str, list[str | None]]:
    items = [item(n, template.format(asked), said) for n, (asked, said) in enumerate(pairs)]
    found = run_baselines("all", "text", items, (), items, ())
    return {name: [p.generated for p in said] for name, said in found.items()}


@pytest.mark.parametrize("template", ["{}", "次の文の誤りを直してください。\n\n{}"])
def test_corrections_are_compared_with_a_copy(template: str) -> None:
    assert made(CORRECTED, template)["copy"] == [asked for asked, _ in CORRECTED]


def test_questions_are_not() -> None:
    assert set(made(QUESTIONS)) == {"constant", "nearest"}


def test_summaries_are_compared_with_the_first_sentence() -> None:
    assert made(SUMMARIES)["lead"] == [first for _, first in SUMMARIES]


def test_a_baseline_that_is_named_is_made() -> None:
    items = [item(n, *pair) for n, pair in enumerate(QUESTIONS)]
    found = run_baselines(("copy",), "text", items, (), items, ())
    assert [p.generated for p in found["copy"]] == [asked for asked, _ in QUESTIONS]


def test_the_copy_is_the_baseline_that_counts() -> None:
    items = [item(n, *pair) for n, pair in enumerate(CORRECTED)]
    said = run_baselines("all", "text", items[:3], (), items, ())
    del said["nearest"]  # which knows three of the four
    found = evaluate(items, (), said, EvaluateConfig(bootstrap=100), "text")
    assert best_baseline(found) in ("copy", "lead")


def test_rows_made_worse_and_mended_are_counted() -> None:
    items = [item(n, *pair) for n, pair in enumerate(CORRECTED)]
    said = ["会議は三時から始まります。", "資料を先週に送りました。", "駅から五分です。"]
    given = [
        Prediction(i.id, None, generated=x)
        for i, x in zip(items, [*said, CORRECTED[3][1]], strict=True)
    ]
    scores = evaluate(items, (), {"tuned": given}, EvaluateConfig(bootstrap=100), "text")
    for name in ("spoilt_rate", "mended_rate"):
        score = scores["systems"]["tuned"][name]
        assert (score["value"], score["n_scored"]) == (0.5, 2)
    asked = [item(n, *pair) for n, pair in enumerate(QUESTIONS)]
    answers = [Prediction(i.id, None, generated=i.answer) for i in asked]
    scores = evaluate(asked, (), {"tuned": answers}, EvaluateConfig(bootstrap=100), "text")
    assert scores["systems"]["tuned"]["spoilt_rate"]["value"] is None
    assert scores["systems"]["tuned"]["spoilt_rate"]["reason"]
