from __future__ import annotations

from tests.rules.case import Case

from kunren.doctor.reading import Saved

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
        Case(
            "another tool's adapter holds them as they were added",
            {"saved": Saved({}, "b", 9, {"embed_tokens.weight": 11}, new=("😀", "😢"))},
            "warning",
            ["2 個", "😀 😢", "trainable_token_indices"],
        ),
    ]


def quiet() -> list[Case]:
    free = {"tuning": {"kind": "full", "train_embeddings": None}}
    table = {"embed_tokens.weight": 11}
    rows = {"trainable_token_indices": [9, 10]}
    whole = {"modules_to_save": ["embed_tokens"]}
    new = ("😀", "😢")
    return [
        Case("an adapter that trained them", {"saved": Saved(rows, "b", 9, table, new=new)}),
        Case("or the whole table", {"saved": Saved(whole, "b", 9, table, new=new)}),
        Case("or by LoRA", {"saved": Saved({}, "b", 9, table, moved=True, new=new)}),
        Case("not even saved: M008 tells", {"saved": Saved({}, "b", 9, {}, new=new)}),
        Case("an adapter without new tokens", {"saved": Saved({}, "b", 9, table, new=())}),
        Case("nothing was added", {"config": FROZEN, "added": 0}),
        Case("they move", {"config": free, "added": 3}),
        Case("LoRA trains their rows", {"config": {"tuning": {"kind": "lora"}}, "added": 3}),
    ]


def lacks() -> list[Case]:
    return [
        Case("no config", {"added": 3}),
        Case("no tokenizer", {"config": FROZEN}),
        Case("another tool's whole model", {"saved": Saved(rows=9)}),
        Case("an adapter whose base is not here", {"saved": Saved({}, "b")}),
        Case("an adapter whose weights cannot be read", {"saved": Saved({}, "b", 9, new=("😀",))}),
    ]
