from __future__ import annotations

from collections.abc import Sequence

from tests.rules.case import Case
from tests.rules.output import EMOJI, TOPICS, label_sets, one_label

from kunren.doctor.evidence import Evaluated

GOLD = [TOPICS[n % 4] for n in range(80)]
SAMPLE = [[EMOJI[(n + k) % 8] for k in range(0, 8, 2)] for n in range(20)]
"""Twenty sets, as many as the sample that an experiment's folder keeps."""


def labels(said: list[str]) -> dict[str, object]:
    return {"labelled": one_label(GOLD, said), "answers": "label"}


def sets(written: Sequence[str]) -> dict[str, object]:
    found: list[Evaluated] = label_sets(SAMPLE, written)
    return {"labelled": found, "answers": "set"}


def fires() -> list[Case]:
    thirsty = ["国際" if n % 10 < 2 else g for n, g in enumerate(GOLD)]
    more = ["国際" if n % 10 < 3 else g for n, g in enumerate(GOLD)]
    collapsed = [f"📚 📚 {EMOJI[n % 8]} 😊 😊" for n in range(20)]
    twice = [" ".join([*gold, gold[-1]]) for gold in SAMPLE]
    return [
        Case(
            "a label that takes from all others",
            labels(more),
            "warning",
            ("「国際」は回答 36 件、正解 20 件", "class_weights"),
        ),
        Case("fewer", labels(thirsty), "info", ("「国際」",)),
        Case(
            "two labels in every set, each twice",
            sets(collapsed),
            "warning",
            ("「📚」は回答 20 件、正解 10 件", "「😊」は回答 20 件", "20 件中 20 件 (100.0 %)"),
        ),
        Case(
            "right sets with the last label twice",
            sets(twice),
            "warning",
            ("同じラベルを 1 つの回答の中で", "repetition_penalty"),
        ),
    ]


def quiet() -> list[Case]:
    wrong = [TOPICS[(n + n // 7) % 4] if n % 7 == 0 else g for n, g in enumerate(GOLD)]
    one_twice = [" ".join(gold) + (" 📚" if n == 0 else "") for n, gold in enumerate(SAMPLE)]
    return [
        Case("errors on all labels", labels(wrong)),
        Case("one label for everything has a rule of its own", labels(["国際"] * 80)),
        Case("right sets", sets([" ".join(gold) for gold in SAMPLE])),
        Case("a repetition in one answer", sets(one_twice)),
    ]


def lacks() -> list[Case]:
    return [Case("free text", {"answers": "text"})]
