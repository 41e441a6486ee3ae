from __future__ import annotations

from tests.rules.case import Case
from tests.rules.courses import HEALTHY, course


def of(held: tuple[float, ...], accuracy: tuple[float, ...], rows: int = 1000) -> Case:
    made = course((), held, metrics={"accuracy": accuracy}, held_rows=rows)
    return Case("", {"course": made})


def named(name: str, case: Case, *said: str, severity: str = "") -> Case:
    return Case(name, case.evidence, severity, said)


def fires() -> list[Case]:
    return [
        named(
            "sure of its errors",
            of((0.30, 0.25, 0.28), (0.88, 0.90, 0.93)),
            "93.0 %",
            severity="info",
        ),
        named("much so", of((0.30, 0.25, 0.40), (0.88, 0.90, 0.93)), "+60 %", severity="warning"),
        named(
            "blind", of((0.9, 0.7, 0.5), (0.80, 0.85, 0.60)), "悪くなっています", severity="warning"
        ),
    ]


def quiet() -> list[Case]:
    return [
        named("both improve", of((0.9, 0.6, 0.5), (0.7, 0.8, 0.85))),
        named("both get worse", of((0.5, 0.6, 0.9), (0.85, 0.8, 0.7))),
        named("a gain that chance makes", of((0.30, 0.25, 0.40), (0.88, 0.90, 0.92), rows=100)),
    ]


def lacks() -> list[Case]:
    return [
        Case("no metric", {"course": HEALTHY}),
        named("two evaluations", of((1.0, 0.5), (0.5, 0.6))),
    ]
