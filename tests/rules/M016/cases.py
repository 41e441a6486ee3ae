from __future__ import annotations

from typing import Any

from tests.rules.case import Case

from kunren.types import Example, PairExample

CONFIG: dict[str, Any] = {"train": {"max_length": 1024}}


def example(length: int) -> Example:
    return Example("r", (1,) * length, (True,) * length)


def fires() -> list[Case]:
    return [
        Case(
            "a chat with its history",
            {"examples": {"train": [example(20), example(1300)]}, "config": CONFIG,
             "positions": 32768},
            "critical",
            ["2 行のうち 1 行", "最長 1,300", "1344"],
            {"set": {"train.max_length": 1344}},
        ),
        Case(
            "longer than the model reads",
            {"examples": {"test": [example(600)]}, "config": CONFIG, "positions": 512},
            "critical",
            ["モデルの読める 512"],
        ),
        Case(
            "a long answer",
            {"examples": {"train": [PairExample("p", (1,), (2,) * 1100)]}, "config": CONFIG,
             "positions": None},
            "critical",
            ["最長 1,100"],
            {"set": {"train.max_length": 1152}},
        ),
    ]  # fmt: skip


def quiet() -> list[Case]:
    rows = {"train": [example(1024)]}
    return [Case("just fits", {"examples": rows, "config": CONFIG, "positions": None})]


def lacks() -> list[Case]:
    return [
        Case("no tokenizer", {"config": CONFIG, "positions": None}),
        Case("no rows", {"examples": {}, "config": CONFIG, "positions": None}),
    ]
