from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import items, posts


def fires() -> list[Case]:
    return [
        Case("sixty rows", {"items": items(posts(60, ["😀"]))}, "warning", ["60 件しか", "シード"]),
        Case("seed 003's 133 rows", {"items": items(posts(133, ["😀"]))}, "info", ["133 件"]),
    ]


def quiet() -> list[Case]:
    return [Case("two hundred", {"items": items(posts(200, ["😀"]))})]


def lacks() -> list[Case]:
    return [Case("no items", {})]
