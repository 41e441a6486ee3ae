from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, free, items, posts, rows


def evidence(pairs: list[tuple[str, str]]) -> dict[str, object]:
    return {"items": free(pairs), "raw": rows(pairs), "answers": "text"}


PLAIN = [(f"{said} どう思う？", f"{n} 番目の返事です。") for n, said in enumerate(POSTS[:40])]


def fires() -> list[Case]:
    screens = ["受注", "発注", "棚卸", "返品", "締め"]
    above = [("上の手順の次は？", f"{screen}画面の「登録」を押します。") for screen in screens]
    hours = [
        ("何時まで開いていますか。", "18 時までです。"),
        ("何時まで開いていますか", "20 時までです。"),
        ("何時まで開いていますか。", "18時までです"),
    ]
    return [
        Case(
            "a question that points to something above it",
            evidence([*PLAIN[:20], *above]),
            "warning",
            [
                "1 種あります (25 件中 5 件)",
                "「上の手順の次は？」",
                "train.jsonl:21、",
                "84.0 % が上限",
            ],
        ),
        Case(
            "spelling makes no other answer",
            evidence([*PLAIN, *hours]),
            "info",
            ["(43 件中 3 件)", "「18 時までです。」 (2)、「20 時までです。」 (1)"],
        ),
    ]


def quiet() -> list[Case]:
    twice = [("定休日は？", "水曜です。"), ("定休日は", "水曜です")]
    return [
        Case("all asked once", evidence(PLAIN)),
        Case("copies agree", evidence([*PLAIN, *twice])),
    ]


def lacks() -> list[Case]:
    label = {
        "items": items(posts(9, ["国内"])),
        "raw": rows(posts(9, ["国内"])),
        "answers": "label",
    }
    return [Case("labels have a rule of their own", label)]
