"""What tag asks for: sets of labels, however they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tasks.rows import chat, contents

from kunren.config.schema import Labels, TaskConfig
from kunren.data.records import LIST_SEPARATOR, joined
from kunren.tasks import Parsed
from kunren.tasks.tag import Tag
from kunren.types import Row


def task(kind: str = "emoji", template: str = "{text}", **labels: object) -> Tag:
    of_labels = Labels.model_validate({"kind": kind, **labels})
    return Tag(TaskConfig(kind="tag", labels=of_labels, template=template))


def listed(*labels: str) -> str:
    return LIST_SEPARATOR.join(labels)


def written(tag: Tag, answer: str) -> str:
    (row,) = tag.prepare([chat("a", answer)])
    return row.messages[-1].content


# --- how answers are read and written ---


@pytest.mark.parametrize(
    "answer",
    [
        "🎻🎹🎵",
        "🎻 🎹 🎵",
        "🎻、🎹、🎵",
        "🎻,🎹,🎻🎵",
        listed("🎻", "🎹", "🎵"),
        listed("🎻🎹", "🎵"),
    ],
)
def test_emoji_are_written_with_nothing_between(answer: str) -> None:
    tag = task()
    assert written(tag, answer) == "🎻🎹🎵"
    (item,) = tag.items(tag.prepare([chat("a", answer)]))
    assert item.labels == ("🎻", "🎹", "🎵")
    assert item.answer == "🎻🎹🎵"


@pytest.mark.parametrize(
    ("separator", "answer", "canonical"),
    [
        (None, "政治,経済、 国際，政治", "政治、経済、国際"),
        (None, listed("政治", "経済"), "政治、経済"),
        ("/", "政治/経済 ", "政治/経済"),
        (",", "政治,経済", "政治, 経済"),
        (";", "A, B ;C", "A, B; C"),
        (" ", "政治  経済\t国際", "政治 経済 国際"),
        ("、", "政治、A, B", "政治、A, B"),
    ],
)
def test_text_labels_have_the_separator_between(
    separator: str | None, answer: str, canonical: str
) -> None:
    tag = task("text", separator=separator)
    assert written(tag, answer) == canonical
    assert written(tag, canonical) == canonical


def test_emoji_with_a_separator_of_their_own() -> None:
    tag = task(separator=" ")
    assert written(tag, "🎻🎹 🎵") == "🎻 🎹 🎵"
    assert tag.parse("🎻🎹 🎵", ("🎻", "🎹", "🎵")).labels == ("🎻", "🎹", "🎵")


def test_forms_and_skin_tones() -> None:
    assert written(task(), "❤👍🏻❤️") == "❤️👍🏻"
    assert written(task(merge_skin_tones=True), "👍🏻❤👍🏿👩🏽‍🚀") == "👍❤️👩‍🚀"


LABELS = st.lists(
    st.sampled_from(["😀", "❤️", "🇯🇵", "🇺🇸", "👨‍👩‍👧", "1️⃣", "👍🏽", "👍"]), min_size=1, unique=True
)


@given(LABELS, st.sampled_from([None, " ", ",", "/", "、"]))
def test_what_is_written_is_read_back(labels: list[str], separator: str | None) -> None:
    tag = task(separator=separator)
    answer = written(tag, listed(*labels))
    assert tag.parse(answer, labels) == Parsed(tuple(labels))
    (item,) = tag.items(tag.prepare([chat("a", answer)]))
    assert item.labels == tuple(labels)


# --- what a model wrote ---


@pytest.mark.parametrize(
    ("generated", "labels", "invalid"),
    [
        ("🎻 🎹", ("🎻", "🎹"), ()),
        ("✨ ✨ ✨", ("✨",), ()),
        ("🎹🎻🎹", ("🎹", "🎻"), ()),
        ("填 よね✨", ("✨",), ("填", "よね")),
        ("🎺🎺✨", ("✨",), ("🎺", "🎺")),
        ("✨\n\n🎻", ("✨", "🎻"), ()),
        ("", (), ()),
        ("。", (), ("。",)),
    ],
)
def test_parse_emoji(generated: str, labels: tuple[str, ...], invalid: tuple[str, ...]) -> None:
    assert task().parse(generated, ("🎻", "🎹", "✨")) == Parsed(labels, invalid)


@pytest.mark.parametrize("generated", ["、", " 、、\n", ",,"])
@pytest.mark.parametrize("kind", ["emoji", "text"])
def test_separators_alone_are_no_empty_set(kind: str, generated: str) -> None:
    assert task(kind).parse(generated, ("🎻", "喜び")) == Parsed((), (generated.strip(),))
    assert task(kind).parse("[]", ("🎻", "喜び")) == Parsed(())


def test_parse_text() -> None:
    known = ("政治", "IT", "スポーツ")
    found = task("text").parse("政治、ｉｔ, 天気\nスポーツ, 政治", known)
    assert found == Parsed(("政治", "IT", "スポーツ"), ("天気",))


# --- empty sets ---


def test_an_empty_set_is_written_as_the_word_for_none_and_read_back() -> None:
    tag = task("text", none="なし")
    for answer in ("", " ", "[]", "なし"):
        assert written(tag, answer) == "なし"
        (item,) = tag.items(tag.prepare([chat("a", answer)]))
        assert (item.answer, item.labels) == ("なし", ())
    assert tag.parse("なし", ("喜び",)) == Parsed(())
    assert tag.parse(" なし\n", ("喜び",)) == Parsed(())
    assert tag.parse("喜び、なし", ("喜び",)) == Parsed(("喜び",), ("なし",))
    rows = [chat("a", "喜び"), chat("b", ""), chat("c", "怒り", "d", "")]
    assert tag.problems(rows) == []
    assert tag.labels(tag.prepare(rows)) == ("喜び", "怒り")
    assert tag.stratum(rows[1]) == tag.stratum(tag.prepare(rows)[1]) == ""
    assert "なし" in tag.default_system(("喜び",))
    assert "なし" not in task("text").default_system(("喜び",))


def test_nothing_at_all_is_no_answer_where_there_is_a_word_for_none() -> None:
    for generated in ("", " \n"):
        assert task("text", none="なし").parse(generated, ("喜び",)).invalid
        assert task(none="なし").parse(generated, ("😀",)).invalid
        assert task("text").parse(generated, ("喜び",)) == Parsed(())


def test_emoji_have_a_word_for_none_too() -> None:
    tag = task(none="なし")
    assert written(tag, "") == "なし"
    assert tag.parse("なし", ("😀",)) == Parsed(())
    assert tag.parse("😀なし", ("😀",)) == Parsed(("😀",), ("なし",))


def test_sets_of_one_label_or_none_are_two_answers() -> None:
    assert task("text").problems([chat("a", "喜び"), chat("b", "")]) == []
    (problem,) = task("text").problems([chat("a", ""), chat("b", "[]")])
    assert problem.code == "data.only-empty-sets"


def test_rows_with_an_empty_set_stay_where_labels_are_filtered() -> None:
    rows = [chat("a", "喜び", line=1), chat("b", "", line=2), chat("c", "怒り、喜び", line=3)]
    for filters, left in (({"top": 1}, [1, 2]), ({"ban": ["怒り"]}, [1, 2, 3]),
                          ({"ban": ["喜び"]}, [2, 3])):  # fmt: skip
        kept = task("text", **filters).filter(rows).rows
        assert [row.where.line for row in kept] == left


def test_a_list_of_one_label_stays_one() -> None:
    (problem,) = task("text").problems([chat("a", joined(["喜び、驚き"])), chat("b", "怒り")])
    assert problem.code == "data.label-has-separator"
    assert (
        task("text", separator="|").problems([chat("a", joined(["喜び、驚き"])), chat("b", "x")])
        == []
    )


@given(st.text())
def test_parse_reads_anything(generated: str) -> None:
    found = task().parse(generated, ("😀",))
    assert set(found.labels) <= {"😀"}
    assert "😀" not in found.invalid


# --- problems ---


def test_good_rows_have_none() -> None:
    rows = [chat("a", "🎻🎹"), chat("b", "❤", "c", "🎻 ❤️")]
    assert task().problems(rows) == []
    assert task("text").problems([chat("a", "政治、経済"), chat("b", "政治")]) == []


@pytest.mark.parametrize(
    ("kind", "answer", "code", "said"),
    [
        ("emoji", "うれしい", "data.label-not-emoji", "「うれしい」"),
        ("emoji", "😀 うれしい", "data.tag-not-emoji", "「😀 うれしい」の中の「うれしい」"),
        ("emoji", listed("😀", "x"), "data.tag-not-emoji", "「😀、x」の中の「x」"),
        ("emoji", "、 ,", "data.no-label", "1 つもありません"),
        ("text", "、", "data.no-label", "1 つもありません"),
        ("text", listed("A、B", "C"), "data.label-has-separator", "「A、B」"),
        ("text", "政治、経\n済", "data.label-line-break", "改行"),
    ],
)
def test_wrong_labels(kind: str, answer: str, code: str, said: str) -> None:
    rows = [chat("a", "😀"), chat("b", answer, line=7), chat("c", "😢")]
    (problem,) = task(kind).problems(rows)
    assert problem.code == code
    assert str(problem).startswith("rows.jsonl:7: ")
    assert said in str(problem)


def test_labels_that_look_alike() -> None:
    rows = [chat("a", "IT、政治"), chat("b", "政治、ＩＴ", line=2)]
    (problem,) = task("text").problems(rows)
    assert "「ＩＴ」と「IT」 (rows.jsonl:1)" in str(problem)


def test_one_label_in_all_rows() -> None:
    (problem,) = task().problems([chat("a", "✨✨"), chat("b", "✨")])
    assert problem.code == "data.one-label"
    assert task().problems([chat("a", "✨😀"), chat("b", "✨😀")]) == []


# --- labels, strata, the system prompt ---


def test_labels_by_frequency() -> None:
    tag = task()
    rows = [chat("a", "😀😢"), chat("b", "😢😢"), chat("c", "🎉😢")]
    assert tag.labels(tag.prepare(rows)) == tag.labels(rows) == ("😢", "🎉", "😀")


def test_the_stratum_is_the_set() -> None:
    tag = task()
    row = chat("a", "😀 ❤", "b", "❤️🎉")
    assert tag.stratum(row).split(LIST_SEPARATOR) == ["😀", "❤️", "🎉"]
    assert tag.stratum(row) == tag.stratum(tag.prepare([row])[0])


def test_default_system_prompt() -> None:
    assert task().default_system(("😀", "😢")).endswith("絵文字: 😀、😢")
    assert "「、」で区切って" in task("text").default_system(("政治",))
    assert "「空白」で区切って" in task("text", separator=" ").default_system(("政治",))
    many = tuple(f"分類{n}" for n in range(500))
    assert "分類499" not in task("text").default_system(many)


def test_the_label_column_is_no_part_of_a_template() -> None:
    rows = [
        Row(
            r.id,
            r.messages,
            r.where,
            {"emojis": r.messages[-1].content.replace(LIST_SEPARATOR, "、")},
        )
        for r in (chat("a", listed("😀", "😢")), chat("b", "🎉", line=2))
    ]
    (problem,) = task(template="{text}{emojis}").problems(rows)
    assert problem.code == "task.template-gives-answer"


def test_a_set_has_no_levels() -> None:
    assert task("text").levels("国内/政治") == ("国内/政治",)


def test_the_template_is_applied_to_flat_rows() -> None:
    tag = task(template="{title}: {text}")
    (row,) = tag.prepare([chat("本文", "😀", title="題")])
    assert contents(row) == [("user", "題: 本文"), ("assistant", "😀")]
