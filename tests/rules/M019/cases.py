from __future__ import annotations

from tests.rules.case import Case

from kunren.models.letters import Letters


def fires() -> list[Case]:
    bare = {"が": "か", "で": "て", "ぱ": "は"}
    found = Letters({}, bare, {"が": 30, "で": 12, "ぱ": 1})
    said = ["が→か、で→て、ぱ→は", "3 種", "30 行", "strip_accents: false"]
    return [Case("an English setting", {"letters": found}, "warning", said)]


def quiet() -> list[Case]:
    return [
        Case("all as it should be", {"letters": Letters({}, {}, {})}),
        Case("ends are another matter", {"letters": Letters({"鬱": "</s>"}, {}, {"鬱": 1})}),
    ]


def lacks() -> list[Case]:
    return [Case("no model", {})]
