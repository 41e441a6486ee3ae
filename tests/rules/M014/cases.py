from __future__ import annotations

from tests.rules.case import Case

from kunren.doctor.reading import Template


def fires() -> list[Case]:
    return [
        Case(
            "a base model",
            {"template": Template("gemma", "model\n", "model\n")},
            "info",
            ["gemma", "学習前の値が低いのは当然"],
        ),
    ]


def quiet() -> list[Case]:
    return [Case("its own", {"template": Template(None, "model\n", "model\n")})]


def lacks() -> list[Case]:
    return [Case("not a causal model", {})]
