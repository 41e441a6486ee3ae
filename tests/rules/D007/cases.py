from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import config, free, items, posts


def fires() -> list[Case]:
    emoji = config(task__labels__kind="emoji")
    tones = {"items": items(posts(60, ["👏", "👏🏻", "👍"])), "answers": "label", "config": emoji}
    said = ["お問い合わせ", "お問い合わせ。", "ご 意見", "ご意見", "くれーむ", "クレーム"]
    written = {"items": items(posts(60, said)), "answers": "label", "config": config()}
    return [
        Case(
            "skin tones",
            tones,
            "warning",
            ["1 組", "合わせて 20 件", "👏 (20)、👏🏻 (20)"],
            {"set": {"task.labels.merge_skin_tones": True}},
        ),
        Case("three labels in two spellings", written, "warning", ["3 組", "クレーム (10)"]),
    ]


def quiet() -> list[Case]:
    labels = ["喜び", "嬉しさ", "国内/経済", "国際/経済", "C", "C++", "C#"]
    emoji = ["😀", "😃", "❤️", "💛", "👨‍👩‍👧", "👩‍👦"]
    return [
        Case(
            "synonyms and names that differ",
            {"items": items(posts(70, labels)), "answers": "label", "config": config()},
        ),
        Case(
            "different emoji",
            {"items": items(posts(60, emoji)), "answers": "label", "config": config()},
        ),
    ]


def lacks() -> list[Case]:
    text = {"items": free([("営業時間は？", "9 時からです。")]), "answers": "text"}
    return [
        Case("free text has no labels", text | {"config": config()}),
        Case("no items", {"answers": "label", "config": config()}),
    ]
