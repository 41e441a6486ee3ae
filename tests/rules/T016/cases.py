from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course


def of(*values: float, name: str = "accuracy") -> dict[str, object]:
    return {"course": course((), [0.9] * len(values), metrics={name: values})}


def fires() -> list[Case]:
    return [
        Case("one answer", of(0.6133, 0.6133, 0.6133), "warning", ["0.6133"]),
        Case("a broken metric", of(0.0, 0.0, 0.0, name="f1"), "warning", ["分かち書き"]),
    ]


def quiet() -> list[Case]:
    return [Case("moves", of(0.61, 0.62, 0.61)), Case("always right", of(1.0, 1.0, 1.0))]


def lacks() -> list[Case]:
    return [Case("no metric", {"course": HEALTHY}), Case("two evaluations", of(0.5, 0.5))]
