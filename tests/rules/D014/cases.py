from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import posts, rows


def fires() -> list[Case]:
    links = [("https://example.com/a1", "😀"), ("@taro …", "😢"), ("！？", "😲")]
    return [
        Case(
            "links and dots",
            {"rows": rows(posts(97, ["😀"]) + links)},
            "info",
            ["100 件中 3 件 (3.0 %)", "「！？」", "train.jsonl:98"],
        ),
        Case("a tenth of the rows", {"rows": rows(posts(27, ["😀"]) + links)}, "warning"),
    ]


def quiet() -> list[Case]:
    short = [
        ("え", "😲"),
        ("😂😂", "😂"),
        ("5", "😐"),
        ("見て https://example.com/b", "🤩"),
        ("🇯🇵", "🎉"),
    ]
    return [Case("short texts that say something", {"rows": rows(short)})]


def lacks() -> list[Case]:
    return [Case("no rows", {})]
