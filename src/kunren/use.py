"""A finished run in use: predicting and chatting, from the run folder alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from kunren.config.schema import Config, Decoding
from kunren.data.formats import Form
from kunren.data.inputs import BadLine, Input, Inputs, read_inputs
from kunren.data.records import Manner
from kunren.errors import InputError, Problem
from kunren.experiment import open_finished
from kunren.models import Family, family_class, make_family
from kunren.models.answering import Options, answer, writes
from kunren.models.quiet import quiet
from kunren.progress import Progress, Silent
from kunren.ready import LEAST_TOKENS, readable, token_limit
from kunren.records.task_file import read_task_file
from kunren.tasks import Answers, Task, make_task, truncation
from kunren.tasks.prompting import columns
from kunren.tasks.templates import render
from kunren.textfile import shown
from kunren.types import Item, Message, Prediction, Row, Where
from kunren.userfile import bounded, contents

_CHAT_TOKENS = 256

Drawn = Callable[[Sequence[Message]], Sequence[tuple[str, int]]]
"""From a conversation to answers that were drawn, and how often each came."""

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
    decoding: Decoding | None = None
    """How it writes; None: as the config's ``evaluate.decoding`` says."""

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

    def fitting(self, one: Input) -> Input:
        """What is asked, cut as the training rows were (``train.truncate``) where it is too long.

        Raises:
            InputError: the template names a field that it has not.
        """
        where = self.config.train.truncate
        if where is None:
            return one
        limit = token_limit(self.config, self.model)
        room = self.longest_answer if self.model.name == "causal" else 0
        used = columns(self.config.task)

        def tokens(rows: Sequence[Row]) -> list[int]:
            asked = [self.context(r.messages, r.fields, chat=r.chat) for r in rows]
            prompts = self.model.prompts(self.items(asked))
            return [len(prompt) + room for prompt in prompts]

        row = Row("0", one.messages, Where("-"), one.fields, chat=one.chat)
        with quiet():
            made = truncation.cuts([row], limit, tokens, where, used).get(row.id)
        if made is None:
            return one
        row = truncation.shortened(row, made.most, where, used)
        return replace(one, messages=row.messages, fields=row.fields)

    def predict(
        self, contexts: Sequence[Sequence[Message]], batch_size: int = 16
    ) -> list[Prediction]:
        """Labels with their probabilities, or text, for each conversation.

        Args:
            contexts: from ``context``.
            batch_size: conversations at a time.
        """
        return self._answered(contexts, batch_size, self.longest_answer)

    def answers(
        self, contexts: Sequence[Sequence[Message]], batch_size: int = 16
    ) -> list[Prediction | Problem]:
        """As ``predict``, each conversation by itself: what cannot be answered, gives the reason.

        A prompt leaves room for the longest label, or for some words of an answer; one that leaves
        less than the longest answer may take is answered as far as there is room.
        """
        found: dict[int, Prediction | Problem] = {}
        rooms: dict[int, list[int]] = {}
        for number, size in enumerate(self._sizes(contexts)):
            room = size if isinstance(size, Problem) else self._room(size)
            if isinstance(room, Problem):
                found[number] = room
            else:
                rooms.setdefault(room, []).append(number)
        for room, numbers in rooms.items():
            asked = [contexts[number] for number in numbers]
            said = self._answered(asked, batch_size, room)
            found |= dict(zip(numbers, said, strict=True))
        return [found[number] for number in range(len(contexts))]

    def asked(self, said: str) -> str:
        """A text as the user turn of a training row: with the task's template around it.

        Raises:
            InputError: the template names columns, which a text alone has not.
        """
        return render(self.config.task.template, said, {}, self.labels)

    @property
    def longest_answer(self) -> int:
        """How many tokens an answer may have."""
        return self.config.evaluate.max_new_tokens or _CHAT_TOKENS

    def _answered(
        self, contexts: Sequence[Sequence[Message]], batch_size: int, written: int
    ) -> list[Prediction]:
        cut = 0.5 if self.threshold is None else self.threshold
        decoding = self.decoding or self.config.evaluate.decoding
        options = Options(batch_size, written, decoding, threshold=cut, empty=self.empty)
        with Silent().stage("", None) as bar:
            return answer(self.model, self.task, self.items(contexts), self.labels, options, bar)

    def _sizes(self, contexts: Sequence[Sequence[Message]]) -> list[int | Problem]:
        """How many tokens each conversation has as a prompt."""
        try:
            with quiet():  # it is told here that a text is too long for the model
                return [len(prompt) for prompt in self.model.prompts(self.items(contexts))]
        except InputError as error:  # of a chat template, which does not say for which
            if len(contexts) < 2:
                return [error.problems[0]]
            return [size for context in contexts for size in self._sizes([context])]

    def _room(self, size: int) -> int | Problem:
        """How many tokens may be written after a prompt of ``size`` tokens."""
        wanted, limit = self.longest_answer, readable(self.model)
        if limit is None:
            return wanted
        # Of other families the answer is no part of what is read.
        joined = self.model.name == "causal"
        least = min(LEAST_TOKENS, wanted) if self._writes else self._longest_label
        needed = least if joined else 0
        if size + needed > limit:
            fields: dict[str, object] = {"tokens": size, "limit": limit - needed}
            return Problem("cli.predict-too-long", fields=fields)
        return min(wanted, limit - size) if joined and self._writes else wanted

    def items(self, contexts: Sequence[Sequence[Message]]) -> list[Item]:
        """What is asked in each conversation."""
        return [
            Item(str(n), str(n), tuple(turns), "", thinks=self.thinks)
            for n, turns in enumerate(contexts)
        ]

    @property
    def _writes(self) -> bool:
        return writes(self.model, self.task.answers)

    @cached_property
    def _longest_label(self) -> int:
        return max(self.model.tokens(self.labels), default=0)


