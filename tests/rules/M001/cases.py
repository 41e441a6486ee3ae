from __future__ import annotations

from tests.rules.case import Case

from kunren.doctor.reading import Vocabulary


def fires() -> list[Case]:
    return [
        Case(
            "an adapter's tokenizer with four more tokens (seed 003)",
            {"vocabulary": Vocabulary(32004, 32000, ("<|user|>", "<|assistant|>"))},
            "critical",
            ["32,004", "32,000 個", "<|user|>"],
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("as many as there are", {"vocabulary": Vocabulary(32000, 32000)}),
        Case("rows to spare, as T5 has", {"vocabulary": Vocabulary(32100, 32128)}),
        Case(
            "an id that is never used (Gemma's image)", {"vocabulary": Vocabulary(262145, 262144)}
        ),
    ]


def lacks() -> list[Case]:
    return [Case("no tokenizer", {})]
