from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import free, items, posts


def fires() -> list[Case]:
    labels = [
        ("母がバイオリンを弾く", "以下は適切な絵文字です: 🎻"),
        ("上司に怒られた", "申し訳ありませんが、この文の感情は判断できません。"),
    ]
    answers = [
        ("おすすめの本は？", "AIとして個人的な好みは持ちませんが、次の本があります。"),
        ("返品できますか", "はい、承知しました。返品はお届けから 8 日以内にお受けします。"),
    ]
    refusals = [
        (f"{n} 番の品は返品できますか", "申し訳ございませんが、お受けできません。")
        for n in range(5)
    ]
    shop = [(f"{n} 階には何がありますか", f"{n} 階は食品売り場です。") for n in range(45)]
    inputs = [("以下はツイートの例です。今日は遠足！", "😀"), ("**件名** 会議の件", "😐")]
    return [
        Case(
            "a teacher's talk as labels",
            {"items": items([*posts(98, ["🎻"]), *labels]), "answers": "label"},
            "warning",
            ["100 件中 2 件", "前置き 1 件", "断り 1 件", "train.jsonl:99"],
        ),
        Case(
            "free answers that speak as an AI",
            {"items": free(answers), "answers": "text"},
            "warning",
            ["AI としての名乗り 1 件", "前置き 1 件"],
        ),
        Case(
            "many refusals may be meant",
            {"items": free(shop + refusals), "answers": "text"},
            "info",
            ["50 件中 5 件", "断るべき質問"],
        ),
        Case(
            "texts that a teacher wrote",
            {"items": items(posts(50, ["😀"]) + inputs), "answers": "label"},
            "warning",
            ["前置き 1 件", "Markdown"],
        ),
    ]


def quiet() -> list[Case]:
    talk = [
        ("AIとして生きる夢を見た", "😨"),
        ("店員さんに「申し訳ありませんが対応できません」と言われた", "😢"),
        ("以下略、って便利な言葉だよね", "😀"),
        ("すごい * 3 と書いた", "🤔"),
    ]
    shop = [(f"{n} 階には何がありますか", f"{n} 階は食品売り場です。") for n in range(99)]
    one = [("今すぐ取り消せますか", "申し訳ございませんが、取り消しはお受けできません。")]
    code = [("```\nprint(1)\n```\nは何を出力しますか", "1 を出力します。")]
    return [
        Case("people who tell of it", {"items": items(talk), "answers": "label"}),
        Case("a shop that refuses once", {"items": free(shop + one), "answers": "text"}),
        Case("a question with code", {"items": free(code), "answers": "text"}),
    ]


def lacks() -> list[Case]:
    return [Case("no items", {"answers": "label"})]
