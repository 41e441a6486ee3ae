from __future__ import annotations

from tests.rules.case import Case
from tests.rules.output import metrics, one_label

GOLD = ["問題なし"] * 90 + ["不具合"] * 10


def skewed(found: int, macro: float) -> dict[str, object]:
    said = ["問題なし"] * (100 - found) + ["不具合"] * found
    scores = {"tuned": {"accuracy": (90 + found) / 100, "macro_f1": macro}}
    return {"metrics": metrics(scores), "single": one_label(GOLD, said), "settings": {}}


def fires() -> list[Case]:
    fix = {"set": {"train.loss.class_weights": "balanced"}}
    weighted = {"train": {"loss": {"class_weights": "balanced"}}}
    return [
        Case("always the same", skewed(0, 0.474), "critical", ("90.0 %", "0.474", "1 種"), fix),
        Case(
            "hardly anything else",
            skewed(2, 0.645),
            "warning",
            ("92.0 %", "「不具合」は 10 件中 2 件"),
            fix,
        ),
        Case("weighted already", skewed(2, 0.645) | {"settings": weighted}, "warning"),
    ]


def quiet() -> list[Case]:
    even = one_label(["甲", "乙", "丙", "丁"] * 25, ["甲"] * 100)
    low = metrics({"tuned": {"accuracy": 0.5, "macro_f1": 0.2}})
    return [
        Case("most of the rare rows found", skewed(7, 0.895)),
        Case("no label dominates", {"metrics": low, "single": even, "settings": {}}),
    ]


def lacks() -> list[Case]:
    unscored = metrics({"tuned": {"accuracy": None, "macro_f1": None}})
    return [
        Case("not one label", {"metrics": metrics({}), "settings": {}}),
        Case("no scores", skewed(0, 0.5) | {"metrics": unscored}),
    ]
