from __future__ import annotations

from collections.abc import Generator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kunren.types import Message
from kunren.use import Chat, History, Predictor


class Echo:
    """Answers with the number of messages that it was given, in two pieces."""

    generates = True

    def __init__(self) -> None:
        self.seen: list[tuple[Message, ...]] = []

    def stream(self, context: Sequence[Message], _: int, **__: Any) -> Generator[str, None, bool]:
        self.seen.append(tuple(context))
        yield str(len(context))
        yield "!"
        return len(context) < 4


def chat(history: History, system: str | None = None) -> tuple[Chat, Echo]:
    model = Echo()
    predictor = cast("Predictor", SimpleNamespace(model=model, system="絵文字で"))
    return Chat(predictor, system, history), model


@pytest.mark.parametrize(
    ("history", "lengths"),
    [(0, [2, 2, 2, 2]), (1, [2, 4, 4, 4]), (2, [2, 4, 6, 6]), ("all", [2, 4, 6, 8])],
)
def test_a_chat_remembers_as_many_exchanges_as_asked(history: History, lengths: list[int]) -> None:
    talk, model = chat(history)
    for n in range(4):
        assert "".join(talk.reply(f"発言{n}", 10)) == f"{lengths[n]}!"
    assert [len(seen) for seen in model.seen] == lengths
    assert all(seen[0] == Message("system", "絵文字で") for seen in model.seen)
    assert [seen[-1].content for seen in model.seen] == [f"発言{n}" for n in range(4)]


def test_the_kept_exchanges_are_the_latest() -> None:
    talk, model = chat(1)
    for said in ("あ", "い", "う"):
        list(talk.reply(said, 10))
    assert [m.content for m in model.seen[-1]] == ["絵文字で", "い", "4!", "う"]


def test_a_chat_tells_whether_its_last_answer_was_cut() -> None:
    talk, _ = chat("all")
    told = [talk.ended]
    for said in "あい":
        list(talk.reply(said, 10))
        told.append(talk.ended)
    assert told == [None, True, False]


def test_an_answer_that_was_broken_off_is_not_remembered() -> None:
    talk, model = chat("all")
    half: Any = talk.reply("あ", 10)
    next(half)
    half.close()
    list(talk.reply("い", 10))
    assert [m.content for m in model.seen[-1]] == ["絵文字で", "い"]


def test_the_system_prompt_can_be_another_or_none() -> None:
    talk, model = chat(0, "別の指示")
    list(talk.reply("あ", 10))
    assert model.seen[0][0] == Message("system", "別の指示")
    talk, model = chat(0, "")
    list(talk.reply("あ", 10))
    assert model.seen[0] == (Message("user", "あ"),)
