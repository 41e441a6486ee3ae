"""What classify asks for, and what counts as an answer."""

from __future__ import annotations

import pytest

from kunren.config.schema import Labels, TaskConfig
from kunren.data.read import capped
from kunren.tasks import TASKS, make_task
from kunren.tasks.classify import Classify, unseen
from kunren.types import Item, Message, Role, Row, Where


def task(kind: str = "text", **config: str) -> Classify:
    labels = Labels.model_validate({"kind": kind})
    return Classify(TaskConfig(labels=labels, **config))  # type: ignore[arg-type]


def chat(*turns: str, line: int = 1, system: str | None = None) -> Row:
    roles: list[Role] = ["user", "assistant"]
    messages = [Message(roles[n % 2], content) for n, content in enumerate(turns)]
    if system is not None:
        messages.insert(0, Message("system", system))
    return Row(f"rows.jsonl:{line}", tuple(messages), Where("rows.jsonl", line))


def test_the_table_leads_here() -> None:
    for kind in TASKS:
        assert isinstance(make_task(TaskConfig.model_validate({"kind": kind})), Classify)


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
    assert "「ＩＴ」と「IT」（rows.jsonl:1）" in problems[0]
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
    assert "あと 80 件" in str(capped(task("emoji").problems(rows))[-1])


# --- prepare ---


def contents(row: Row) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in row.messages]


def test_system_and_template_of_a_flat_row() -> None:
    (row,) = task(system="感情は？", template="文: {text}\n{x} {text}").prepare(
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


def test_labels_by_frequency_then_code_point() -> None:
    rows = [chat("a", "b", "c", "a"), chat("d", "c"), chat("e", "c"), chat("f", "A")]
    assert task().labels(rows) == ("c", "A", "a", "b")


def test_emoji_of_two_forms_are_one_label() -> None:
    classify = task("emoji")
    rows = [chat("a", "❤"), chat("b", "❤️"), chat("c", "😀")]
    assert classify.labels(classify.prepare(rows)) == ("❤️", "😀")
    assert {classify.stratum(row) for row in (*rows[:2], *classify.prepare(rows[:2]))} == {"❤️"}


def test_stratum_is_the_last_label() -> None:
    assert task().stratum(chat("a", "喜", "b", "怒 ")) == "怒"


def test_unseen_labels_are_counted() -> None:
    items = [Item(str(n), str(n), (), answer) for n, answer in enumerate("喜怒怒哀喜")]
    assert unseen(("喜",), items) == {"怒": 2, "哀": 1}
    assert unseen(("喜", "怒", "哀"), items) == {}


# --- parse ---


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
    assert task().parse(generated, ("国際/政治", "IT")) == label


def test_exact_spelling_wins_over_one_that_looks_the_same() -> None:
    assert task().parse("it", ("IT", "it")) == "it"


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
    assert task("emoji").parse(generated, ("😀", "❤️", "👍")) == label


# --- the default system prompt ---


def test_empty_system_prompt_is_none_at_all() -> None:
    (row,) = task(system="").prepare([chat("a", "喜")])
    assert [role for role, _ in contents(row)] == ["user", "assistant"]


def test_default_system_prompt_names_the_labels_while_they_are_few() -> None:
    assert "国際、経済" in task().default_system(("国際", "経済"))
    assert "絵文字" in task("emoji").default_system(("😀", "😢"))
    many = tuple(f"分類{n}" for n in range(500))
    assert "分類499" not in task().default_system(many)
