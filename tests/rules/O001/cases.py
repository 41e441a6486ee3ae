from __future__ import annotations

from typing import Any

from tests.rules.case import Case
from tests.rules.output import metrics, pair


def against(base: float, tuned: float, verdict: str, **more: Any) -> dict[str, Any]:
    scores = {"base": {"accuracy": base}, "tuned": {"accuracy": tuned}}
    return {"metrics": metrics(scores, paired=[pair("base", tuned - base, verdict, **more)])}


def fires() -> list[Case]:
    old = against(0.5, 0.55, "indistinguishable")
    del old["metrics"]["paired"][0]["p_holm"]
    return [
        Case(
            "training made it worse",
            against(0.6, 0.3, "worse"),
            "critical",
            ("60.0 %", "30.0 %", "-30.0 ポイント", "使わないで"),
        ),
        Case(
            "a difference that chance can make, corrected for the number of comparisons",
            against(0.5, 0.55, "indistinguishable"),
            "warning",
            ("p = 0.080", "確かめられていません"),
        ),
        Case("a record of before there was a correction", old, "warning", ("p = 0.040",)),
    ]


def quiet() -> list[Case]:
    return [Case("better", against(0.62, 0.78, "better"))]


def lacks() -> list[Case]:
    alone = metrics({"tuned": {"accuracy": 0.5}})
    return [Case("not evaluated", {}), Case("nothing to compare with", {"metrics": alone})]
