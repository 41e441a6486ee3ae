from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course


def of(accuracy: float, labels: int | None = 2, rows: int | None = 500) -> dict[str, object]:
    values = {"accuracy": (0.5, accuracy)}
    return {"course": course((), (0.7, 0.9), metrics=values, labels=labels, held_rows=rows)}


def fires() -> list[Case]:
    return [Case("labels swapped", of(0.31), "critical", ["31.0 %", "500 行"])]


def quiet() -> list[Case]:
    return [
        Case("guessing", of(0.48)),
        Case("so few rows", of(0.4, rows=20)),
        Case("good", of(0.9)),
    ]


def lacks() -> list[Case]:
    return [
        Case("labels not known", of(0.3, labels=None)),
        Case("rows not known", of(0.3, rows=None)),
        Case("no accuracy", {"course": HEALTHY}),
    ]
