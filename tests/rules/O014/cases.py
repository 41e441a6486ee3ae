from __future__ import annotations

import random
from dataclasses import replace

from tests.rules.case import Case
from tests.rules.output import EMOJI, TOPICS, free_texts, label_sets, one_label

GOLD = [TOPICS[n % 4] for n in range(96)]
INPUTS = ["首相、会見へ" if n % 3 == 0 else f"首相が{n}か国の首脳と会談、声明へ" for n in range(96)]


def labels(wrong: set[int], inputs: list[str] = INPUTS) -> dict[str, object]:
    said = [TOPICS[(n + 1) % 4] if n in wrong else g for n, g in enumerate(GOLD)]
    return {"tuned": one_label(GOLD, said, inputs), "answers": "label", "settings": {}}


def fires() -> list[Case]:
    asked = [
        "社名は？" if n % 3 == 0 else f"{n}階の会議室の予約方法を教えてください" for n in range(60)
    ]
    gold = [f"{n}番の窓口で承っております。" for n in range(60)]
    said = ["分かりません" if n % 3 == 0 and n % 2 else g for n, g in enumerate(gold)]
    texts = {"tuned": free_texts(gold, said, asked), "answers": "text", "settings": {}}
    posts = [
        replace(e, row=replace(e.row, text=INPUTS[n]))
        for n, e in enumerate(
            label_sets([EMOJI[:2]] * 96, ["😊" if n % 3 == 0 else "😊 📚" for n in range(96)])
        )
    ]
    sets = {"tuned": posts, "answers": "set", "settings": {}}
    some = {n for n in range(0, 96, 3) if n % 4 == 0}
    return [
        Case(
            "half of the short headlines",
            labels({n for n in range(0, 96, 3) if n % 2}),
            "warning",
            ("6 字以下の 32 件の正解率は 50.0 %", "100.0 %", "「首相、会見へ」"),
        ),
        Case(
            "within a label only",
            labels(some - {0}),
            "info",
            ("正解率は 78.1 %",),
        ),
        Case("short posts", sets, "warning", ("Jaccard は 0.",)),
        Case("short questions", texts, "warning", ("chrF",)),
    ]


def quiet() -> list[Case]:
    chance = random.Random(2)
    anywhere = {n for n in range(96) if chance.random() < 0.3}
    hard = ["会見" if g == "国際" else f"{n}番目の長い見出しです" for n, g in enumerate(GOLD)]
    return [
        Case("errors anywhere", labels(anywhere)),
        Case("a hard label whose inputs are short", labels(set(range(2, 96, 8)), hard)),
        Case("all as long", labels(anywhere, ["首相、会見へ"] * 96)),
        Case("long ones go wrong", labels({n for n in range(96) if n % 3})),
    ]


def lacks() -> list[Case]:
    few = {"tuned": one_label(GOLD[:10], GOLD[:10]), "answers": "label", "settings": {}}
    return [Case("no predictions", {"answers": "label"}), Case("ten rows", few)]
