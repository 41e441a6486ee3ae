from __future__ import annotations

from tests.rules.case import Case


def fires() -> list[Case]:
    return [
        Case(
            "seed 001: 5,222 emoji in fp16",
            {"config": {"train": {"precision": "fp16"}}, "added": 5222},
            "warning",
            ["5,222 個", "fp16", "auto"],
            {"set": {"train.precision": "auto"}},
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("nothing was added", {"config": {"train": {"precision": "fp16"}}, "added": 0}),
        Case("another precision", {"config": {"train": {"precision": "auto"}}, "added": 5222}),
    ]


def lacks() -> list[Case]:
    return [Case("no tokenizer", {"config": {"train": {"precision": "fp16"}}})]
