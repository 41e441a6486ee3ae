from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import free, items, posts


def fires() -> list[Case]:
    said = [
        ("まじか", "😲"),
        ("まじか", "😲"),
        ("まじか　", "😭"),
        ("やばい", "🤩"),
        ("やばい", "😨"),
    ]
    sets = [("遠足の前の日", ("🎒", "😆")), ("遠足の前の日", ("🌧️",))]
    return [
        Case(
            "short posts with two emotions",
            {"items": items(posts(45, ["😀"]) + said), "answers": "label"},
            "info",
            ["2 種 (50 件中 5 件)", "96.0 % が上限", "「まじか」 → 😲 (2)、😭 (1)"],
        ),
        Case(
            "every text twice with another label, as two annotators give them",
            {"items": items(posts(30, ["経済"]) + posts(30, ["国際"])), "answers": "label"},
            "warning",
            ["50.0 % が上限"],
        ),
        Case(
            "sets without a label in common",
            {"items": items([*posts(60, [("😀",)]), *sets]), "answers": "set"},
            "info",
            ["共通のラベルが 1 つもない", "遠足の前の日"],
        ),
    ]


def quiet() -> list[Case]:
    sets = [("遠足の前の日", ("🎒", "😆")), ("遠足の前の日", ("😆", "🌧️"))]
    return [
        Case("texts differ", {"items": items(posts(60, ["😀", "😢"])), "answers": "label"}),
        Case("copies agree", {"items": items(posts(60, ["😀"]) * 2), "answers": "label"}),
        Case("sets that share a label", {"items": items(sets), "answers": "set"}),
    ]


def lacks() -> list[Case]:
    text = {"items": free([("営業時間は？", "9 時からです。")]), "answers": "text"}
    return [Case("free text has no labels", text), Case("no items", {"answers": "label"})]
