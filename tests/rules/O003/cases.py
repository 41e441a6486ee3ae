from __future__ import annotations

from typing import Any

from tests.rules.case import Case
from tests.rules.output import metrics, pair

SCORES = {"base": {"accuracy": 0.5}, "tuned": {"accuracy": 0.55}}


def seen(rows: int, half: float = 0.05, **more: Any) -> dict[str, Any]:
    compared = [pair("base", 0.05, more.pop("verdict", "indistinguishable"), **more)]
    return {"metrics": metrics(SCORES, rows, compared, half), "settings": {}}


def fires() -> list[Case]:
    few = metrics({"tuned": {"accuracy": 0.55}}, rows=12)
    wide = metrics({"tuned": {"accuracy": 0.55}}, rows=40, half=0.15)
    return [
        Case(
            "a difference that needs more rows, as recorded",
            seen(100, rows_needed=640),
            "warning",
            ("100 件", "640 件", "+5.0"),
        ),
        # ((1.96 + 0.84) / 1.96 × 0.1 / 0.05)² × 100, the interval being ±0.1
        Case("a record that does not say how many", seen(100), "warning", ("818 件",)),
        Case(
            "very few rows", {"metrics": few, "settings": {}}, "warning", ("12 件", "evaluate.cv")
        ),
        Case("a wide interval", {"metrics": wide, "settings": {}}, "info", ("±15 ポイント",)),
    ]


def quiet() -> list[Case]:
    alone = metrics({"tuned": {"accuracy": 0.55}}, rows=200)
    return [
        Case("enough rows", {"metrics": alone, "settings": {}}),
        Case("the difference is certain", seen(100, verdict="better")),
        Case("nothing to estimate from", seen(100, rows_needed=None)),
    ]


def lacks() -> list[Case]:
    unscored = metrics({"tuned": {"accuracy": None}})
    return [Case("not evaluated", {}), Case("no score", {"metrics": unscored, "settings": {}})]
