from __future__ import annotations

from typing import Any

from tests.rules.case import Case

from kunren.doctor.reading import Weights

SIZE = Weights(270_000_000, 168_000_000, None)
RANDOM = Weights(1_000_000, 100_000, None, pretrained=False)


def config(rate: float | None, family: str | None = "causal", kind: str = "full") -> dict[str, Any]:
    return {
        "train": {"learning_rate": rate},
        "tuning": {"kind": kind},
        "model": {"family": family},
    }


def fires() -> list[Case]:
    return [
        Case(
            "LoRA's rate on full tuning",
            {"config": config(5e-4), "weights": SIZE},
            "warning",
            ["0.0005", "17 倍", "3e-05"],
            {"set": {"train.learning_rate": 3e-5}},
        ),
        Case(
            "full tuning's rate on LoRA",
            {"config": config(3e-5, kind="lora"), "weights": SIZE},
            "warning",
            ["17 分の 1"],
            {"set": {"train.learning_rate": 5e-4}},
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("kunren chooses", {"config": config(None), "weights": SIZE}),
        Case("the usual rate", {"config": config(3e-5), "weights": SIZE}),
        Case("ten times it", {"config": config(3e-4), "weights": SIZE}),
        Case("T5 as in seed 001", {"config": config(5e-5, "seq2seq"), "weights": SIZE}),
        Case("BERT's own", {"config": config(2e-5, "encoder"), "weights": SIZE}),
        Case("random weights take more", {"config": config(2e-3), "weights": RANDOM}),
    ]


def lacks() -> list[Case]:
    return [
        Case("the family is not known", {"config": config(1.0, None), "weights": SIZE}),
        Case("nor what the model is", {"config": config(1.0)}),
    ]
