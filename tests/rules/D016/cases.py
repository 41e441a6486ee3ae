from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, free, items, posts

EMOJI = ["🎉", "😢", "📚", "⚽", "🔥"]


def _case(name: str, pairs: object, **told: object) -> Case:
    evidence = {"items": items(pairs), "labels": tuple(EMOJI), "answers": "label"}  # type: ignore[arg-type]
    return Case(name, evidence, **told)  # type: ignore[arg-type]


def fires() -> list[Case]:
    left = [(f"{text}{label}", label) for text, label in posts(40, EMOJI)]
    other = [(f"{POSTS[n]}🙏", EMOJI[n % 5]) for n in range(40)]
    return [
        _case(
            "labels taken from posts and left in them",
            left + posts(160, EMOJI, 40),
            severity="warning",
            says=["200 件中 40 件 (20.0 %)", "写すだけで 100.0 % 当たります (偶然なら 20.0 %)"],
        ),
        _case(
            "emoji that give nothing away",
            other + posts(160, EMOJI, 40),
            severity="info",
            says=["40 件 (20.0 %)", "0 件"],
        ),
    ]


def quiet() -> list[Case]:
    menu = [
        (f"🎉 😢 📚 ⚽ 🔥 から選んでください: {text}", label) for text, label in posts(60, EMOJI)
    ]
    text = {"items": items(posts(60, ["経済"])), "labels": ("経済",), "answers": "label"}
    return [
        _case("no emoji in texts", posts(100, EMOJI)),
        _case("a template that names all labels", menu),
        _case("now and then", [(POSTS[0] + "🎉", "🎉"), *posts(99, EMOJI, 1)]),
        Case("labels are no emoji", text),
    ]


def lacks() -> list[Case]:
    text = {"items": free([("元気？", "はい😀")]), "labels": (), "answers": "text"}
    return [Case("free text has no labels", text), Case("no items", {"labels": ("🎉",)})]
