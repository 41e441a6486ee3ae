from __future__ import annotations

from typing import Any

from tests.rules.case import Case

from kunren.doctor.reading import Weights
from kunren.types import Item

CONFIG: dict[str, Any] = {"train": {"learning_rate": None}, "tuning": {"kind": "full"}}


def items(count: int) -> dict[str, list[Item]]:
    return {"train": [Item(str(n), str(n), (), "a") for n in range(count)]}


def fires() -> list[Case]:
    own = {
        "train": {"learning_rate": 3e-5},
        "tuning": {"kind": "full", "train_embeddings": True},
    }
    return [
        Case(
            "100 million weights and 80 answers",
            {"weights": Weights(270_000_000, 170_000_000, 100_000_000), "items": items(80),
             "config": CONFIG},
            "info",
            ["80 個の答え", "約 1 億個", "125 万個"],
            {"set": {"tuning.kind": "lora", "train.learning_rate": None}},
        ),
        Case(
            "what belongs to full tuning goes with it",
            {"weights": Weights(270_000_000, 170_000_000, 270_000_000), "items": items(10),
             "config": own},
            "info",
            ["10 個の答え"],
            {"set": {"tuning.kind": "lora", "train.learning_rate": None,
                     "tuning.train_embeddings": None}},
        ),
        Case(
            "random weights cannot be tuned with LoRA",
            {"weights": Weights(7_300_000, 1_000_000, 7_300_000, pretrained=False),
             "items": items(5), "config": CONFIG},
            "info",
            ["5 個の答え"],
        ),
    ]  # fmt: skip


def quiet() -> list[Case]:
    return [
        Case(
            "rows enough",
            {"weights": Weights(270_000_000, 0, 100_000_000), "items": items(200),
             "config": CONFIG},
        ),
        Case(
            "LoRA",
            {"weights": Weights(270_000_000, 0, None), "items": items(5), "config": CONFIG},
        ),
    ]  # fmt: skip


def lacks() -> list[Case]:
    return [Case("the model is not there", {"items": items(5), "config": CONFIG})]
