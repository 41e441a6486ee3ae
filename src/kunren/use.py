"""A finished run in use: predicting and chatting, from the run folder alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from kunren.config.schema import Config
from kunren.data.inputs import BadLine, Input, InputFormat, read_inputs
from kunren.experiment import open_finished
from kunren.progress import Progress, Silent
from kunren.records.task_file import read_task_file
from kunren.types import Item, Message, Prediction

History = int | Literal["all"]
"""How many past exchanges a chat keeps; 0: every input is a new conversation."""


@dataclass(frozen=True)
class Predictor:
    """The tuned or the untuned model of a run, with what it was trained to answer."""

    config: Config
    model: Any
    labels: tuple[str, ...]
    system: str | None

    @classmethod
    def open(
        cls, folder: Path, *, base: bool = False, progress: Progress | None = None
    ) -> Predictor:
        """Load a run's model.

        Raises:
            InputError: not a run folder, or the run has no model yet.
        """
        from kunren.models import make_family
        from kunren.models.adapter import load_saved

        run, config = open_finished(folder)
        answered = read_task_file(run.path / "model")
        loaded = load_saved(
            run.path / "model",
            base=base,
            precision=config.train.precision,
            progress=progress or Silent(),
        )
        family = make_family(config.model.family, loaded)
        return cls(config, family, tuple(answered.labels), answered.system)

    def context(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """A conversation as the training rows were: with the system prompt and the template."""
        turns = tuple(messages)
        if len(turns) == 1 and turns[0].role == "user":
            asked = self.config.task.template.replace("{text}", turns[0].content)
            turns = (Message("user", asked),)
        if self.system and turns[0].role != "system":
            turns = (Message("system", self.system), *turns)
        return turns

    def predict(
        self, contexts: Sequence[Sequence[Message]], batch_size: int = 16
    ) -> list[Prediction]:
        """The best label and all probabilities for each conversation."""
        items = [
            Item(str(n), str(n), self.context(messages), "") for n, messages in enumerate(contexts)
        ]
        with Silent().stage("", None) as task:
            predictions: list[Prediction] = self.model.predict(items, self.labels, batch_size, task)
        return predictions


def predict_stream(
    predictor: Predictor,
    source: IO[bytes],
    name: str,
    *,
    field: str | None,
    format_: InputFormat | None,
    batch_size: int,
) -> Iterator[dict[str, object]]:
    """Results in the order of the input, each a JSON object; a bad line gives one with ``error``.

    Yields:
        ``{"line", "id"?, "text", "label", "probability"}`` or ``{"line", "error"}``.
    """
    fields = predictor.config.data.fields
    if field is not None:
        fields = fields.model_copy(update={"text": field})
    waiting: list[Input | BadLine] = []
    for read in read_inputs(source, name, fields, format_):
        waiting.append(read)
        if len(waiting) >= 4 * batch_size:
            yield from _results(predictor, waiting, batch_size)
            waiting = []
    yield from _results(predictor, waiting, batch_size)


def _results(
    predictor: Predictor, read: Sequence[Input | BadLine], batch_size: int
) -> Iterator[dict[str, object]]:
    good = [r for r in read if isinstance(r, Input)]
    predictions = iter(predictor.predict([r.messages for r in good], batch_size))
    for r in read:
        if isinstance(r, BadLine):
            yield {"line": r.line, "error": str(r.problem)}
            continue
        prediction = next(predictions)
        said = next((m.content for m in reversed(r.messages) if m.role == "user"), "")
        yield {
            "line": r.line,
            **({} if r.id is None else {"id": r.id}),
            "text": said,
            "label": prediction.label,
            "probability": prediction.probability,
        }


class Chat:
    """A conversation with a model that remembers ``history`` past exchanges."""

    def __init__(self, predictor: Predictor, system: str | None, history: History) -> None:
        self._model = predictor.model
        self.system = predictor.system if system is None else system
        self._history = history
        self._past: list[tuple[Message, Message]] = []

    def context(self, said: str) -> tuple[Message, ...]:
        """What the model is given when the user says ``said``."""
        kept = (
            self._past if self._history == "all" else self._past[len(self._past) - self._history :]
        )
        turns = [message for exchange in kept for message in exchange]
        system = [Message("system", self.system)] if self.system else []
        return (*system, *turns, Message("user", said))

    def reply(self, said: str, max_new_tokens: int, **sampling: Any) -> Iterator[str]:
        """Stream the answer; remember the exchange once it is complete."""
        answer = ""
        for piece in self._model.stream(self.context(said), max_new_tokens, **sampling):
            answer += piece
            yield piece
        if self._history != 0:
            self._past.append((Message("user", said), Message("assistant", answer.strip())))
            if self._history != "all":
                self._past = self._past[-self._history :]
