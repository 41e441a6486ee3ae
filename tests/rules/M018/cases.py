from __future__ import annotations

from tests.rules.case import Case

from kunren.models.letters import Letters

NONE = Letters({}, {}, {})


def fires() -> list[Case]:
    some = Letters({"😀": "</s>", "鬱": "</s>"}, {}, {"😀": 12, "鬱": 1}, answers=9)
    many = [chr(0x1F600 + n) for n in range(40)]
    return [
        Case(
            "emoji that end the answer",
            {"letters": some},
            "critical",
            ["2 種", "</s>", "😀 鬱", "12 行", "9 行"],
            {"set": {"model.add_tokens": ["😀", "鬱"]}},
        ),
        Case(
            "too many for tokens of their own",
            {"letters": Letters(dict.fromkeys(many, "<pad>"), {}, dict.fromkeys(many, 2))},
            "critical",
            ["40 種", "<pad>", "…"],
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("all as it should be", {"letters": NONE}),
        Case("marks are another matter", {"letters": Letters({}, {"が": "か"}, {"が": 3})}),
    ]


def lacks() -> list[Case]:
    return [Case("no model", {})]
