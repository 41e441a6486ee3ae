from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, items, posts

EMOJI = list("😀😁😆😢😭😡😨😐🥳🥰😳🤔😋💪🤢🤩🎉📚🎵🔥💔🏀😄😊🙏")


def _counts(*counts: int) -> list[tuple[str, str]]:
    names = [EMOJI[n] for n, count in enumerate(counts) for _ in range(count)]
    return [(f"{POSTS[n % 400]}{n // 400}", name) for n, name in enumerate(names)]


def fires() -> list[Case]:
    seed = posts(250, EMOJI)
    return [
        Case(
            "seed 002: 25 emoji, ten rows each, divided 8 : 1 : 1",
            {"items": items(seed[:200], seed[200:225], seed[225:]), "answers": "label"},
            "info",
            ["25 種", "10 件"],
        ),
        Case(
            "a quota of which some rows were dropped",
            {"items": items(_counts(*([20, 19, 18] * 8))), "answers": "label"},
            "info",
            ["18〜20 件"],
        ),
    ]


def quiet() -> list[Case]:
    natural = _counts(14, 11, 10, 10, 9, 12, 6, 8, 13, 7)
    return [
        Case("as chance gives them", {"items": items(natural), "answers": "label"}),
        Case("two labels half and half", {"items": items(_counts(50, 50)), "answers": "label"}),
        Case("one label", {"items": items(_counts(50)), "answers": "label"}),
        Case(
            "of hundreds of labels, those that came once",
            {"items": items(_counts(*([1] * 20))), "answers": "label"},
        ),
        Case("one row each, of two", {"items": items(_counts(1, 1)), "answers": "label"}),
    ]


def lacks() -> list[Case]:
    sets = {"items": items(posts(20, [("😀", "🎉")])), "answers": "set"}
    return [Case("sets are not drawn label by label", sets), Case("no items", {"answers": "label"})]
