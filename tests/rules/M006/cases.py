from __future__ import annotations

from tests.rules.case import Case

from kunren.doctor.reading import Ends, Saved


def fires() -> list[Case]:
    return [
        Case(
            "pad_token = eos_token",
            {"ends": Ends((2,), ("</s>",), 2, 2)},
            "info",
            ["</s>", "害はありません"],
        ),
        Case(
            "the same in another tool's model",
            {"saved": Saved(ends=Ends((2,), ("</s>",), 2, 2))},
            "info",
            ["</s>", "DataCollatorForLanguageModeling"],
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("a token of its own", {"ends": Ends((1, 107), ("<eos>", "<end_of_turn>"), 0, 1)}),
        Case("another tool's", {"saved": Saved(ends=Ends((1,), ("<eos>",), 0, 1))}),
        Case("no padding token", {"ends": Ends((1,), ("<eos>",), None, 1)}),
    ]


def lacks() -> list[Case]:
    return [Case("no tokenizer", {}), Case("a saved model that writes nothing", {"saved": Saved()})]
