from __future__ import annotations

from typing import Any

from tests.rules.case import Case
from tests.rules.output import metrics


def scored(rows: int = 100, /, **systems: float) -> dict[str, Any]:
    values = {name: {"accuracy": value} for name, value in systems.items()}
    return {"metrics": metrics({"tuned": {"accuracy": 0.97}, **values}, rows)}


def fires() -> list[Case]:
    return [
        Case(
            "words alone decide",
            scored(24, majority=0.66, tfidf_logreg=1.0),
            "warning",
            ("TF-IDF", "100.0 %", "24 件", "読んでいない列"),
        ),
        Case("each test row has its twin", scored(nearest=0.99, tfidf_logreg=0.8), "warning",
             ("最近傍", "99.0 %")),
    ]  # fmt: skip


def quiet() -> list[Case]:
    return [
        Case("hard enough", scored(tfidf_logreg=0.95, nearest=0.9)),
        Case("one label only is another matter", scored(majority=1.0, tfidf_logreg=0.8)),
    ]


def lacks() -> list[Case]:
    return [
        Case("not evaluated", {}),
        Case("too few rows to tell", scored(12, tfidf_logreg=1.0)),
    ]
