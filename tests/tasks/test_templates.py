"""Prompt templates: names in braces, and nothing more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tasks.rows import chat, contents

from kunren.config.schema import TaskConfig
from kunren.errors import InputError
from kunren.tasks import prompting
from kunren.tasks.answer import Answer
from kunren.tasks.classify import Classify
from kunren.tasks.templates import (
    names,
    ready,
    render,
    resolve,
    template_problems,
    with_labels,
)
from kunren.types import Row


def problems(rows: list[Row], template: str) -> list[str]:
    return [str(p) for p in prompting.problems(rows, TaskConfig(template=template))]


def test_names_are_replaced_once() -> None:
    said = render("{title}/{text}/{ text }/{{text}}", "{title}", {"title": "{text}", "text": "x"})
    assert said == "{text}/{title}/{title}/{text}"


def test_text_is_the_row_s_text_whatever_its_column_is_called() -> None:
    assert render("{text}{本文}", "あ", {"本文": "あ", "text": "別の列"}) == "ああ"


def test_a_name_that_is_missing() -> None:
    with pytest.raises(InputError, match="title") as caught:
        render("{titel}{nothing} {text}", "あ", {"title": "題"})
    told = str(caught.value).split("\n")
    assert "もしかして「{title}」ですか" in told[0]
    assert "使える名前: text、title" in told[1]


@pytest.mark.parametrize(
    ("template", "codes"),
    [
        ("{text}", []),
        ("{本文}と{ 見出し }", []),
        ("{{x}} {text}", []),
        ("guided-steps", []),
        ("文: ", ["task.template-without-text"]),
        ("", ["task.template-without-text"]),
        ("{{text}}", ["task.template-without-text"]),
        ("{labels}", ["task.template-without-text"]),
        ("guided_step", ["task.template-unknown-ready-near"]),
        ("xyz", ["task.template-unknown-ready"]),
        ("{text", ["task.template-braces"]),
        ("text} {text}", ["task.template-braces"]),
        ("{text}{}", ["task.template-no-name"]),
        ("{text.__class__}", ["task.template-expression"]),
        ("{text[0]}", ["task.template-expression"]),
        ("{text!r}", ["task.template-expression"]),
        ("{text:>9}", ["task.template-expression"]),
        ("{text:{width}}", ["task.template-expression"]),
    ],
)
def test_the_form_of_a_template(template: str, codes: list[str]) -> None:
    assert [p.code for p in template_problems(template)] == codes
    assert all(str(problem) for problem in template_problems(template))


def test_what_is_said_of_braces() -> None:
    (problem,) = template_problems("{text} {")
    assert "文字としての { は {{、} は }} と書いて" in str(problem)
    (problem,) = template_problems("{text.x}")
    assert "「{text.x…}」" in str(problem)
    (problem,) = template_problems("guidedsteps")
    assert "「guided-steps」ですか" in str(problem)


@given(st.dictionaries(st.from_regex(r"[a-zぁ-ん]{1,4}", fullmatch=True), st.text()), st.text())
def test_any_text_comes_through_unchanged(fields: dict[str, str], text: str) -> None:
    fields = {name: value for name, value in fields.items() if name not in ("text", "labels")}
    template = "|".join(["{text}", *(f"{{{name}}}" for name in fields)])
    assert render(template, text, fields) == "|".join([text, *fields.values()])


@given(st.text())
def test_any_template_is_either_refused_or_works(template: str) -> None:
    if not template_problems(template):
        values = dict.fromkeys(names(template), "x")
        assert isinstance(render(template, "x", values), str)


@given(st.lists(st.text(min_size=1), min_size=1), st.text(alphabet="ab{} "))
def test_labels_are_written_into_a_template(labels: list[str], between: str) -> None:
    literal = between.replace("{", "{{").replace("}", "}}")
    template = f"{literal}{{labels}}{literal}{{text}}"
    done = with_labels(template, labels)
    assert "labels" not in names(done)
    listed = "、".join(labels)
    assert render(done, "あ", {}) == f"{between}{listed}{between}あ"
    assert render(template, "あ", {}, labels) == f"{between}{listed}{between}あ"


def test_labels_stand_until_they_are_known() -> None:
    assert render("{labels}: {text}", "あ", {}) == "{labels}: あ"
    assert with_labels("{{x}} {text}", ("a",)) == "{{x}} {text}"


# --- ready ones ---


@pytest.mark.parametrize("name", ready())
def test_every_ready_template_is_good(name: str) -> None:
    text = resolve(name)
    assert template_problems(text) == []
    assert "text" in names(text)
    assert text == text.strip()


def test_the_guided_steps_have_the_steps_of_seed_004() -> None:
    said = render("guided-steps", "首相、会見へ", {})
    assert [line[:5] for line in said.splitlines() if line[:1].isdigit()] == [
        "1. 構造",
        "2. 主題",
        "3. 分野",
        "4. 分類",
    ]
    assert said.endswith("文: 首相、会見へ\n分類:")


def test_a_text_is_itself() -> None:
    assert resolve("文: {text}") == "文: {text}"
    assert resolve(" guided-steps\n") == resolve("guided-steps")


# --- with rows ---


def test_a_column_that_no_row_has_is_told_once() -> None:
    rows = [chat("a", "b", line=n, title="題") for n in range(1, 9)]
    (told,) = problems(rows, "{titel} {text}")
    assert "もしかして「{title}」ですか" in told
    assert problems(rows, "{title} {text} {labels}") == []


def test_a_column_that_some_rows_lack_is_told_with_each() -> None:
    rows = [chat("a", "b", title="題"), chat("c", "d", line=2), chat("e", "f", "g", "h", line=3)]
    (told,) = problems(rows, "{title} {text}")
    assert told.startswith("rows.jsonl:2: ")


def test_a_column_that_is_the_answer() -> None:
    rows = [chat("a", "b", label="b", kind="x"), chat("c", "d", label="d", kind="d")]
    (told,) = problems(rows, "{text} {label}")
    assert "正解そのもの" in told
    assert problems(rows, "{text} {kind}") == []


def test_templates_are_for_flat_rows_of_every_task() -> None:
    for make in (Classify, Answer):
        task = make(TaskConfig(template="{title}: {text}", system="s"))
        flat = chat("a", "b", title="題")
        question = chat("a", title="題")
        longer = chat("a", "b", "c", "d", title="題")
        own = chat("a", "b", system="own", title="題")
        found = [contents(row) for row in task.prepare([flat, question, longer, own])]
        assert found[0] == [("system", "s"), ("user", "題: a"), ("assistant", "b")]
        assert found[1] == found[0][:-1]
        assert [said for _, said in found[2]] == ["s", "a", "b", "c", "d"]
        assert [said for _, said in found[3]] == ["own", "a", "b"]