def see_that_it_can_choose(config: Config) -> None:
    """See that there is a set of labels to choose from.

    Raises:
        InputError: the task is free text.
    """
    if make_task(config.task).answers == "text":
        raise InputError(Problem("cli.constrained-without-labels"))


def read_questions(
    config: Config, file: Path | None, field: str | None, form: Form | None
) -> Inputs:
    """What a file asks of a run's model.

    Args:
        config: the run's.
        file: None: standard input.
        field: of the text, where it is not the config's.
        form: what the file is, where the user says so.

    Raises:
        InputError: there is no such file, or nothing in it can be read.
    """
    fields = config.data.fields
    if field is not None:
        fields = fields.model_copy(update={"text": field})
    name = "-" if file is None else shown(file)
    data = bounded(sys.stdin.buffer, Where(name)) if file is None else contents(file, area="cli")
    if isinstance(data, Problem):
        raise InputError(data)
    templated, threshold = columns(config.task), config.task.labels.threshold
    strip = config.data.strip_marks
    manner = Manner(fields, templated, threshold, answered=False, strip_marks=strip)
    return read_inputs(data, name, manner, form)


def predict_stream(
    predictor: Predictor,
    asked: Sequence[Input | BadLine],
    batch_size: int,
    drawn: Drawn | None = None,
) -> Iterator[dict[str, object]]:
    """Results in the order of the input, each a JSON object, some batches at a time.

    Args:
        predictor: the model.
        asked: what a file asks.
        batch_size: conversations at a time.
        drawn: adds ``"samples"``, ``{"answer", "count"}`` each, to every result.

    Yields:
        ``{"line", "id"?, "text", "label", "probability"}``, for sets ``"labels"`` in place of
        ``"label"``, for free text ``"answer"`` and ``"ended"``
        (false: it was cut at the limit); with ``"truncated": true`` where only a part of the text
        was read; for what cannot be answered ``{"line",
        "id"?, "error", "code"}``: why, in the user's language, and the name of the reason.
    """
    step = 4 * batch_size
    for start in range(0, len(asked), step):
        yield from _results(predictor, asked[start : start + step], batch_size, drawn)


