from __future__ import annotations

from typing import Any

from tests.rules.case import Case
from tests.rules.output import metrics, pair


def against(base: float, tuned: float, verdict: str, **more: Any) -> dict[str, Any]:
    scores = {"base": {"accuracy": base}, "tuned": {"accuracy": tuned}}
    compared = [pair("base", tuned - base, verdict, **more)]
    return {"metrics": metrics(scores, paired=compared), "settings": {}}


def fires() -> list[Case]:
    old = against(0.5, 0.55, "indistinguishable")
    del old["metrics"]["paired"][0]["p_holm"]
    folds = against(0.5, 0.55, "indistinguishable", rows_needed=640)
    folds["settings"] = {"evaluate": {"cv": 5}}
    chats = against(0.5, 0.5, "indistinguishable")
    chats["metrics"]["items"] = 360
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
            ("p = 0.080", "確かめられていません", "-5.0〜+15.0", "evaluate.cv: 5"),
        ),
        Case("a record of before there was a correction", old, "warning", ("p = 0.040",)),
        Case("how many rows it takes", folds, "warning", ("テスト 640 件ほど",)),
        Case("chats, no difference at all", chats, "warning", ("100 会話 (360 回答)", "増やして")),
    ]


def quiet() -> list[Case]:
    return [Case("better", against(0.62, 0.78, "better"))]


def lacks() -> list[Case]:
    alone = metrics({"tuned": {"accuracy": 0.5}})
    return [
        Case("not evaluated", {}),
        Case("nothing to compare with", {"metrics": alone, "settings": {}}),
    ]
