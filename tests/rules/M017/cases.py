from __future__ import annotations

from typing import Any

from tests.rules.case import Case

from kunren.types import Example


def evidence(limit: int, longest: int, positions: int | None = None) -> dict[str, Any]:
    rows = [Example("r", (1,) * n, (True,) * n) for n in (10, longest)]
    return {
        "examples": {"train": rows},
        "config": {"train": {"max_length": limit}},
        "positions": positions,
    }


def fires() -> list[Case]:
    return [
        Case(
            "2,048 for tweets",
            evidence(2048, 60),
            "info",
            ["2048", "60 トークン", "64 で足ります"],
            {"set": {"train.max_length": 64}},
        ),
        Case(
            "more than the model reads",
            evidence(900, 500, 512),
            "info",
            ["512 トークンまで"],
            {"set": {"train.max_length": 512}},
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("the default", evidence(1024, 60, 512)),
        Case("a little room", evidence(128, 60)),
        Case("nothing smaller would be round", evidence(64, 3)),
    ]


def lacks() -> list[Case]:
    return [Case("no tokenizer", {"config": {"train": {"max_length": 64}}, "positions": None})]
