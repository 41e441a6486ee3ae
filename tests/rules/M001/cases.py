from __future__ import annotations

from tests.rules.case import Case

from kunren.doctor.reading import Saved, Vocabulary


def fires() -> list[Case]:
    return [
        Case(
            "an adapter's tokenizer with four more tokens (seed 003)",
            {"vocabulary": Vocabulary(32004, 32000, ("<|user|>", "<|assistant|>"))},
            "critical",
            ["32,004", "32,000 個", "<|user|>"],
        ),
        Case(
            "the same, saved by another tool",
            {"saved": Saved(rows=32000, tokens=32004, needed=("<|user|>", "<|assistant|>"))},
            "critical",
            ["32004", "32000 行", "2 個", "<|user|>"],
        ),
        Case(
            "an adapter that holds another table than its base has",
            {"saved": Saved({}, "TinyLlama-1.1B", rows=32000, tables={"embed_tokens": 32004})},
            "warning",
            ["TinyLlama-1.1B", "32000 行", "size mismatch", "resize_token_embeddings(32004)"],
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("a saved model that fits", {"saved": Saved(rows=32128, tokens=32100)}),
        Case("an adapter of linear layers", {"saved": Saved({}, "b", rows=32000, tables={})}),
        Case("an adapter's table that fits", {"saved": Saved({}, "b", rows=9, tables={"w": 9})}),
        Case("as many as there are", {"vocabulary": Vocabulary(32000, 32000)}),
        Case("rows to spare, as T5 has", {"vocabulary": Vocabulary(32100, 32128)}),
        Case(
            "an id that is never used (Gemma's image)", {"vocabulary": Vocabulary(262145, 262144)}
        ),
    ]


def lacks() -> list[Case]:
    return [
        Case("no tokenizer", {}),
        Case("another tool's model without a tokenizer", {"saved": Saved(rows=32000)}),
        Case("an adapter whose base is not here", {"saved": Saved({}, "b", tables={"w": 9})}),
        Case("an adapter whose weights cannot be read", {"saved": Saved({}, "b", rows=9)}),
    ]
