from __future__ import annotations

from tests.rules.case import Case

FIX = {"set": {"train.loss.label_smoothing": 0.0}}


def fires() -> list[Case]:
    return [
        Case(
            "the flat config of another tool (seed 000)",
            {"config": {"focal_gamma": 2.0, "label_smoothing": 0.1}},
            "warning",
            ["gamma 2.0", "(0.1)"],
            FIX,
        ),
        Case(
            "in our form",
            {"config": {"train": {"loss": {"focal_gamma": 1.0, "label_smoothing": 0.05}}}},
            "warning",
            ["0.05"],
            FIX,
        ),
    ]


def quiet() -> list[Case]:
    focal = {"train": {"loss": {"focal_gamma": 2.0, "label_smoothing": 0.0}}}
    return [
        Case("focal alone", {"config": focal}),
        Case("smoothing alone", {"config": {"label_smoothing": 0.1}}),
    ]


def lacks() -> list[Case]:
    return [Case("no config", {}), Case("a config of other things", {"config": {"epochs": 3}})]
