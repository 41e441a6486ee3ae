from __future__ import annotations

from tests.rules.case import Case
from tests.rules.made import POSTS, free, items, posts


def fires() -> list[Case]:
    train = posts(200, ["国内", "国内", "国内", "国際"])
    abroad = posts(80, ["国際", "国際", "国内"], 200)
    long = sorted(POSTS, key=len)
    short_test = [(text, "国内") for text in long[:60]]
    return [
        Case(
            "other headlines in the test file",
            {"items": items(train, test=abroad), "answers": "label"},
            "warning",
            ["ラベルの割合が", "国内 75.0 % → 32.5 %"],
        ),
        Case(
            "short texts by people, long ones by a teacher",
            {"items": free([(t, "国内") for t in long[200:]], test=short_test), "answers": "text"},
            "warning",
            ["文の長さが違い", "テストで 100.0 %"],
        ),
    ]


def quiet() -> list[Case]:
    labels = ["国内", "国内", "国際", "地域", "文化"]
    some = posts(400, labels)
    few = {"items": items(posts(60, ["国内"]), test=posts(10, ["国際"], 60)), "answers": "label"}
    one_off = items(some[::2], test=some[1:80:2])
    many = [chr(0x4E00 + n * n % 97) for n in range(200)]
    rare = {"items": items(posts(160, many), test=posts(40, many[160:], 160)), "answers": "label"}
    return [
        Case("one source", {"items": one_off, "answers": "label"}),
        Case("too few to tell", few),
        Case("a hundred labels of two rows are never alike", rare),
    ]


def lacks() -> list[Case]:
    return [Case("no test rows", {"items": items(posts(90, ["国内"])), "answers": "label"})]
