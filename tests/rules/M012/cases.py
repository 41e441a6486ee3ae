from __future__ import annotations

from tests.rules.case import Case

from kunren.doctor.reading import Steps

FIX = {"set": {"train.warmup": 0.1}}


def fires() -> list[Case]:
    return [
        Case(
            "500 steps of warm-up in 300 (seed 001)",
            {"steps": Steps(30, 300, 500)},
            "warning",
            ["500 ステップ", "300 ステップ", "60 %"],
            FIX,
        ),
        Case("most of it", {"steps": Steps(30, 300, 200)}, "warning", ["67 %"], FIX),
        Case(
            "of two steps a tenth is one",
            {"steps": Steps(1, 2, 1)},
            "warning",
            ["train.warmup: 0 "],
            {"set": {"train.warmup": 0.0}},
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("a tenth", {"steps": Steps(30, 300, 30)}),
        Case("none", {"steps": Steps(30, 300, 0)}),
    ]


def lacks() -> list[Case]:
    return [Case("the steps are not known", {})]
