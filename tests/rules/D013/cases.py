from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import posts, rows


def fires() -> list[Case]:
    zero = [*posts(60, ["国内"]), ("東\u200b京で初雪を観測", "国内")]
    return [
        Case(
            "a zero-width space in one headline",
            {"rows": rows(zero)},
            "info",
            ["61 件中 1 件", "U+200B", "train.jsonl:61"],
        ),
        Case(
            "in an answer",
            {"rows": rows([*posts(60, ["国内"]), ("梅が咲いた", "国内\ufeff")])},
            "warning",
            ["答えの中にあるのは 1 件", "U+FEFF"],
        ),
        Case("text that is turned", {"rows": rows([*posts(60, ["国内"]), ("\u202e済経", "国内")])},
             "warning", ["U+202E"]),
    ]  # fmt: skip


def quiet() -> list[Case]:
    joined = [
        ("家族で海へ 👨‍👩‍👧 最高", "😀"),
        ("旗が揺れる 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "😀"),
        ("一行目\n二行目\t全角　空白", "😀"),
        ("好き❤️です", "😀"),
        ("一覧", "国内\x1f国際"),
    ]
    return [Case("line breaks, joined emoji, lists of labels", {"rows": rows(joined)})]


def lacks() -> list[Case]:
    return [Case("no rows", {})]
