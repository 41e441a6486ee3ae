from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from kunren.config.schema import Config, Decoding, TaskConfig
from kunren.errors import InputError
from kunren.samples import samples
from kunren.tasks import make_task
from kunren.types import Item, Message, Prediction, Written
from kunren.use import Chat, Predictor, see_that_it_can_choose

ASKED = (Message("user", "山は？"),)
DRAWN = Decoding(sample=True, seed=7)


class Writes:
    """Writes each of some answers in turn."""

    generates = True

    def __init__(self, *said: str) -> None:
        self.said = said

    def generate(self, items: list[Item], *_: Any) -> list[Written]:
        return [Written(self.said[n % len(self.said)], ended=True) for n in range(len(items))]


def predictor(kind: str, model: Any, labels: tuple[str, ...] = (), probabilities: Any = ()) -> Any:
    chosen = Prediction("0", labels[:1], probabilities=probabilities)
    return SimpleNamespace(
        task=make_task(TaskConfig(kind=kind)),  # type: ignore[arg-type]
        model=model,
        labels=labels,
        longest_answer=8,
        predict=lambda _: [chosen],
        items=lambda contexts: [Item(str(n), str(n), c, "") for n, c in enumerate(contexts)],
    )


def test_written_answers_are_counted() -> None:
    asked = predictor("answer", Writes("富士山です。", "富士山です。", "わかりません。"))
    assert samples(asked, ASKED, 6, DRAWN) == [("富士山です。", 4), ("わかりません。", 2)]


def test_constrained_labels_come_as_often_as_they_are_probable() -> None:
    asked = predictor("classify", Writes("犬"), ("賛成", "反対", "保留"), (0.7, 0.3, 0.0))
    counts = dict(samples(asked, ASKED, 1000, DRAWN, constrained=True))
    assert sum(counts.values()) == 1000
    assert counts["賛成"] == pytest.approx(700, abs=60)
    assert "保留" not in counts
    assert counts == dict(samples(asked, ASKED, 1000, DRAWN, constrained=True))
    assert samples(asked, ASKED, 5, DRAWN) == [("犬", 5)]


def test_a_chat_puts_the_template_around_every_question_and_remembers_what_was_said() -> None:
    seen: list[tuple[Message, ...]] = []

    def stream(context: tuple[Message, ...], _: int, **__: Any) -> Any:
        seen.append(tuple(context))
        yield "はい"
        return True

    model = SimpleNamespace(generates=True, stream=stream)
    given = cast("Predictor", SimpleNamespace(model=model, system=None))
    talk = Chat(given, None, "all", asked=lambda said: f"文: {said}\n気分:")
    for said in ("晴れた", "雨だ"):
        list(talk.reply(said, 4))
    assert [m.content for m in seen[-1]] == ["文: 晴れた\n気分:", "はい", "文: 雨だ\n気分:"]


def test_free_text_has_no_set_to_choose_from() -> None:
    config = load_text("answer")
    with pytest.raises(InputError):
        see_that_it_can_choose(config)
    see_that_it_can_choose(load_text("classify"))


def load_text(kind: str) -> Config:
    return Config.model_validate(
        {"name": "x", "task": {"kind": kind}, "data": {"train": "x.jsonl"}, "model": {"id": "m"}}
    )
