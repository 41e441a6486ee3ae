from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import free, items, posts


def fires() -> list[Case]:
    train, test = posts(80, ["国内", "国際"]), posts(18, ["国内"], 80)
    new = [("新種の苔が見つかる", "科学"), ("火星に水の跡", "科学")]
    sets = items([("遠足", ("🎒",))], validation=[("雨", ("🌧️", "🎒"))], test=[("旅", ("🎒",))])
    return [
        Case(
            "a label that only the test file has",
            {
                "items": items(train, test=test + new),
                "labels": ("国内", "国際"),
                "answers": "label",
            },
            "warning",
            ["テスト 20 件中 2 件 (10.0 %)", "科学 (2)"],
        ),
        Case(
            "in validation rows only",
            {"items": sets, "labels": ("🎒",), "answers": "set"},
            "info",
            ["検証 1 件中 1 件", "🌧️ (1)"],
        ),
    ]


def quiet() -> list[Case]:
    made = items(posts(80, ["国内", "国際"]), test=posts(20, ["国内"], 80))
    return [Case("all trained", {"items": made, "labels": ("国内", "国際"), "answers": "label"})]


def lacks() -> list[Case]:
    some = {"items": items(posts(9, ["国内"])), "labels": ("国内",), "answers": "label"}
    text = {"items": free([("元気？", "はい")]), "labels": (), "answers": "text"}
    return [Case("nothing held out", some), Case("free text has no labels", text)]
