from __future__ import annotations

from tests.rules.case import Case

FROZEN = {"tuning": {"kind": "full", "train_embeddings": False}}


def fires() -> list[Case]:
    return [
        Case(
            "5,222 emoji in frozen embeddings",
            {"config": FROZEN, "added": 5222},
            "warning",
            ["5,222 個"],
            {"set": {"tuning.train_embeddings": None}},
        ),
    ]


def quiet() -> list[Case]:
    free = {"tuning": {"kind": "full", "train_embeddings": None}}
    return [
        Case("nothing was added", {"config": FROZEN, "added": 0}),
        Case("they move", {"config": free, "added": 3}),
        Case("LoRA trains their rows", {"config": {"tuning": {"kind": "lora"}}, "added": 3}),
    ]


def lacks() -> list[Case]:
    return [Case("no config", {"added": 3}), Case("no tokenizer", {"config": FROZEN})]
