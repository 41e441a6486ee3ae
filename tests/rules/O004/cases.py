from __future__ import annotations

from tests.rules.case import Case
from tests.rules.output import EMOJI, label_sets, metrics, one_label

METRICS = metrics({"tuned": {"accuracy": 0.5}}, labels=["😀", "😢"])


def labels(wild: int, word: str) -> dict[str, object]:
    said = [word if n < wild else "😀" for n in range(50)]
    generated = one_label(["😀"] * 50, said, written=True)
    return {"metrics": METRICS, "generated": generated, "answers": "label", "settings": {}}


def sets(written: str, **settings: object) -> dict[str, object]:
    generated = label_sets([EMOJI[:2]] * 20, [written] * 20)
    return {"metrics": METRICS, "generated": generated, "answers": "set", "settings": settings}


def fires() -> list[Case]:
    return [
        Case("some emoji never trained", labels(5, "😭"), "info", ("😭 (5)", "10.0 %")),
        Case("many words", labels(25, "うれしい\x1b[31m"), "warning", ("うれしい\\u001b",)),
        Case("pieces of sets", sets("😊 🫠 填"), "warning", ("🫠 (20)", "66.7 %", "add_tokens")),
        Case(
            "labels that are tokens already",
            sets("😊 🫠 填", model={"add_tokens": "labels"}),
            "warning",
            ("学習が足りません。エポック数を増やしてください。",),
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("one of fifty", labels(1, "😭")),
        Case("only labels", sets("😊 📚")),
        Case("a variation selector", labels(50, "😀\ufe0f")),
    ]


def lacks() -> list[Case]:
    return [Case("nothing generated", {"metrics": METRICS, "answers": "label", "settings": {}})]
