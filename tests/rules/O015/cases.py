from __future__ import annotations

import random

from tests.rules.case import Case
from tests.rules.output import TOPICS, one_label

MARKET = ("円安が進行", "株価が続伸", "利上げを見送り", "企業業績が上向き", "原油が値下がり")


def headlines(lured: int) -> dict[str, object]:
    """Of 16 headlines on 経済 with 外務省 in them ``lured`` are taken for 国際."""
    inputs = [f"{MARKET[n % 5]}、外務省がコメント" for n in range(16)]
    inputs += [f"{MARKET[n % 5]}、{n}日の東京市場" for n in range(60)]
    gold = ["経済"] * 76
    said = ["国際" if n < lured else g for n, g in enumerate(gold)]
    said[70:73] = ["政治"] * 3
    return {"single": one_label(gold, said, inputs)}


def fires() -> list[Case]:
    says = (
        "「コメント・外務省」→「国際」(16 件中 12 件。この語がなければ 0.0 %)",
        "学習データに加える",
    )
    return [Case("外務省 is 国際", headlines(12), "info", says)]


def quiet() -> list[Case]:
    chance = random.Random(1)
    gold = [TOPICS[n % 4] for n in range(76)]
    said = [chance.choice(TOPICS) if chance.random() < 0.4 else g for g in gold]
    pieces = ("会見", "市場", "選手", "政府", "外務省", "決勝", "株価", "首脳")
    inputs = ["が".join(chance.sample(pieces, 3)) for _ in gold]
    return [
        Case("two by chance", headlines(2)),
        Case("words by chance", {"single": one_label(gold, said, inputs)}),
        Case("no errors", {"single": one_label(gold, gold, inputs)}),
    ]


def lacks() -> list[Case]:
    return [Case("not one label", {})]
