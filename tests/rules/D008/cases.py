from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, config, free, items, posts

KANJI = [chr(n) for n in range(0x4E00, 0x4E00 + 80)]


def _tail() -> list[tuple[str, str]]:
    """Four frequent labels and forty that come once or twice."""
    names = [KANJI[n % 4] for n in range(120)] + [KANJI[4 + n % 40] for n in range(60)]
    return list(zip(POSTS, names, strict=False))


def fires() -> list[Case]:
    sets = [(POSTS[n], (KANJI[n % 60], KANJI[(n * 7) % 60])) for n in range(360)]
    return [
        Case(
            "v3 of the seeds: six rows an emoji",
            {"items": items(sets), "answers": "set", "config": config()},
            "warning",
            ["1 種あたり 6.0 件", "6 件で Jaccard 0.045", "42 件で 0.120"],
        ),
        Case(
            "many rare labels, of which a few would do",
            {"items": items(_tail()), "answers": "label", "config": config()},
            "warning",
            ["4.1 件", "task.labels.top: 4", "120 件 (66.7 %)"],
            {"set": {"task.labels.top": 4}},
        ),
        Case(
            "seed 002: ten rows each",
            {"items": items(posts(250, KANJI[:25])), "answers": "label", "config": config()},
            "info",
            ["1 種あたり 10.0 件"],
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case(
            "thirty rows a label",
            {"items": items(posts(300, KANJI[:10])), "answers": "label", "config": config()},
        ),
        Case(
            "forty rows a label of sets",
            {"items": items(posts(400, [(k,) for k in KANJI[:10]])), "answers": "set",
             "config": config()},
        ),
    ]  # fmt: skip


def lacks() -> list[Case]:
    text = {"items": free([("営業時間は？", "9 時からです。")]), "answers": "text"}
    return [
        Case("free text has no labels", text | {"config": config()}),
        Case("no items", {"answers": "label", "config": config()}),
    ]
