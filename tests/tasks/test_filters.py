"""Which rows the label filters keep, and what they tell of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tasks.rows import chat

from kunren.config.schema import Labels, TaskConfig
from kunren.messages import use_language
from kunren.tasks.classify import Classify
from kunren.tasks.filters import Filtered, as_json, check, lines
from kunren.tasks.tag import Tag
from kunren.types import Row


def tag(rows: Sequence[Row], by: Sequence[Row] | None = None, **labels: object) -> Filtered:
    of_labels = Labels.model_validate({"kind": "emoji", **labels})
    return Tag(TaskConfig(kind="tag", labels=of_labels)).filter(rows, by)


def classify(rows: Sequence[Row], **labels: object) -> Filtered:
    return Classify(TaskConfig(labels=Labels.model_validate(labels))).filter(rows)


def sets(*answers: str) -> list[Row]:
    return [chat(f"x{n}", answer, line=n) for n, answer in enumerate(answers, start=1)]


def said(found: Filtered) -> list[str]:
    return [row.messages[-1].content for row in found.rows]


def test_without_filters_nothing_happens() -> None:
    rows = sets("😀😢", "😢")
    found = tag(rows)
    assert found.rows == tuple(rows)
    assert found.steps == ()
    assert found.rows_per_label == {"😢": 2, "😀": 1}
    assert found.most_frequent == ("😢", "😀")
    assert lines(found) == []
    assert check(found) == []


def test_banned_labels_are_taken_out_of_sets() -> None:
    found = tag(sets("✨😀✨", "✨", "😢"), ban=["✨"])
    assert said(found) == ["😀", "😢"]
    assert [(s.name, s.setting, s.rows, s.labels) for s in found.steps] == [("ban", ["✨"], 2, 2)]
    assert found.labels_before == 3
    assert found.most_frequent == ("✨", "😀", "😢")


def test_rows_with_a_banned_class_go() -> None:
    found = classify(sets("喜", "怒", "喜", "哀"), ban=["喜"])
    assert said(found) == ["怒", "哀"]


def test_filters_know_labels_in_any_form() -> None:
    assert said(tag(sets("❤️😀", "😢"), ban=["❤"])) == ["😀", "😢"]
    assert said(tag(sets("👍🏿", "😢"), allow=["👍🏻"], merge_skin_tones=True)) == ["👍🏿"]
    assert said(classify(sets("国内/政治", "国際"), allow=[" 国内 / 政治"], hierarchy="/")) == [
        "国内/政治"
    ]


def test_allow_keeps_rows_whose_labels_are_all_in_it() -> None:
    assert said(tag(sets("😀😢", "😀", "😢🎉"), allow=["😀", "😢"])) == ["😀😢", "😀"]


def test_top_keeps_rows_of_frequent_labels_alone() -> None:
    rows = sets("😀😢", "😀", "😢", "😀🎉", "🎉")
    assert said(tag(rows, top=2)) == ["😀", "😀🎉", "🎉"]  # 🎉 and 😢: 2 rows each, by code point
    assert said(tag(rows, top=3)) == said(tag(rows))


def test_top_counts_rows_not_mentions_and_after_the_ban() -> None:
    rows = sets("🎉🎉🎉", "😀", "😀", "✨😢", "✨😢", "✨😢")
    assert said(tag(rows, top=1, ban=["✨"])) == ["😢"] * 3


def test_min_rows_is_repeated_until_it_holds() -> None:
    # Without 🎉 (1 row), 😢 has 1 row too, and goes; then 😀 still has 2.
    rows = sets("😀", "😀", "😢🎉", "😢😀")
    found = tag(rows, min_rows=2)
    assert said(found) == ["😀", "😀"]
    assert found.rows_per_label == {"😀": 2}


SETS = st.lists(st.sets(st.sampled_from("😀😢🎉🔥"), min_size=1).map("".join), max_size=30)


@given(SETS, st.integers(1, 5), st.integers(1, 4))
def test_what_is_left_meets_every_filter(answers: list[str], least: int, top: int) -> None:
    found = tag(sets(*answers), min_rows=least, top=top, ban=["🔥"])
    assert all(count >= least for count in found.rows_per_label.values())
    assert len(found.rows_per_label) <= top
    assert "🔥" not in found.rows_per_label
    assert found.before == len(answers)
    numbers = [found.before, *(step.rows for step in found.steps)]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[-1] == len(found.rows)


def test_other_rows_are_filtered_by_the_training_rows() -> None:
    train = sets("😀", "😀", "😢", "😢", "🎉")
    test = sets("🎉", "🎉", "🎉", "😀😢", "🔥")
    assert said(tag(test, by=train, top=2)) == ["😀😢"]
    assert said(tag(test, by=train, min_rows=2)) == ["😀😢"]
    assert said(tag(test, by=train)) == said(tag(test))
    found = tag(test, by=train, top=2)
    assert (found.before, found.labels_before) == (5, 4)


def test_a_chat_is_kept_whole_or_not_at_all() -> None:
    rows = [
        chat("a", "😀", "b", "😢✨"),
        chat("c", "✨", "d", "😀"),
        chat("e", "😢"),
        chat("f", "😀"),
    ]
    found = tag(rows, ban=["✨"])
    assert [[m.content for m in row.messages] for row in found.rows] == [
        ["a", "😀", "b", "😢"],
        ["e", "😢"],
        ["f", "😀"],
    ]
    assert len(tag(rows, allow=["😀"]).rows) == 1


# --- what is told ---


def seed_000() -> Filtered:
    """The numbers of seed 000: 1,337 of 20,000 rows were left, which surprised its author."""
    rows = [chat(f"x{n}", "😀😢🎉🔥"[n % 4]) for n in range(1337)]
    rows += [chat(f"y{n}", f"{'😀😢🎉🔥'[n % 4]}🎻") for n in range(18_663)]
    return tag(rows, allow=["😀", "😢", "🎉", "🔥"])


def test_the_report_in_both_languages() -> None:
    found = seed_000()
    assert lines(found) == [
        "ラベルの絞り込み: 20,000 行 → 1,337 行 (フィルタ率 6.7 %)、ラベル 5 種 → 4 種",
        "  allow 😀 😢 🎉 🔥: 1,337 行、4 種",
        "  ラベルごとの行数: 最小 334、中央値 334、最大 335　多い順: 😀 335 🎉 334 🔥 334 😢 334",
    ]
    use_language("en")
    try:
        assert "6.7 % kept" in lines(found)[0]
    finally:
        use_language("ja")


def test_the_report_as_json() -> None:
    found = as_json(tag(sets("😀😢", "😀", "🎉"), top=2, ban=["🎉"]))
    assert json.loads(json.dumps(found)) == {
        "before": 3,
        "rows": 2,
        "kept": pytest.approx(2 / 3),
        "labels_before": 3,
        "labels": 2,
        "steps": [
            {"name": "ban", "setting": ["🎉"], "rows": 2, "labels": 2},
            {"name": "top", "setting": 2, "rows": 2, "labels": 2},
        ],
        "rows_per_label": {"😀": 2, "😢": 1},
        "most_frequent": ["😀", "🎉", "😢"],
        "before_filters": {"😀": 2, "🎉": 1, "😢": 1},
    }


def test_filters_that_leave_nothing() -> None:
    (problem,) = check(tag(sets("😀😢", "🎉"), ban=["🎉"], min_rows=5))
    told = str(problem)
    assert "2 行がすべてなくなりました" in told
    assert "ban 🎉 の後 1 行・2 種、min_rows 5 の後 0 行・0 種" in told
    assert "多いラベル: 🎉、😀、😢" in told


def test_filters_that_leave_one_label() -> None:
    found = tag(sets("😀", "😀", "😢"), top=1)
    (problem,) = check(found)
    assert "2 行・「😀」だけが残りました" in str(problem)
    assert check(found, held_out=True) == []
    assert check(tag(sets("😢"), allow=["😀"]), held_out=True)[0].code == "task.filter-no-rows"
    assert check(tag(sets("😀", "😢"), top=2)) == []
