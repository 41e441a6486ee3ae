from __future__ import annotations

from tests.rules.case import Case

from kunren.doctor.reading import Saved, Template


def fires() -> list[Case]:
    return [
        Case(
            "a base model",
            {"template": Template("gemma", "model\n", "model\n")},
            "info",
            ["gemma", "学習前の値が低いのは当然"],
        ),
        Case(
            "another tool saved none",
            {"saved": Saved(template=False)},
            "info",
            ["tokenizer.chat_template"],
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("its own", {"template": Template(None, "model\n", "model\n")}),
        Case("another tool saved one", {"saved": Saved(template=True)}),
    ]


def lacks() -> list[Case]:
    return [Case("not a causal model", {}), Case("nor another tool's", {"saved": Saved()})]
