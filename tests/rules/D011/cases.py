from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import posts, rows

from kunren.tasks.filters import Filtered, Step

ROWS = rows(posts(100, ["😀"]))["train"]


def _filtered(kept: int, *steps: Step) -> Filtered:
    return Filtered(ROWS[:kept], 100, 60, steps, {"😀": kept}, {"😀": 100})


def fires() -> list[Case]:
    top = _filtered(7, Step("ban", ["✨"], 90, 59), Step("top", 50, 7, 50))
    return [
        Case(
            "seed 000: 7 % left of the top 50",
            {"filtered": top},
            "warning",
            ["100 件中 7 件 (7.0 %)", "top: 50 で、83 件"],
        ),
        Case("a third left", {"filtered": _filtered(34, Step("min_rows", 5, 34, 20))}, "info"),
    ]


def quiet() -> list[Case]:
    return [
        Case("no filter", {"filtered": _filtered(100)}),
        Case("most are left", {"filtered": _filtered(80, Step("top", 50, 80, 50))}),
    ]


def lacks() -> list[Case]:
    return [Case("nothing is known of filters", {})]
