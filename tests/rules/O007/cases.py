from __future__ import annotations

from collections.abc import Callable

from tests.rules.case import Case
from tests.rules.output import TOPICS, one_label

from kunren.doctor.evidence import Evaluated

Turn = Callable[[int, int], str]


def chats(gold: Turn, said: Turn, count: int = 10) -> list[list[Evaluated]]:
    """Chats of four turns; label of (chat, turn)."""
    turns = range(4)
    return [
        one_label([gold(chat, n) for n in turns], [said(chat, n) for n in turns])
        for chat in range(count)
    ]


def changing(chat: int, turn: int) -> str:
    return TOPICS[(chat + turn) % 4]


def stuck(chat: int, turn: int) -> str:
    return changing(chat, min(turn, 1))


def fires() -> list[Case]:
    turns = chats(changing, stuck)
    return [Case("stuck after two", {"turns": turns}, "warning", ("3 ターン目", "20 回のうち 20"))]


def quiet() -> list[Case]:
    return [
        Case("right", {"turns": chats(changing, changing)}),
        Case("stuck from the first", {"turns": chats(changing, lambda *_: "国際")}),
        Case("gold stays the same", {"turns": chats(lambda chat, _: TOPICS[chat % 4], stuck)}),
        Case("too few turns", {"turns": chats(changing, stuck, 2)}),
    ]


def lacks() -> list[Case]:
    return [Case("no chats", {})]
