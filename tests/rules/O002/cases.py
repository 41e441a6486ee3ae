from __future__ import annotations

from typing import Any

from tests.rules.case import Case
from tests.rules.output import metrics, pair


def against(name: str, trivial: float, verdict: str) -> dict[str, Any]:
    scores = {"tuned": {"accuracy": 0.5}, name: {"accuracy": trivial}}
    return {"metrics": metrics(scores, paired=[pair(name, 0.5 - trivial, verdict)])}


def fires() -> list[Case]:
    return [
        Case("worse", against("majority", 0.7, "worse"), "critical", ("及びません", "70.0 %")),
        Case(
            "behind",
            against("tfidf_logreg", 0.52, "indistinguishable"),
            "warning",
            ("TF-IDF", "超えたとは言えません"),
        ),
        Case(
            "ahead of a real classifier, but not surely",
            against("tfidf_logreg", 0.45, "indistinguishable"),
            "info",
            ("+5.0 ポイント",),
        ),
        Case(
            "ahead of a constant is not enough",
            against("majority", 0.45, "indistinguishable"),
            "warning",
        ),
    ]


def quiet() -> list[Case]:
    return [Case("better", against("tfidf_logreg", 0.3, "better"))]


def lacks() -> list[Case]:
    scores = {"base": {"accuracy": 0.2}, "tuned": {"accuracy": 0.5}}
    return [Case("not evaluated", {}), Case("no baselines", {"metrics": metrics(scores)})]
