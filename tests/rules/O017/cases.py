from __future__ import annotations

from dataclasses import replace

from tests.rules.case import Case
from tests.rules.output import free_texts, label_sets, metrics

from kunren.doctor.evidence import Evaluated

GOLD = [f"{n}階にございます。" for n in range(20)]
SAID = [*GOLD[:5], *["分かりません。"] * 15]


def scored(items: list[Evaluated], score: float | None) -> list[Evaluated]:
    """The same answers under a metric that gives all of them this."""
    return [replace(e, answer=replace(e.answer, score=score)) for e in items]


def fires() -> list[Case]:
    right = free_texts(GOLD, SAID)
    chrf = metrics({"tuned": {"chrf": 31.0}})
    rouge = metrics({"tuned": {"exact_match": 0.25, "rougeL": 0.0, "chrf": 40.0}})
    sets = label_sets([("😊", "📚")] * 4, ["📚 😊"] * 4)
    return [
        Case(
            "right answers score nothing",
            {"metrics": chrf, "tuned": scored(right, 0.0)},
            "critical",
            ("5 件のうち 5 件", "0階にございます。"),
        ),
        Case(
            "right answers, but nothing on average",
            {"metrics": rouge, "tuned": right},
            "critical",
            ("25.0 %", "rougeL"),
        ),
        Case("sets", {"metrics": chrf, "tuned": scored(sets, 0.0)}, "critical"),
    ]


def quiet() -> list[Case]:
    fair = metrics({"tuned": {"exact_match": 0.25, "rougeL": 0.4, "empty_rate": 0.0}})
    return [Case("right answers score best", {"metrics": fair, "tuned": free_texts(GOLD, SAID)})]


def lacks() -> list[Case]:
    wrong = free_texts(GOLD, ["分かりません。"] * 20)
    none = metrics({"tuned": {"exact_match": 0.0, "rougeL": 0.0}})
    return [
        Case("not evaluated", {}),
        Case("no right answer", {"metrics": none, "tuned": wrong}),
        Case("answers without scores", {"metrics": metrics({}), "tuned": scored(wrong, None)}),
    ]
