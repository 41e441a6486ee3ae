from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, chat, items, posts, rows


def fires() -> list[Case]:
    replies = [(said, f"{n} 番の係がご案内します。") for n, said in enumerate(POSTS[:30])]
    echoed = [
        ("返品したいのですが。", "返品したいのですが"),
        ("領収書は出ますか", "領収書は出ますか？"),
    ]
    mended = [(f"{said}でし。", f"{said}です。") for said in POSTS[:30]]
    right = [(said, said) for said in POSTS[30:40]]
    chats = [chat(n, said, "承知しました。", POSTS[60 + n], POSTS[60 + n]) for n, said in
             enumerate(POSTS[:3])]  # fmt: skip
    return [
        Case(
            "questions given back",
            {"raw": rows([*replies, *echoed]), "answers": "text"},
            "warning",
            ["32 件のうち 2 件", "「返品したいのですが」", "train.jsonl:31、train.jsonl:32"],
        ),
        Case(
            "a correction task with rows that need none",
            {"raw": rows([*mended, *right]), "answers": "text"},
            "info",
            ["40 件のうち 10 件 (25.0 %)", "直すところのない文"],
        ),
        Case(
            "in the second turn of chats",
            {"raw": {"train": chats}, "answers": "text"},
            "warning",
            ["6 件のうち 3 件", "chats.jsonl:0"],
        ),
    ]


def quiet() -> list[Case]:
    replies = [(said, f"{n} 番です。") for n, said in enumerate(POSTS[:20])]
    return [
        Case("answers of their own", {"raw": rows(replies), "answers": "text"}),
        Case("a greeting", {"raw": rows([*replies, ("はい", "はい。")]), "answers": "text"}),
    ]


def lacks() -> list[Case]:
    label = {
        "items": items(posts(9, ["国内"])),
        "raw": rows(posts(9, ["国内"])),
        "answers": "label",
    }
    return [Case("labels", label), Case("no rows", {"answers": "text"})]
