from __future__ import annotations

from tests.rules.case import Case

from kunren.doctor.reading import Batch


def fires() -> list[Case]:
    return [
        Case(
            "labels filled up with the padding token (seed 001)",
            {"batch": Batch([[500, 1, 0, 0, 0], [501, 502, 503, 1, 0]], [2, 4])},
            "critical",
            ["パディング 4 か所のうち 4 か所", "6 か所"],
        ),
        Case(
            "one forgotten place",
            {"batch": Batch([[7, 1, -100, 0], [8, 9, 9, 1]], [2, 4])},
            "critical",
            ["2 か所のうち 1 か所"],
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("padding is not counted", {"batch": Batch([[7, 1, -100], [8, 9, 1]], [2, 3])}),
        Case("the padding token itself is an answer's end", {"batch": Batch([[7, 0, -100]], [2])}),
    ]


def lacks() -> list[Case]:
    return [Case("before the model is loaded", {})]
