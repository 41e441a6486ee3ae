from __future__ import annotations

import random

from tests.rules.case import Case
from tests.rules.output import TOPICS, one_label

GOLD = [TOPICS[n % 4] for n in range(120)]


def confused(each: int) -> dict[str, object]:
    """``each`` errors on 経済 that are 国際, and half as many back."""
    said = list(GOLD)
    for gold, other, count in (("経済", "国際", each), ("国際", "経済", each // 2)):
        places = [n for n, label in enumerate(GOLD) if label == gold][:count]
        for n in places:
            said[n] = other
    texts = ["円安が進行、外務省がコメント" if g == "経済" else "見出し" for g in GOLD]
    return {"single": one_label(GOLD, said, texts)}


def fires() -> list[Case]:
    says = (
        "「経済」と「国際」15 件 (順に 10、5 件",
        "間違い 15 件のうち 100.0 %",
        "外務省がコメント",
    )
    return [Case("one pair", confused(10), "info", says)]


def quiet() -> list[Case]:
    chance = random.Random(3)
    spread = [
        chance.choice([t for t in TOPICS if t != g]) if n % 4 == 0 else g
        for n, g in enumerate(GOLD)
    ]
    two = one_label(["甲", "乙"] * 20, ["甲", "甲"] * 20)
    return [
        Case("errors everywhere", {"single": one_label(GOLD, spread)}),
        Case("too few errors", confused(2)),
        Case("two labels have one pair", {"single": two}),
        Case("no error", {"single": one_label(GOLD, GOLD)}),
    ]


def lacks() -> list[Case]:
    return [Case("not one label", {})]
