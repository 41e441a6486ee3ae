from __future__ import annotations

from tests.rules.case import Case
from tests.rules.output import EMOJI, TOPICS, free_texts, label_sets, one_label

from kunren.doctor.evidence import Evaluated

GOLD = [TOPICS[n % 4] for n in range(80)]
SETS = [(EMOJI[n % 8], EMOJI[(n + 1) % 8]) for n in range(80)]
TEXTS = [f"{n}月に開催いたします。" for n in range(40)]


def labels(said: list[str]) -> dict[str, object]:
    return given("label", one_label(GOLD[: len(said)], said))


def given(answers: str, tuned: list[Evaluated], **settings: object) -> dict[str, object]:
    return {"tuned": tuned, "answers": answers, "settings": settings}


def fires() -> list[Case]:
    mostly = ["国際" if n % 10 < 5 else GOLD[n] for n in range(80)]
    sparkles = label_sets(SETS, ["✨ ✨ ✨"] * 80, ("✨", *EMOJI))
    often = [f"😊 {EMOJI[n % 8]}" if n % 3 == 0 else "😊" for n in range(80)]
    ruled = [("😊", EMOJI[1 + n % 7]) if n % 2 else (EMOJI[1 + n % 7],) for n in range(80)]
    taught = label_sets(ruled, often)
    banned = {"labels": {"ban": ["✨"]}}
    same = free_texts(TEXTS, ["東京です。"] * 40)
    return [
        Case("one label", labels(["国際"] * 80), "critical", ("国際", "100.0 %")),
        Case("mostly one label", labels(mostly), "warning", ("正解での割合は 25.0 %",)),
        Case("one set", given("set", sparkles), "critical", ("✨",)),
        Case(
            "one label in all sets",
            given("set", label_sets(SETS, often)),
            "warning",
            ("というラベルに偏っています",),
        ),
        Case(
            "that label dominates gold too",
            given("set", taught, task=banned),
            "warning",
            fix={"set": {"task.labels.ban": ["✨", "😊"]}},
        ),
        Case("one text", given("text", same), "critical", ("東京です。",)),
        Case(
            "no text",
            given("text", free_texts(TEXTS, [""] * 40)),
            "critical",
            ("空の回答",),
        ),
    ]


def quiet() -> list[Case]:
    skewed = one_label(["政治"] * 72 + ["経済"] * 8, ["政治"] * 80)
    return [
        Case("all right", labels(GOLD)),
        Case("three rows", labels(["国際"] * 3)),
        Case("gold is as one-sided", given("label", skewed)),
        Case("texts all right", given("text", free_texts(TEXTS, TEXTS))),
    ]


def lacks() -> list[Case]:
    return [Case("no predictions", {"answers": "label", "settings": {}})]
