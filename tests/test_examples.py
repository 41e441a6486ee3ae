"""The shipped configs and their data, as kunren itself reads and checks them."""

from __future__ import annotations

import json
import re
import unicodedata
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from rapidfuzz import fuzz

from kunren.config.load import load
from kunren.config.schema import Fields
from kunren.data.duplicates import groups
from kunren.data.emoji import is_emoji, split_emoji
from kunren.data.read import read
from kunren.plan import Plan, prepare

EXAMPLES = Path(__file__).parents[1] / "examples"
DATA = EXAMPLES / "data"
CONFIGS = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
FILES = {
    "emotion_tweets": (250, Fields()),
    "headlines": (180, Fields()),
    "emoji_sets": (400, Fields(label="emojis")),
    "company_qa": (133, Fields(text="question", label="answer")),
    "dialogues": (60, Fields()),
}


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text("utf-8").splitlines()]


def planned(name: str, model: Path) -> Plan:
    return prepare(load(EXAMPLES / f"{name}.yaml", [f"model.id={model}"]))


@pytest.mark.parametrize("name", FILES)
def test_data_is_whole_and_no_row_asks_what_another_asks(name: str) -> None:
    count, fields = FILES[name]
    found = read(DATA / f"{name}.jsonl", fields)
    assert not found.problems
    assert len(found.rows) == count
    assert len(groups(found.rows)) == count


@pytest.mark.parametrize("name", ["emoji_sets", "company_qa", "headlines"])
def test_no_two_texts_are_nearly_the_same(name: str) -> None:
    texts = [next(iter(row.values())) for row in lines(name)]
    alike = [(a, b) for a, b in combinations(texts, 2) if fuzz.ratio(a, b) > 80]
    assert not alike


def test_posts_have_one_to_five_emoji_and_a_long_tail() -> None:
    sets = [split_emoji(row["emojis"]) for row in lines("emoji_sets")]
    assert all(1 <= len(labels) <= 5 and len(set(labels)) == len(labels) for labels in sets)
    assert all(is_emoji(label) for labels in sets for label in labels)
    assert {len(labels) for labels in sets} == {1, 2, 3, 4, 5}
    counts = sorted(
        (sum(la in s for s in sets) for la in {x for s in sets for x in s}), reverse=True
    )
    assert sum(counts[:25]) > 0.45 * sum(counts)  # a tenth of the labels does half of the work
    assert counts[0] < 0.1 * sum(counts)  # none dominates as ✨ did in seed 001
    assert sum(count == 1 for count in counts) > len(counts) / 4  # and many come once


def test_every_number_of_an_answer_stands_in_the_profile_or_in_its_question() -> None:
    profile = numbers((DATA / "company_profile.md").read_text("utf-8"))
    for row in lines("company_qa"):
        assert numbers(row["answer"]) <= profile | numbers(row["question"]), row


def numbers(text: str) -> set[str]:
    plain = unicodedata.normalize("NFKC", text)
    return set(re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3})", "", plain)))


def test_the_emotion_changes_within_each_chat() -> None:
    for row in lines("dialogues"):
        said = [m["content"] for m in row["messages"] if m["role"] == "assistant"]
        assert 2 <= len(said) <= 5
        assert all(a != b for a, b in pairwise(said))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_reads_its_data(name: str, tiny_model: Path) -> None:
    plan = planned(name, tiny_model)
    assert plan.config.name == name
    assert all(plan.items[split] for split in ("train", "validation", "test"))


def test_headlines_are_trained_on_a_hundred_rows(tiny_model: Path) -> None:
    plan = planned("headlines", tiny_model)
    assert [len(plan.rows[s]) for s in ("train", "validation", "test")] == [100, 20, 60]
    assert {len(plan.task.levels(label)) for label in plan.labels} == {2}
    assert len(plan.labels) == 9


def test_the_sets_are_the_same_under_every_family(tiny_model: Path) -> None:
    plans = [planned(f"emoji_sets_{f}", tiny_model) for f in ("causal", "seq2seq", "encoder")]
    assert len({plan.fingerprint for plan in plans}) == 1
