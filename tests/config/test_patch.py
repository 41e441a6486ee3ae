from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kunren.config.document import parse
from kunren.config.patch import flow, options, patch

WRITTEN = """\
# 投稿に絵文字を付ける
name: 絵文字   # 名前
task: {kind: tag, labels: {kind: emoji, top: 50}}  # 上位 50 種

data:
  train: rows.jsonl
  split: {train: 0.65, validation: 0.1, test: 0.25, seed: 42}
train:
  epochs: 10      # 先に 5 で試した
  learning_rate: 1e-3
  # ここは未定
  loss:
    focal_gamma: 2.0   # 易しい語を軽く

evaluate:
  also:
    sample: {sample: true}
"""


def test_only_what_changes_is_rewritten() -> None:
    made = patch(
        WRITTEN,
        {
            "train.epochs": 20,
            "train.precision": "fp32",
            "task.labels.ban": ["✨"],
            "train.loss.label_smoothing": 0.1,
            "tuning.kind": "lora",
        },
    )
    assert made.kept
    assert made.text == (
        WRITTEN.replace("epochs: 10 ", "epochs: 20 ")
        .replace("top: 50}", "top: 50, ban: [✨]}")
        .replace(
            "  # 易しい語を軽く\n",
            "  # 易しい語を軽く\n    label_smoothing: 0.1\n  precision: fp32\n",
        )
        + "tuning: {kind: lora}\n"
    )


@pytest.mark.parametrize(
    ("written", "changes", "expected"),
    [
        ("train:\n", {"train.epochs": 3}, {"train": {"epochs": 3}}),
        ("train: {}\n", {"train.epochs": 3}, {"train": {"epochs": 3}}),
        ("train: null # 後で", {"train.epochs": 3}, {"train": {"epochs": 3}}),
        ("a: 1", {"train.loss.x": 2.5}, {"a": 1, "train": {"loss": {"x": 2.5}}}),
        ("{a: 1, b: [x, y]}", {"b": []}, {"a": 1, "b": []}),
        ("b:\n- x # 一つ目\n- y\na: 1\n", {"b": ["z"]}, {"b": ["z"], "a": 1}),
        ("m:\n  x:\n    - ✨\n  # 次\n  y: 3\n", {"m.x": ["a"]}, {"m": {"x": ["a"], "y": 3}}),
        ("x: {a: 1}", {"x.a": "1["}, {"x": {"a": "1["}}),
        ("lr: '1e-3'", {"lr": "1e-3"}, {"lr": "1e-3"}),
        ("x: {a: 1,}", {"x.b": "no: it"}, {"x": {"a": 1, "b": "no: it"}}),
        ("x: |\n  長い\n  文章\ny: 1\n", {"x": None}, {"x": None, "y": 1}),
        ('"x": "a"', {"x": 1e-05}, {"x": 1e-05}),
    ],
)  # fmt: skip
def test_every_way_of_writing_it(written: str, changes: Any, expected: Any) -> None:
    assert parse(patch(written, changes).text, "", ()).value == expected


def test_where_an_alias_stands_all_is_right_but_comments_are_lost() -> None:
    written = "a: &one {epochs: 1} # 注\nb: *one\n"
    made = patch(written, {"a.epochs": 2})
    assert parse(made.text, "", ()).value == {"a": {"epochs": 2}, "b": {"epochs": 1}}
    assert not made.kept


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet="ab1:#{}[],'\"- ✨。~", max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from("pqr"), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(_values, _values, st.sampled_from(["a", "b", "b.c", "d.e.f"]))
def test_any_value_is_read_back_as_it_was_set(first: Any, second: Any, key: str) -> None:
    made = patch(patch("# 始め\nb: {c: 1}\nz: 0\n", {"a": first}).text, {key: second}).text
    here = parse(made, "", ()).value
    for part in key.split("."):
        here = here[part]
    assert here == second
    assert "# 始め" in made


def test_a_value_is_written_as_people_write_it() -> None:
    assert [flow(v) for v in (["✨"], 0.0001, "fp32", {"seed": 1}, None, True)] == [
        "[✨]", "0.0001", "fp32", "{seed: 1}", "null", "true",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        "balanced",
        "前提: {premise}\n仮説: {text}",
        "{text} # 終わり",
        "1.0",
        "it's",
        8,
        0.5,
        ["✨", "a b"],
    ],
)
def test_an_option_is_read_back_as_it_was_meant(value: Any) -> None:
    mark, option = shlex.split(options({"task.template": value}))
    assert mark == "--set"
    assert parse(option.partition("=")[2], "", ()).value == value
    assert options({"train.epochs": 8, "a.b": "fp32"}) == "--set train.epochs=8 --set a.b=fp32"
