from __future__ import annotations

import random
from typing import Any

import pytest

from kunren.config.schema import EvaluateConfig
from kunren.evaluation.score import evaluate
from kunren.evaluation.statistics import mcnemar_midp
from kunren.types import Item, Message, Prediction

LABELS = ("✨", "📷", "🔧", "😭", "🌙")


def notable(
    gold: list[str], said: list[str], rows: list[int] | None = None
) -> dict[str, dict[str, Any]]:
    rows = rows or list(range(len(gold)))
    items = [
        Item(str(n), str(row), (Message("user", "x"),), g, tuple(g))
        for n, (g, row) in enumerate(zip(gold, rows, strict=True))
    ]
    answers = [Prediction(str(n), tuple(s), generated=s) for n, s in enumerate(said)]
    found = evaluate(items, LABELS, {"tuned": answers}, EvaluateConfig(bootstrap=100), "set")
    return {one["label"]: one for one in found["generation"]["tuned"]}


def test_a_label_given_to_everything_is_named_with_those_it_pushed_out() -> None:
    gold = ["✨📷"] * 10 + ["🔧"] * 10 + ["📷"] * 20
    found = notable(gold, ["✨"] * 40)
    assert list(found) == ["✨", "📷", "🔧"]  # the largest difference first
    assert (found["✨"]["gold"], found["✨"]["predicted"], found["✨"]["ratio"]) == (10, 40, 4.0)
    assert (found["📷"]["predicted"], found["📷"]["ratio"]) == (0, 0.0)
    assert found["✨"]["p"] < 1e-6


def test_a_label_that_gold_never_has_has_no_ratio() -> None:
    found = notable(["📷"] * 20, ["📷🌙"] * 20)
    assert list(found) == ["🌙"]
    assert found["🌙"]["ratio"] is None


def test_p_is_that_of_mcnemar_corrected_for_all_labels_that_occur() -> None:
    # 📷 is exchanged for ✨ in ten of 30 rows; 🔧 is right; 😭 and 🌙 occur nowhere.
    found = notable(["📷🔧"] * 30, ["✨🔧"] * 10 + ["📷🔧"] * 20)
    assert set(found) == {"✨", "📷"}
    one = mcnemar_midp([1] * 10 + [0] * 20)
    assert {n: f["p"] for n, f in found.items()} == {n: pytest.approx(3 * one) for n in found}


def test_what_two_rows_show_may_be_chance() -> None:
    assert not notable(["📷"] * 5, ["✨"] * 2 + ["📷"] * 3)
    assert not notable(["📷", "✨"], ["✨", "📷"])
    assert not notable(["📷"] * 9, ["📷"] * 9)


def test_turns_of_one_chat_are_not_counted_as_independent() -> None:
    gold, said = ["📷"] * 24, ["✨"] * 24
    assert notable(gold, said)
    assert not notable(gold, said, [n // 8 for n in range(24)])  # three chats prove nothing


def test_answers_by_chance_are_seldom_named() -> None:
    chance = random.Random(0)

    def drawn() -> list[str]:
        return ["".join(chance.sample(LABELS, chance.randint(1, 3))) for _ in range(40)]

    named = sum(bool(notable(drawn(), drawn())) for _ in range(60))
    assert named <= 7  # 5 % of 60 are 3
