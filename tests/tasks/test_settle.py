"""What the answers of a file as a whole tell of how its labels are written."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.tasks.rows import chat

from kunren.config.schema import Labels, TaskConfig
from kunren.data.records import LIST_SEPARATOR
from kunren.errors import Problem
from kunren.tasks import make_task
from kunren.tasks.settle import settle, written_list


def settled(
    answers: Sequence[str], kind: str = "tag", **labels: object
) -> tuple[TaskConfig, dict[str, Problem]]:
    made = TaskConfig.model_validate({"kind": kind, "labels": labels})
    rows = [chat(f"t{n}", answer, line=n + 1) for n, answer in enumerate(answers)]
    config, notes = settle(made, rows)
    return config, {note.code.removeprefix("notes."): note for note in notes}


def labels_of(answers: Sequence[str], kind: str = "tag", **labels: object) -> set[str]:
    """The labels that the rows have once the task is settled."""
    config, _ = settled(answers, kind, **labels)
    task = make_task(config)
    rows = [chat(f"t{n}", answer, line=n + 1) for n, answer in enumerate(answers)]
    assert not task.problems(rows), [str(problem) for problem in task.problems(rows)]
    return set(task.labels(task.prepare(rows)))


# --- separators ---

TWO = {"悲しみ", "驚き", "喜び", "期待"}


@pytest.mark.parametrize(
    ("mark", "written"),
    [
        (";", ";"), ("；", ";"), ("; ", ";"), ("|", "|"), ("｜", "|"), (" | ", "|"), ("／", "/"),
        ("/", "/"), ("\t", "\t"), ("\n", "\n"), (" ", " "), ("　", " "), ("、", None), (",", None),
        ("，", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("lone", [False, True])
def test_separators_are_seen_in_the_column(mark: str, written: str | None, lone: bool) -> None:
    answers = [f"悲しみ{mark}驚き", f"喜び{mark}期待"] * 6 + ["驚き"] * (5 * lone)
    config, notes = settled(answers)
    assert config.labels.separator == written
    assert notes["separator"].fields["rows"] == 12
    assert notes["separator"].fields["labels"] == 4
    assert labels_of(answers) == TWO


@pytest.mark.parametrize(
    "answers",
    [
        ["New York", "New Jersey", "Los Angeles", "San Francisco", "San Diego", "Paris"] * 4,
        ["国際/政治", "国際/経済", "国内/政治", "国内/経済", "スポーツ/野球"] * 4,
        ["C/C++", "Python", "Java", "Go", "Rust"] * 4,
        ["AT&T (US)", "a.b"] * 4,
    ],
)
def test_names_are_not_taken_apart(answers: list[str]) -> None:
    config, notes = settled(answers)
    assert config.labels.separator is None
    assert not notes
    assert labels_of(answers) == set(answers)


def test_strong_evidence_takes_words_apart() -> None:
    answers = ["sad angry", "happy sad", "angry", "happy", "angry happy"] * 4
    assert labels_of(answers) == {"sad", "angry", "happy"}
    answers = ["IT/科学", "科学", "IT", "科学/経済", "経済"] * 4
    assert labels_of(answers) == {"IT", "科学", "経済"}


def test_the_mark_in_most_cells_counts_and_what_is_left_is_noted() -> None:
    answers = ["喜び,期待", "悲しみ,驚き", "喜び,悲しみ"] * 5 + ["悲しみ;驚き"]
    config, notes = settled(answers)
    assert config.labels.separator is None
    left = notes["separator-left"].fields
    assert (left["other"], left["example"], left["rows"]) == (";", "悲しみ;驚き", 1)


def test_the_config_overrules() -> None:
    answers = ["A;B", "C;D"] * 6
    assert labels_of(answers) == {"A", "B", "C", "D"}
    assert labels_of(answers, separator="|") == {"A;B", "C;D"}
    assert "separator" not in settled(answers, separator="|")[1]


def test_lists_and_emoji_need_no_separator() -> None:
    listed = [LIST_SEPARATOR.join(("A;B", "C")), LIST_SEPARATOR.join(("C", "D"))] * 4
    config, notes = settled(listed)
    assert (config.labels.separator, notes) == (None, {})
    emoji = TaskConfig(kind="tag", labels=Labels(kind="emoji"))
    rows = [chat(f"t{n}", said, line=n) for n, said in enumerate(["😀😢", "😀 🎉", "['🎉']"] * 3)]
    config, found = settle(emoji, rows)
    assert config == emoji
    assert [note.code for note in found] == ["notes.written-list"]
    assert set(make_task(config).labels(rows)) == {"😀", "😢", "🎉"}


def test_other_tasks_have_no_separator() -> None:
    for kind in ("classify", "answer"):
        assert settled(["A;B", "C;D"] * 6, kind)[0].labels.separator is None


# --- lists that are written out ---


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ("['喜び', '驚き']", ["喜び", "驚き"]),
        ('["喜び"]', ["喜び"]),
        ("['喜び' '驚き']", ["喜び", "驚き"]),
        ("{'喜び'}", ["喜び"]),
        ("[1, 2]", ["1", "2"]),
        ("[True]", ["true"]),
        ("[]", []),
        ("set()", []),
        ("[喜び]", None),
        ("(笑)", None),
        ("('a', 'b')", None),
        ("['a', None]", None),
        ("['a', ' ']", None),
        ("[['a']]", None),
        ("{'a': 1}", None),
        ("喜び", None),
    ],
)
def test_written_lists(answer: str, labels: list[str] | None) -> None:
    assert written_list(answer) == labels


def test_written_lists_are_read_and_noted() -> None:
    answers = ["['喜び', '驚き']", '["悲しみ"]', "[]"] * 4
    _, notes = settled(answers)
    assert notes["written-list"].fields["rows"] == 8
    assert notes["empty-sets"].fields["rows"] == 4
    assert labels_of(answers) == {"喜び", "驚き", "悲しみ"}


@pytest.mark.parametrize(
    "answers",
    [
        [LIST_SEPARATOR.join("100"), LIST_SEPARATOR.join("011")],
        ["[1, 0, 0]", "[0, 1, 1]"],
        ["1;0;0", "0;1;1"],
        ["[True, False]", "[False, True]"],
    ],
)
def test_lists_of_zeros_and_ones_have_no_names(answers: list[str]) -> None:
    config, _ = settled(answers * 6)
    rows = [chat(f"t{n}", answer, line=n) for n, answer in enumerate(answers * 6)]
    (problem,) = make_task(config).problems(rows)
    assert problem.code == "data.multi-hot"


# --- numbers ---


@pytest.mark.parametrize("kind", ["classify", "tag"])
@pytest.mark.parametrize(
    ("answers", "labels"),
    [
        (["0", "0.0", "1.0", "1"], {"0", "1"}),
        (["0.0", "1.0", "2.00"], {"0", "1", "2"}),
        (["-1.0", "-0.0", "1.0", "-0"], {"-1", "0", "1"}),
        (["0", "0.0", "不明"], {"0", "不明"}),
        (["0.000000000000000000e+00", "1.000000000000000000e+00"], {"0", "1"}),
        (["1", "1.5", "2.0", "2"], {"1", "1.5", "2"}),
        (["1.0", "1.5", "2.0"], {"1.0", "1.5", "2.0"}),
        (["1.0", "1.10", "1.1"], {"1.0", "1.10", "1.1"}),  # versions
        (["007", "008"], {"007", "008"}),
        (["1E5", "2E5"], {"1E5", "2E5"}),
        (["０", "１"], {"０", "１"}),
        (["+1", "-1"], {"+1", "-1"}),
        (["1.0.0", "2.0.0"], {"1.0.0", "2.0.0"}),
    ],
)
def test_numbers_as_labels(kind: str, answers: list[str], labels: set[str]) -> None:
    assert labels_of(answers * 3, kind) == labels


def test_what_became_of_numbers_is_noted_and_can_be_switched_off() -> None:
    config, notes = settled(["0", "0.0", "0.0", "1.0"], "classify")
    assert config.labels.whole_numbers is True
    note = notes["same-number"].fields
    assert (note["written"], note["label"], note["rows"]) == ("0.0", "0", 3)
    assert settled(["0.0", "1.0"], "classify")[1]["whole-number"].fields["rows"] == 2
    config, notes = settled(["0", "0.0"], "classify", whole_numbers=False)
    assert not notes
    assert labels_of(["0", "0.0"], "classify", whole_numbers=False) == {"0", "0.0"}
    assert settled(["0", "1"], "classify")[0].labels.whole_numbers is None
    assert settled(["0.0", "1.0"], "answer")[0].labels.whole_numbers is None


def test_a_model_may_write_a_number_either_way() -> None:
    config, _ = settled(["0", "1.0", "0.0"], "classify")
    task = make_task(config)
    assert task.parse("1.0", ("0", "1")).labels == ("1",)
    assert task.levels("1") == ("1",)


# --- empty sets ---


def test_a_word_for_none_where_there_are_empty_sets() -> None:
    config, notes = settled(["喜び", "", "怒り"])
    assert config.labels.none == "なし"
    assert notes["empty-sets"].fields == {"none": "なし", "rows": 1}
    assert settled(["喜び", "怒り"])[0].labels.none is None
    # It must be no label itself, in any width.
    assert settled(["喜び", "", "なし"])[0].labels.none == "該当なし"
    assert settled(["喜び", "", "なし", "該当なし"])[0].labels.none == "（なし）"
    config, notes = settled(["喜び", "無", "怒り"], none="無")
    assert (config.labels.none, notes["empty-sets"].fields["rows"]) == ("無", 1)
    assert settled(["喜び", ""], "classify")[0].labels.none is None
