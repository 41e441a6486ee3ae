from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, chat, config, posts, rows


def _chats(single: int, longer: int = 0) -> dict[str, tuple[object, ...]]:
    made = [chat(n, POSTS[n], "😀") for n in range(single)]
    made += [chat(n, POSTS[n], "😀", POSTS[n + 1], "😢") for n in range(single, single + longer)]
    return {"train": tuple(made), "validation": (), "test": ()}


def fires() -> list[Case]:
    return [
        Case(
            "seed 002: chats of one turn",
            {"rows": _chats(250), "config": config()},
            "info",
            ["250 件のうち、2 回以上やり取りする行は 0 件", "kunren chat --history 0"],
        ),
        Case("one longer chat of 300", {"rows": _chats(299, 1), "config": config()}, "info"),
    ]


def quiet() -> list[Case]:
    encoder = config(model__family="encoder")
    return [
        Case("chats that go on", {"rows": _chats(60, 40), "config": config()}),
        Case("texts with labels", {"rows": rows(posts(90, ["😀"])), "config": config()}),
        Case("an encoder does not chat", {"rows": _chats(90), "config": encoder}),
    ]


def lacks() -> list[Case]:
    nothing = {"train": (), "validation": (), "test": ()}
    return [
        Case("no training rows", {"rows": nothing, "config": config()}),
        Case("no config", {"rows": _chats(9)}),
    ]
