from __future__ import annotations

from tests.rules.case import Case

from kunren.doctor.reading import Ends


def fires() -> list[Case]:
    ends = Ends((2, 7), ("</s>", "<end>"), 2, 2, zero=(2,))
    return [Case("padding and end from scratch", {"ends": ends}, "warning", ["(</s>)", "0 です"])]


def quiet() -> list[Case]:
    return [Case("trained, or not read", {"ends": Ends((2,), ("</s>",), 2, 2)})]


def lacks() -> list[Case]:
    return [Case("nothing is written", {})]
