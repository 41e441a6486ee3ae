"""A finished run in use: predicting and chatting, from the run folder alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from kunren.config.schema import Config
from kunren.data.inputs import BadLine, Input, InputFormat, read_inputs
from kunren.errors import InputError, Problem
from kunren.experiment import open_finished
from kunren.models import Family, family_class, make_family
from kunren.models.answering import Options, answer
from kunren.progress import Progress, Silent
from kunren.records.task_file import read_task_file
from kunren.tasks import Answers, Task, make_task
from kunren.tasks.templates import render
from kunren.types import Item, Message, Prediction, Where

_CHAT_TOKENS = 256

History = int | Literal["all"]
"""How many past exchanges a chat keeps; 0: every input is a new conversation."""


@dataclass(frozen=True)
class Predictor:
    """The tuned or the untuned model of a run, with what it was trained to answer."""

    config: Config
    task: Task
    model: Family
    labels: tuple[str, ...]
    system: str | None
    threshold: float | None
    empty: bool = False
    thinks: bool = False

    @classmethod
    def open(
        cls, folder: Path, *, base: bool = False, progress: Progress | None = None
    ) -> Predictor:
        """Load a run's model.

        Raises:
            InputError: not a run folder, the run has no model yet, or its untuned model has no
                answers to give.
        """
        from kunren.models.adapter import load_saved

        run, config = open_finished(folder)
        family = config.model.family or "causal"
        if base and not family_class(family).generates:
            raise InputError(Problem("cli.base-without-head", Where(str(folder))))
        asked = read_task_file(run.path / "model")
        loaded = load_saved(
            run.path / "model",
            base=base,
            precision=config.train.precision,
            progress=progress or Silent(),
        )
        model = make_family(family, loaded)
        labels = tuple(asked.labels)
        return cls(
            config=config,
            task=make_task(config.task),
            model=model,
            labels=labels,
            system=asked.system,
            threshold=asked.threshold,
            empty=asked.empty,
            thinks=asked.thinks,
        )

    def context(
        self,
        messages: Sequence[Message],
        fields: Mapping[str, str] | None = None,
        *,
        chat: bool = True,
    ) -> tuple[Message, ...]:
        """A conversation as the training rows were: with the system prompt and the template.

        Args:
            messages: the conversation, up to what is to be answered.
            fields: the columns that the template may name.
            chat: whether it was given as a conversation: beside a flat text, a system prompt was a
                column, and the text has its template all the same.

        Raises:
            InputError: the template names a field that is not among ``fields``.
        """
        turns = tuple(messages)
        head = turns[:1] if turns[0].role == "system" and not chat else ()
        if [turn.role for turn in turns[len(head) :]] == ["user"]:
            said = turns[-1].content
            asked = render(self.config.task.template, said, fields or {}, self.labels)
            turns = (*head, Message("user", asked))
        if self.system and turns[0].role != "system":
            turns = (Message("system", self.system), *turns)
        return turns

    def predict(
        self, contexts: Sequence[Sequence[Message]], batch_size: int = 16
    ) -> list[Prediction]:
        """Labels with their probabilities, or text, for each conversation.

        Args:
            contexts: from ``context``.
            batch_size: conversations at a time.
        """
        items = [
            Item(str(n), str(n), tuple(turns), "", thinks=self.thinks)
            for n, turns in enumerate(contexts)
        ]
        written = self.config.evaluate.max_new_tokens or _CHAT_TOKENS
        cut = 0.5 if self.threshold is None else self.threshold
        decoding = self.config.evaluate.decoding
        options = Options(batch_size, written, decoding, threshold=cut, empty=self.empty)
        with Silent().stage("", None) as bar:
            return answer(self.model, self.task, items, self.labels, options, bar)


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
        ``{"line", "id"?, "text", "label", "probability"}``, for sets ``"labels"`` in place of
        ``"label"``, for free text ``"answer"`` alone; or ``{"line", "error"}``.
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
    asked: list[tuple[Input, tuple[Message, ...]] | BadLine] = []
    for one in read:
        if isinstance(one, BadLine):
            asked.append(one)
            continue
        try:
            asked.append((one, predictor.context(one.messages, one.fields)))
        except InputError as error:
            asked.append(BadLine(one.line, error.problems[0]))
    contexts = [one[1] for one in asked if isinstance(one, tuple)]
    predictions = iter(predictor.predict(contexts, batch_size))
    for said_or_bad in asked:
        if isinstance(said_or_bad, BadLine):
            yield {"line": said_or_bad.line, "error": str(said_or_bad.problem)}
            continue
        given = said_or_bad[0]
        said = next((m.content for m in reversed(given.messages) if m.role == "user"), "")
        yield {
            "line": given.line,
            **({} if given.id is None else {"id": given.id}),
            "text": said,
            **_told(predictor.task.answers, next(predictions)),
        }


def _told(answers: Answers, prediction: Prediction) -> dict[str, object]:
    match answers:
        case "label":
            return {"label": prediction.label, "probability": prediction.probability}
        case "set":
            return {"labels": list(prediction.labels or ()), "probability": prediction.probability}
        case "text":
            return {"answer": prediction.generated}


class Chat:
    """A conversation with a model that remembers ``history`` past exchanges."""

    def __init__(self, predictor: Predictor, system: str | None, history: History) -> None:
        self._predictor = predictor
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
        """Stream the answer; remember the exchange once it is complete.

        A model with a classification head answers with its labels.
        """
        whole = ""
        for piece in self._pieces(self.context(said), max_new_tokens, **sampling):
            whole += piece
            yield piece
        if self._history != 0:
            self._past.append((Message("user", said), Message("assistant", whole.strip())))
            if self._history != "all":
                self._past = self._past[-self._history :]

    def _pieces(
        self, context: Sequence[Message], max_new_tokens: int, **sampling: Any
    ) -> Iterator[str]:
        model = self._predictor.model
        if model.generates:
            return model.stream(context, max_new_tokens, **sampling)
        labels = self._predictor.predict([context])[0].labels or ()
        return iter([" ".join(labels)])
