from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, free, items, posts, rows


def evidence(answers: list[str]) -> dict[str, object]:
    pairs = [(f"{said} なぜ？", answer) for said, answer in zip(POSTS, answers, strict=False)]
    return {"items": free(pairs), "raw": rows(pairs), "answers": "text"}


THINGS = [
    "印刷ボタン", "倉庫の一覧", "前月の残高", "管理者の許可", "赤い旗の印", "請求の控え",
    "封筒の色", "係の名前", "駅の出口", "窓口の番号", "夜間の受付", "鍵の返却", "傘立ての横",
    "社員証の裏", "裏面の写真", "月末の締め", "棚の三段目", "青い書類", "階段の横", "非常口",
]  # fmt: skip
DIFFERENT = [f"{thing}を見てください。" for thing in THINGS]

REFUSALS = [
    "マニュアルに記載がありません。",
    "マニュアルには記載がございません",
    "その情報は取扱説明書に記載されていません。",
    "記載されておりません。",
    "申し訳ございませんが、記載が見つかりませんでした。",
    "お答えできません。",
    "お答えいたしかねます。",
    "該当する記述がありません。",
    "該当なし",
    "資料には書かれておりません。",
    "わかりません",
    "分かりかねます。",
    "その点については存じ上げません。",
    "確認できませんでした。",
    "該当するデータは存在しません。",
    "不明です。",
    "マニュアルに載っていないため、お答えできません。",
    "情報がありません。",
    "記載なし。",
    "The manual does not say; I don't know.",
]
"""Ways of saying that there is no answer."""

NEGATIVE = [
    "データが壊れているため開けません。",
    "個人情報は保存されません。",
    "はい、使えます。",
    "いいえ、使えません。",
    "在庫はありません。",
    "変更はできません。再度申請してください。",
    "12日以内です。「履歴」から行います。",
    "分かりやすい場所に置いてください。",
    "資料を3部用意します。",
    "確認できたら「登録」を押します。",
    "休日は対応していません。",
]
"""Answers that look like one."""


def fires() -> list[Case]:
    refusals = [
        "マニュアルに記載がありません。",
        "マニュアルには記載がございません",
        "申し訳ありませんが、該当する情報が見つかりませんでした。",
        "お答えできる情報はございません。",
        "不明です。",
        "資料からは分かりません。",
    ]
    return [
        Case(
            "one refusal for three questions in ten",
            evidence([*DIFFERENT[:14], *["取扱説明書に記載がありません。"] * 6]),
            "warning",
            ["20 件のうち 6 件 (30.0 %)", "「取扱説明書に記載がありません。」", "train.jsonl:15"],
        ),
        Case(
            "refusals that are worded one way each",
            evidence([*DIFFERENT[:14], *refusals]),
            "warning",
            ["6 件 (30.0 %)", "書き方は 6 通り"],
        ),
        Case(
            "all the ways of refusing that people have",
            evidence([*DIFFERENT, *REFUSALS]),
            "warning",
            ["40 件のうち 20 件 (50.0 %)", "書き方は 20 通り"],
        ),
        Case(
            "the same thing said in two ways",
            evidence([*DIFFERENT, *["担当者に確認します。"] * 5, *["担当者へ確認しますね"] * 4]),
            "warning",
            ["29 件のうち 9 件", "「担当者に確認します。」", "書き方は 2 通り"],
        ),
    ]


def quiet() -> list[Case]:
    days = [f"{day} 日以内です。「履歴」から行います。" for day in range(1, 21)]
    return [
        Case("all different", evidence(DIFFERENT)),
        Case(
            "thanks in every chat",
            {
                **evidence(DIFFERENT),
                "items": free(
                    [
                        *((f"{thing}は？", f"{thing}です。") for thing in THINGS),
                        *[("ありがとう", "どういたしまして。")] * 20,
                    ]
                ),
            },
        ),
        Case("answers that say no", evidence([*DIFFERENT, *NEGATIVE])),
        Case("a few refusals", evidence([*DIFFERENT, "分かりません。", "記載がありません。"])),
        Case("one pattern, other numbers", evidence(days)),
        Case("yes and no", evidence(["はい。", "いいえ。"] * 10)),
        Case(
            "the opposite is not the same",
            evidence([*DIFFERENT, *["記載があります。"] * 4, *["記載がありません。"] * 4]),
        ),
    ]


def lacks() -> list[Case]:
    label = {
        "items": items(posts(9, ["国内"])),
        "raw": rows(posts(9, ["国内"])),
        "answers": "label",
    }
    return [Case("labels have a rule of their own", label)]
