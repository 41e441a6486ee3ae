from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, posts, rows


def fires() -> list[Case]:
    sjis = "お返事: " + "こんにちは".encode().decode("cp932", "ignore") + " とのことでした"
    latin = "メモ " + "テスト".encode().decode("cp1252", "ignore")
    halves = [(f"{text} ｷｬﾝﾍﾟｰﾝ中", "告知") for text in POSTS[:5]]
    kana = [(f"{text} キャンペーン中", "告知") for text in POSTS[5:105]]
    return [
        Case(
            "UTF-8 read as CP932 in part of a text",
            {"rows": rows([*posts(50, ["😀"]), (sjis, "😀")])},
            "warning",
            ["51 件中 1 件に文字化け", "train.jsonl:51", "縺"],
        ),
        Case(
            "read as CP1252", {"rows": rows([(latin, "😀"), *posts(9, ["😀"])])}, "warning", ["ãƒ"]
        ),
        Case("a lost character", {"rows": rows([("今日は\ufffd曜日", "😀")])}, "warning"),
        Case(
            "HTML of a scraped page in one row",
            {"rows": rows([*posts(50, ["😀"]), ("A&amp;B の新曲<br>が出た", "🎵")])},
            "info",
            ["HTML", "&amp;"],
        ),
        Case(
            "half-width words among others", {"rows": rows(kana + halves)}, "info", ["半角カタカナ"]
        ),
    ]


def quiet() -> list[Case]:
    words = [
        ("糸が縺れてしまい、縺れた糸に苦労した", "😢"),
        ("繧繝錦の帯を見た", "🤩"),
        ("café で crème brûlée を食べた、très bien", "😋"),
        ("R&D 部門と 5 < 6 の話", "🤔"),
        ("ｷﾀ━━━(ﾟ∀ﾟ)━━━!!", "🎉"),
        ("São Paulo へ行く。Señor, ¿qué tal?", "😀"),
    ]
    thought = [("今日は雨？", f"<think>{n} 回考える。</think>\n\n降ります。") for n in range(20)]
    return [
        Case("words that look odd", {"rows": rows(words + posts(90, ["😀"]))}),
        Case("marks of reasoning", {"rows": rows(thought)}),
    ]


def lacks() -> list[Case]:
    return [Case("no rows", {})]
