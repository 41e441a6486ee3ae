from __future__ import annotations

from tests.rules.case import Case


def fires() -> list[Case]:
    return [
        Case(
            "linear layers alone",
            {"adapter": {"modules_to_save": None, "trainable_token_indices": None}, "added": 4},
            "critical",
            ["4 個のトークンのうち", "0 個"],
        ),
        Case(
            "some of them",
            {"adapter": {"trainable_token_indices": {"embed_tokens": [7, 8]}}, "added": 4},
            "critical",
            ["2 個です"],
        ),
    ]


def quiet() -> list[Case]:
    rows = {"trainable_token_indices": {"model.embed_tokens": [7, 8]}}
    whole = {"modules_to_save": ["embed_tokens", "lm_head"]}
    return [
        Case("their rows", {"adapter": rows, "added": 2}),
        Case("a plain list", {"adapter": {"trainable_token_indices": [7, 8]}, "added": 2}),
        Case("the whole table", {"adapter": whole, "added": 2}),
        Case("nothing was added", {"adapter": {}, "added": 0}),
    ]


def lacks() -> list[Case]:
    return [Case("full tuning has no adapter", {"added": 2})]
