"""What classify asks for, and what counts as an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.tasks.rows import chat, contents

from kunren.config.schema import Labels, TaskConfig
from kunren.data.read import capped
from kunren.data.records import LIST_SEPARATOR, joined
from kunren.tasks import TASKS, Parsed, make_task
from kunren.tasks.classify import Classify
from kunren.types import Message, Row, Where


def task(kind: str = "text", labels: dict[str, object] | None = None, **config: str) -> Classify:
    of_labels = Labels.model_validate({"kind": kind, **(labels or {})})
    return Classify(TaskConfig(labels=of_labels, **config))  # type: ignore[arg-type]


def tree(*labels: str) -> list[Row]:
    return [chat(f"x{n}", label, line=n) for n, label in enumerate(labels, start=1)]


def test_the_table_leads_to_every_task() -> None:
    made = {kind: make_task(TaskConfig.model_validate({"kind": kind})) for kind in TASKS}
    assert {kind: one.answers for kind, one in made.items()} == {
        "classify": "label",
        "tag": "set",
        "answer": "text",
    }
    assert isinstance(made["classify"], Classify)


# --- problems ---


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("嬉しい", ["「嬉しい」は絵文字 1 つではありません", "task.labels.kind: text"]),
        ("1", ["「1」"]),
        ("(^_^)", ["「(^_^)」"]),
        ("😀！", ["「😀！」は絵文字 1 つでは"]),
        ("😀😢", ["絵文字が 2 個", "1 つだけに"]),
        ("👨‍👩‍👧🇯🇵❤", ["絵文字が 3 個"]),
    ],
)
def test_label_that_is_no_emoji(label: str, said: list[str]) -> None:
    rows = [chat("a", "😀"), chat("b", label, line=7), chat("c", "😢", line=9)]
    (problem,) = task("emoji").problems(rows)
    assert str(problem).startswith("rows.jsonl:7: ")
    assert all(part in str(problem) for part in said)


def test_emoji_of_any_form_are_fine() -> None:
    rows = [chat("a", "❤"), chat("b", " ❤️ "), chat("c", "🇯🇵"), chat("d", "👍🏽"), chat("e", "1️⃣")]
    assert task("emoji").problems(rows) == []


def test_every_turn_is_checked() -> None:
    (problem,) = task("emoji").problems([chat("a", "😀", "b", "だめ", "c", "😢", line=4)])
    assert "rows.jsonl:4: " in str(problem)
    assert "だめ" in str(problem)


def test_line_break_in_a_label() -> None:
    rows = [chat("a", "国内\n政治", line=3), chat("b", "国際"), chat("c", "経済\n")]
    (problem,) = task().problems(rows)
    assert str(problem).startswith("rows.jsonl:3: ")
    assert "改行" in str(problem)
    assert "1 行のラベル" in str(problem)


def test_labels_that_look_alike() -> None:
    rows = [chat("a", "IT"), chat("b", "経済"), chat("c", "ＩＴ", line=3), chat("d", "it", line=4)]
    problems = [str(p) for p in task().problems(rows)]
    assert [p.split(": ")[0] for p in problems] == ["rows.jsonl:3", "rows.jsonl:4"]
    assert "「ＩＴ」と「IT」 (rows.jsonl:1)" in problems[0]
    assert "そろえて" in problems[0]


def test_only_one_label() -> None:
    (problem,) = task().problems([chat("a", "喜"), chat("b", "喜 "), chat("c", "喜")])
    assert str(problem).startswith("rows.jsonl: 3 件のラベルがすべて「喜」")
    assert "2 種類以上" in str(problem)
    # Where other labels were wrong, there may be more than one once they are mended.
    assert len(task("emoji").problems([chat("a", "😀"), chat("b", "怒")])) == 1


def test_one_row_of_a_label_is_no_problem() -> None:
    assert task().problems([chat("a", "喜"), chat("b", "怒")]) == []
    assert task().problems([]) == []


def test_many_wrong_labels_are_capped() -> None:
    rows = [chat("a", "怒", line=n) for n in range(1, 101)]
    assert "あと 97 件" in str(capped(task("emoji").problems(rows))[-1])


def test_a_list_is_no_label() -> None:
    rows = [chat("a", f"喜{LIST_SEPARATOR}怒", line=2), chat("b", "喜")]
    (problem,) = task().problems(rows)
    assert str(problem).startswith("rows.jsonl:2: ラベルが 2 個の一覧です (喜、怒)")
    assert "task.kind: tag" in str(problem)


def test_what_is_wrong_with_the_template_is_told_with_the_rest() -> None:
    codes = [p.code for p in task("emoji", template="文").problems([chat("a", "怒")])]
    assert codes == ["task.template-unknown-ready", "data.label-not-emoji"]


# --- hierarchy ---

HIERARCHY: dict[str, object] = {"hierarchy": "/"}


def test_levels_from_the_top() -> None:
    assert task(labels=HIERARCHY).levels("国内/政治/選挙") == (
        "国内",
        "国内/政治",
        "国内/政治/選挙",
    )
    assert task(labels=HIERARCHY).levels("国内") == ("国内",)
    assert task().levels("国内/政治") == ("国内/政治",)


def test_paths_are_written_in_one_way() -> None:
    classify = task(labels=HIERARCHY)
    (row,) = classify.prepare([chat("a", " 国内 / 政治 ")])
    assert contents(row)[-1] == ("assistant", "国内/政治")
    assert classify.parse("国内 ／ 政治", ("国内/政治",)) == Parsed((), ("国内 ／ 政治",))
    assert classify.parse("国内 / 政治\n", ("国内/政治",)) == Parsed(("国内/政治",))


def test_paths_of_different_length_are_fine() -> None:
    assert task(labels=HIERARCHY).problems(tree("国内/政治", "国際/政治/紛争", "スポーツ")) == []


@pytest.mark.parametrize("label", ["国内/", "/政治", "国内//政治", "国内/ /政治"])
def test_empty_level(label: str) -> None:
    (problem,) = task(labels=HIERARCHY).problems(tree("国際/政治", label, "国際/経済"))
    assert str(problem).startswith("rows.jsonl:2: ")
    assert "空の階層" in str(problem)


def test_a_label_above_another_one() -> None:
    rows = tree("国内", "国内/政治", "国内/政治/選挙", "国際/政治", "国内")
    found = [str(p) for p in task(labels=HIERARCHY).problems(rows)]
    assert [p.split(": ")[0] for p in found] == ["rows.jsonl:1", "rows.jsonl:2"]
    assert "国内/その他" in found[0]
    assert task().problems(rows) == []


def test_a_separator_that_no_label_has() -> None:
    (problem,) = task(labels={"hierarchy": ">"}).problems(tree("国内/政治", "国際/経済"))
    assert problem.code == "data.no-hierarchy"
    assert "国内/政治" in str(problem)


# --- prepare ---


def test_system_and_template_of_a_flat_row() -> None:
    (row,) = task(system="感情は？", template="文: {text}\n{{x}} {text}").prepare(
        [chat("{a}", " 喜 ")]
    )
    assert contents(row) == [
        ("system", "感情は？"),
        ("user", "文: {a}\n{x} {a}"),
        ("assistant", "喜"),
    ]


def test_row_with_its_own_system_prompt_is_kept() -> None:
    (row,) = task(system="s", template="T {text}").prepare([chat("a", "喜", system="own")])
    assert contents(row) == [("system", "own"), ("user", "a"), ("assistant", "喜")]


def test_conversation_gets_a_system_prompt_and_no_template() -> None:
    (row,) = task(system="s", template="T {text}").prepare([chat("a", "喜", "b", "怒")])
    assert contents(row)[0] == ("system", "s")
    assert [content for _, content in contents(row)[1:]] == ["a", "喜", "b", "怒"]


def test_question_alone_is_prepared_as_a_training_row_is() -> None:
    (asked,) = task(system="s", template="T {text}").prepare([chat("a")])
    (trained,) = task(system="s", template="T {text}").prepare([chat("a", "喜")])
    assert asked.messages == trained.messages[:-1]


def test_nothing_but_the_label_is_normalised() -> None:
    text = " Ａ　❤\n"
    (row,) = task("emoji").prepare([chat(text, " ❤\n")])
    assert contents(row) == [("user", text), ("assistant", "❤️")]
    assert (row.id, row.where) == ("rows.jsonl:1", Where("rows.jsonl", 1))


# --- items, labels, strata ---


def test_one_item_an_answer() -> None:
    rows = [chat("a", "喜", system="s"), chat("b", "怒", "c", "哀", line=2)]
    items = task().items(rows)
    assert [(i.id, i.row_id, i.answer, i.text) for i in items] == [
        ("rows.jsonl:1", "rows.jsonl:1", "喜", "a"),
        ("rows.jsonl:2#1", "rows.jsonl:2", "怒", "b"),
        ("rows.jsonl:2#2", "rows.jsonl:2", "哀", "c"),
    ]
    assert items[0].context == rows[0].messages[:2]
    assert items[1].context == rows[1].messages[:1]
    assert items[2].context == rows[1].messages[:3]
    assert [i.labels for i in items] == [("喜",), ("怒",), ("哀",)]


def test_labels_by_frequency_then_code_point() -> None:
    rows = [chat("a", "b", "c", "a"), chat("d", "c"), chat("e", "c"), chat("f", "A")]
    assert task().labels(rows) == ("c", "A", "a", "b")


def test_emoji_of_two_forms_are_one_label() -> None:
    classify = task("emoji")
    rows = [chat("a", "❤"), chat("b", "❤️"), chat("c", "😀")]
    assert classify.labels(classify.prepare(rows)) == ("❤️", "😀")
    assert {classify.stratum(row) for row in (*rows[:2], *classify.prepare(rows[:2]))} == {"❤️"}


def test_skin_tones_are_merged_on_request() -> None:
    rows = [chat("a", "👍🏻"), chat("b", "👍"), chat("c", "👩🏽‍🚀")]
    merging = task("emoji", labels={"merge_skin_tones": True})
    assert merging.labels(merging.prepare(rows)) == ("👍", "👩‍🚀")
    assert merging.parse("👍🏿", ("👍",)) == Parsed(("👍",))
    keeping = task("emoji")
    assert keeping.labels(keeping.prepare(rows)) == ("👍", "👍🏻", "👩🏽‍🚀")


def test_the_stratum_holds_every_label_of_a_row() -> None:
    assert task().stratum(chat("a", "怒 ")) == "怒"
    assert task().stratum(chat("a", "喜", "b", "怒 ", "c", "喜")).split(LIST_SEPARATOR) == [
        "喜",
        "怒",
    ]


# --- parse ---


def read(generated: str, label: str | None) -> Parsed:
    if label is not None:
        return Parsed((label,))
    return Parsed((), (generated.strip(),) if generated.strip() else ())


@pytest.mark.parametrize(
    ("generated", "label"),
    [
        ("国際/政治", "国際/政治"),
        (" 国際/政治\n", "国際/政治"),
        ("国際／政治", "国際/政治"),
        ("it", "IT"),
        ("ＩＴ", "IT"),
        ("国際/政治です", None),
        ("国際", None),
        ("", None),
    ],
)
def test_parse_text(generated: str, label: str | None) -> None:
    assert task().parse(generated, ("国際/政治", "IT")) == read(generated, label)


def test_exact_spelling_wins_over_one_that_looks_the_same() -> None:
    assert task().parse("it", ("IT", "it")) == Parsed(("it",))


@pytest.mark.parametrize(
    ("generated", "label"),
    [
        ("😀", "😀"),
        (" 😀😢", "😀"),
        ("😀 うれしい", "😀"),
        ("❤", "❤️"),
        ("❤️‍🔥", None),
        ("👍🏽", None),
        ("😢", None),
        ("うれしい😀", None),
        ("", None),
    ],
)
def test_parse_emoji(generated: str, label: str | None) -> None:
    assert task("emoji").parse(generated, ("😀", "❤️", "👍")) == read(generated, label)


# --- the default system prompt ---


def test_empty_system_prompt_is_none_at_all() -> None:
    (row,) = task(system="").prepare([chat("a", "喜")])
    assert [role for role, _ in contents(row)] == ["user", "assistant"]


def test_default_system_prompt_names_the_labels_while_they_are_few() -> None:
    assert "国際、経済" in task().default_system(("国際", "経済"))
    assert "絵文字" in task("emoji").default_system(("😀", "😢"))
    many = tuple(f"分類{n}" for n in range(500))
    assert "分類499" not in task().default_system(many)


# --- turns that are not learnt, and empty labels ---


def test_an_empty_label_is_a_problem_with_its_row() -> None:
    rows = [chat("a", "喜", line=1), chat("b", "", line=2), chat("c", "怒", line=3)]
    (problem,) = Classify(TaskConfig()).problems(rows)
    assert problem.code == "data.no-answer-label"
    assert problem.where == rows[1].where


def test_a_list_of_one_label_is_that_label() -> None:
    rows = [chat("a", joined(["国際, 政治"])), chat("b", "怒")]
    task = Classify(TaskConfig())
    assert task.problems(rows) == []
    assert set(task.labels(rows)) == {"国際, 政治", "怒"}


def test_a_turn_of_weight_0_is_context_and_has_no_label() -> None:
    row = chat("a", "でたらめ\nな答え", "b", "喜")
    silent = replace(row.messages[1], weight=0)
    rows = [replace(row, messages=(row.messages[0], silent, *row.messages[2:])), chat("c", "怒")]
    task = Classify(TaskConfig())
    assert task.problems(rows) == []
    made = task.prepare(rows)
    assert made[0].messages[1] == silent
    items = task.items(made)
    assert [(item.id, item.answer) for item in items] == [(row.id, "喜"), (rows[1].id, "怒")]
    assert items[0].context[1] == silent
    assert set(task.labels(made)) == {"喜", "怒"}


def test_a_system_column_stands_before_the_template() -> None:
    flat = chat("a", "喜", title="題")
    flat = replace(flat, messages=(Message("system", "宿"), *flat.messages))
    (made,) = Classify(TaskConfig(template="{title}: {text}", system="s")).prepare([flat])
    assert contents(made) == [("system", "宿"), ("user", "題: a"), ("assistant", "喜")]
