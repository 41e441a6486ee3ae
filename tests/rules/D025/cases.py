from __future__ import annotations

import json

from tests.rules.case import Case
from tests.rules.made import POSTS, free, items, posts, rows


def evidence(answers: list[str], asks: str = "") -> dict[str, object]:
    pairs = [(said + asks, answer) for said, answer in zip(POSTS, answers, strict=False)]
    return {"items": free(pairs), "raw": rows(pairs), "answers": "text"}


GOOD = [
    json.dumps({"店": said[:6], "点": n}, ensure_ascii=False) for n, said in enumerate(POSTS[:20])
]


def fires() -> list[Case]:
    broken = [
        '{"店": "魚よし", "点": 4',
        "{'店': '魚よし', '点': 4}",
        '{"店": "魚よし", "点": 4,}',
        '結果は {"店": "魚よし"} です。',
        '```json\n{"店": "魚よし"}\n```',
        "店は魚よし、4 点です。",
    ]
    return [
        Case(
            "each way of breaking it",
            evidence([*GOOD, *broken]),
            "warning",
            [
                "26 件のうち 20 件は JSON", "はずの 6 件", "括弧が閉じていないもの 1 件",
                '引用符が " でないもの 1 件', "余分なカンマがあるもの 1 件",
                "前後に文があるもの 1 件", "コードブロックで囲んだもの 1 件", "JSON でない文 1 件",
                "train.jsonl:21",
            ],
        ),
        Case(
            "among answers of other kinds, what begins as JSON",
            evidence([*GOOD[:6], *(f"{n} 円です。" for n in range(6)), '{"店": "魚よし"']),
            "warning",
            ["はずの 1 件"],
        ),
        Case(
            "asked for as JSON",
            evidence(["魚よしは 4 点です。", "鳥やすは 3 点"], " JSON 形式で返してください。"),
            "warning",
            ["0 件は JSON", "はずの 2 件", "JSON でない文 2 件"],
        ),
    ]  # fmt: skip


def quiet() -> list[Case]:
    fenced = [f"```json\n{one}\n```" for one in GOOD]
    return [
        Case("all can be read", evidence(GOOD)),
        Case("all in a code block", evidence(fenced)),
        Case("no JSON", evidence([f"{n} 円です。" for n in range(20)])),
        Case("notes in brackets", evidence([*GOOD[:4], *["[1] 規約を参照。"] * 9])),
        Case("a question about JSON", evidence(["データの書き方です。"], " JSON とは何ですか。")),
    ]


def lacks() -> list[Case]:
    label = {
        "items": items(posts(9, ["国内"])),
        "raw": rows(posts(9, ["国内"])),
        "answers": "label",
    }
    return [Case("labels", label)]
