from __future__ import annotations

from dataclasses import replace

from tests.rules.case import Case
from tests.rules.output import EMOJI, free_texts, label_sets, one_label

SETS = [(EMOJI[n % 8], EMOJI[(n + 1) % 8]) for n in range(40)]
TEXTS = [f"{n}日からお使いいただけます。" for n in range(40)]


def sets(broken: int, piece: str) -> dict[str, object]:
    written = [piece if n < broken else " ".join(gold) for n, gold in enumerate(SETS)]
    return {"written": label_sets(SETS, written), "answers": "set", "settings": {}}


def texts(broken: int, piece: str) -> dict[str, object]:
    written = [gold + (piece if n < broken else "") for n, gold in enumerate(TEXTS)]
    return {"written": free_texts(TEXTS, written), "answers": "text", "settings": {}}


def cut() -> dict[str, object]:
    """Answers that stop within a character, as the limit stopped them."""
    said = free_texts(TEXTS, [gold[:4] + "\ufffd" for gold in TEXTS])
    stopped = [replace(e, answer=replace(e.answer, ended=False)) for e in said]
    return {"written": stopped, "answers": "text", "settings": {}}


def fires() -> list[Case]:
    words = one_label(["😊"] * 40, ["うれしい"] * 40, written=True)
    return [
        Case(
            "words for emoji", sets(30, "填 よね"), "critical", ("填 (30)", "よね (30)", "絵文字")
        ),
        Case(
            "words for emoji that are tokens already",
            sets(30, "填 よね") | {"settings": {"model": {"add_tokens": "labels"}}},
            "critical",
            ("エポック数か学習率を上げてください。",),
        ),
        Case("a few", sets(2, "填"), "info", ("5.0 %",)),
        Case("written out tokens", sets(10, "<extra_id_0> 😊"), "warning", ("<extra_id_0> (10)",)),
        Case("bytes that make no character", texts(6, "\ufffd\ufffd"), "warning", ("15.0 %",)),
        Case("end tokens in texts", texts(40, "<end_of_turn>"), "critical", ("特殊トークン",)),
        Case(
            "one label is read off the closed set in any case",
            {"written": words, "answers": "label", "settings": {}},
            "warning",
        ),
    ]


def quiet() -> list[Case]:
    topics = one_label(["政治"] * 40, ["国際"] * 40, written=True)
    new = label_sets(SETS, ["🫠"] * 40)
    tags = free_texts(["<s>は打消し線です。"] * 40, ["<s>は打消し線です。"] * 40)
    return [
        Case("all as it should be", sets(0, "")),
        Case("a single one", sets(1, "填")),
        Case("emoji that were never trained", {"written": new, "answers": "set", "settings": {}}),
        Case("labels of text", {"written": topics, "answers": "label", "settings": {}}),
        Case("gold writes it too", {"written": tags, "answers": "text", "settings": {}}),
        Case("cut at the limit", cut()),
        Case("lines", texts(40, "\n二行目")),
    ]


def lacks() -> list[Case]:
    return [Case("nothing generated", {"answers": "set", "settings": {}})]