def _results(
    predictor: Predictor,
    asked: Sequence[Input | BadLine],
    batch_size: int,
    drawn: Drawn | None,
) -> Iterator[dict[str, object]]:
    contexts: dict[int, tuple[Message, ...]] = {}
    questions: dict[int, str] = {}
    found: dict[int, Prediction | Problem] = {}
    cut: set[int] = set()
    for number, one in enumerate(asked):
        if isinstance(one, BadLine):
            found[number] = one.problem
            continue
        try:
            read = predictor.fitting(one)
            contexts[number] = predictor.context(read.messages, read.fields, chat=read.chat)
            if read is not one:
                cut.add(number)
            questions[number] = _question(one.messages)
        except InputError as error:
            found[number] = error.problems[0]
    said = predictor.answers(list(contexts.values()), batch_size)
    found |= dict(zip(contexts, said, strict=True))
    for number, one in enumerate(asked):
        place: dict[str, object] = {"line": one.line}
        place |= {} if one.id is None else {"id": one.id}
        result = found[number]
        if isinstance(result, Problem):
            yield {**place, "error": str(result), "code": result.code}
        else:
            told = {**place, "text": questions[number], **_told(predictor.task.answers, result)}
            if number in cut:
                told["truncated"] = True
            if drawn is not None:
                counts = drawn(contexts[number])
                told["samples"] = [{"answer": said, "count": times} for said, times in counts]
            yield told


def _question(messages: Sequence[Message]) -> str:
    """The last user turn."""
    return next((m.content for m in reversed(messages) if m.role == "user"), "")


def _told(answers: Answers, prediction: Prediction) -> dict[str, object]:
    match answers:
        case "label":
            return {"label": prediction.label, "probability": prediction.probability}
        case "set":
            return {"labels": list(prediction.labels or ()), "probability": prediction.probability}
        case "text":
            return {"answer": prediction.generated, "ended": prediction.ended}


class Chat:
    """A conversation with a model that remembers ``history`` past exchanges."""

    def __init__(
        self,
        predictor: Predictor,
        system: str | None,
        history: History,
        *,
        asked: Callable[[str], str] = str,
        constrained: bool = False,
    ) -> None:
        """A conversation that begins.

        Args:
            predictor: the model.
            system: the system prompt; None: that of training.
            history: how many past exchanges are remembered.
            asked: what becomes of what a user says: ``Predictor.asked`` puts the template around.
            constrained: answer with labels of the closed set, not with free text.
        """
        self._asked = asked
        self._constrained = constrained
        self._predictor = predictor
        self.system = predictor.system if system is None else system
        self._history = history
        self._past: list[tuple[Message, Message]] = []
        self.ended: bool | None = None
        """Whether the model ended its last answer; False: it was cut at the limit; None: not
        known yet."""

    def context(self, said: str) -> tuple[Message, ...]:
        """What the model is given when the user says ``said``."""
        kept = (
            self._past if self._history == "all" else self._past[len(self._past) - self._history :]
        )
        turns = [
            message
            for asked, answered in kept
            for message in (Message("user", self._asked(asked.content)), answered)
        ]
        system = [Message("system", self.system)] if self.system else []
        return (*system, *turns, Message("user", self._asked(said)))

    def reply(self, said: str, max_new_tokens: int, **sampling: Any) -> Iterator[str]:
        """Stream the answer; remember the exchange once it is complete.

        A model with a classification head answers with its labels.
        """
        whole = ""
        self.ended = None
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
        if model.generates and not self._constrained:
            self.ended = yield from model.stream(context, max_new_tokens, **sampling)
        else:
            yield " ".join(self._predictor.predict([context])[0].labels or ())
            self.ended = True
