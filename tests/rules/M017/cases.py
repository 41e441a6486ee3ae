from __future__ import annotations

from typing import Any

from tests.rules.case import Case

from kunren.types import Example


def evidence(
    limit: int, longest: int, positions: int | None = None, **config: Any
) -> dict[str, Any]:
    rows = [Example("r", (1,) * n, (True,) * n) for n in (10, longest)]
    return {
        "examples": {"train": rows},
        "config": {"train": {"max_length": limit}, **config},
        "positions": positions,
    }


def prompted(shots: int, **more: Any) -> dict[str, Any]:
    """A causal model that is also shown examples, and writes up to 16 tokens."""
    evaluate = {"few_shot": shots, "baselines": "all", "max_new_tokens": 16}
    return {"model": {"family": "causal"}, "evaluate": evaluate | more}


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
        Case(
            "the four examples of a baseline have to fit too",
            evidence(2048, 60, **prompted(4)),
            "info",
            ["4 件の例", "320 で足ります"],
            {"set": {"train.max_length": 320}},
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("the default", evidence(1024, 60, 512)),
        Case("a little room", evidence(128, 60)),
        Case("nothing smaller would be round", evidence(64, 3)),
        Case("room for 16 examples", evidence(1040, 60, **prompted(16))),
        Case("and for passages", evidence(2048, 60, data={"documents": "manuals"})),
    ]


def lacks() -> list[Case]:
    return [Case("no tokenizer", {"config": {"train": {"max_length": 64}}, "positions": None})]
