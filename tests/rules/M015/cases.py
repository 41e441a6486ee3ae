from __future__ import annotations

from tests.rules.case import Case

from kunren.doctor.reading import Template


def fires() -> list[Case]:
    return [
        Case(
            "a model that thinks in use only",
            {"template": Template(None, "<|im_start|>assistant\n",
                                  "<|im_start|>assistant\n<think>\n")},
            "warning",
            ["<think>", "enable_thinking"],
        ),
    ]  # fmt: skip


def quiet() -> list[Case]:
    same = "<start_of_turn>model\n"
    return [Case("the same", {"template": Template(None, same, same)})]


def lacks() -> list[Case]:
    return [Case("not a causal model", {})]
