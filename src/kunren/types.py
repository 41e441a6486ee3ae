"""The frozen types that every stage passes on. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]
"""Who speaks, in the words of the chat format that Hugging Face templates use. ``tool``: what a
program gave back to the assistant; it is read, and never asked for."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: who speaks.
        content: what is said.
        weight: of an assistant turn, how much the loss counts it. 0: it is read as what was said
            before, and is neither trained on nor predicted.
        reasoning: what the assistant thinks before it answers; empty where the data has none.
        calls: the tools that the assistant calls, as a JSON list in the form that chat templates
            take; empty where it calls none.
        name: of the tool, where the turn says it.
        unread: names of the turn's other fields that hold something; nothing reads them.
    """

    role: Role
    content: str
    weight: float = 1.0
    reasoning: str = ""
    calls: str = ""
    name: str = ""
    unread: tuple[str, ...] = ()

    @property
    def is_answer(self) -> bool:
        """Whether it is to be learnt and predicted."""
        return self.role == "assistant" and self.weight > 0


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a user's file, for error messages. ``line`` counts from 1; None means the file."""

    path: str
    line: int | None = None

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a data set: a conversation, whatever the file's format was.

    A flat row (text, label) is the conversation user → assistant. ``id`` is unique within the
    experiment and stable between runs on the same file. ``fields`` are a flat row's other columns,
    as text, by name: what a prompt template may refer to. ``group`` is the user, document or
    conversation that it is from: rows of a group are never divided between splits. ``chat``: the
    file gave it as a conversation, not as a text and its answer.
    """

    id: str
    messages: tuple[Message, ...]
    where: Where
    fields: Mapping[str, str] = field(default_factory=dict, hash=False)
    group: str | None = None
    chat: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to predict: one assistant turn, with all that was said before it.

    A row with several assistant turns gives several items; they share ``row_id``, so that
    resampling can keep them together.

    Attributes:
        answer: the gold answer as the model is to write it.
        labels: the gold labels that it means: one for ``classify``, the set in the answer's order
            for ``tag`` (which may be empty), none for ``answer``.
        weight: how much the loss counts it.
        thinks: whether reasoning stands before the gold answer, so that the model is let think.
    """

    id: str
    row_id: str
    context: tuple[Message, ...]
    answer: str
    labels: tuple[str, ...] = ()
    weight: float = 1.0
    thinks: bool = False

    @property
    def text(self) -> str:
        """The last user turn: what a person would call the input."""
        return next((m.content for m in reversed(self.context) if m.role == "user"), "")


@dataclass(frozen=True, slots=True)
class Example:
    """A row as a causal model reads it.

    Attributes:
        row_id: the row it was made from.
        input_ids: token ids, without padding.
        trained: for each token, whether the loss counts its prediction. True exactly on the tokens
            of each assistant answer and on the end-of-turn token after it.
        weights: for each token, how much its prediction counts; empty: all count 1.
    """

    row_id: str
    input_ids: tuple[int, ...]
    trained: tuple[bool, ...]
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class PairExample:
    """An item as an encoder-decoder reads it.

    Attributes:
        row_id: the row it was made from.
        input_ids: what the encoder reads, without padding.
        target_ids: what the decoder is to write, with the token that ends it; every one is trained.
        weight: how much each of its target tokens counts.
    """

    row_id: str
    input_ids: tuple[int, ...]
    target_ids: tuple[int, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class LabelExample:
    """An item as a model with a classification head reads it.

    Attributes:
        row_id: the row it was made from.
        input_ids: what the model reads, without padding.
        labels: indices of the gold labels in the head: one, or a set for a multi-label head. A
            label that the head does not know (in validation rows) is left out.
        counted: whether the loss counts the item. Not where no gold label is known; an empty set is
            counted by a multi-label head, as all of its labels are known to be absent.
        weight: how much the loss counts it.
    """

    row_id: str
    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    counted: bool = True
    weight: float = 1.0


AnyExample = Example | PairExample | LabelExample


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote.

    Attributes:
        text: without special tokens and outer white space.
        ended: whether it wrote the token that ends an answer; False: it was cut at the limit.
    """

    text: str
    ended: bool


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one system said to one item.

    Attributes:
        item_id: the item's ``id``.
        labels: the labels it chose from the closed set: one for ``classify``, the set, best first,
            for ``tag``; None where the system gives no labels, () where none of what it said is
            one.
        probability: the probability of the first of ``labels``, in [0, 1]; None where there is
            none, as in an empty set.
        probabilities: one probability a label, in the order of the label set; they sum to 1 for
            ``classify`` and stand each for itself for ``tag``. Empty where the system gives none.
        generated: the free generation, stripped; None where none was asked for.
        invalid: of a generated set, the pieces that are no label of the closed set, in their order.
        ended: whether the model ended ``generated`` itself; False: it was cut at the limit; None
            where that is not known, or nothing was generated.
    """

    item_id: str
    labels: tuple[str, ...] | None
    probability: float | None = None
    probabilities: tuple[float, ...] = field(default=(), repr=False)
    generated: str | None = None
    invalid: tuple[str, ...] = ()
    ended: bool | None = None

    @property
    def label(self) -> str | None:
        """The first label; None where there is none."""
        return self.labels[0] if self.labels else None


@dataclass(frozen=True, slots=True)
class Score:
    """One metric of one system, qualified.

    Attributes:
        value: the number, or None where it could not be computed (never 0.0 in its place).
        ci95: bootstrap 95 % interval (percentile), or None.
        n_scored: items that the value was computed from.
        n_unscored: items left out.
        signature: metric, version and settings, so that two numbers can be known as comparable.
        reason: why ``value`` is None, or why it has no interval.
    """

    value: float | None
    ci95: tuple[float, float] | None
    n_scored: int
    n_unscored: int
    signature: str
    reason: str | None = None


Verdict = Literal["better", "worse", "indistinguishable", "identical"]
"""Of two systems; "identical": they gave the same answers, so that there is nothing to tell."""


@dataclass(frozen=True, slots=True)
class Paired:
    """System ``a`` against system ``b`` on the same items.

    Attributes:
        a: a system.
        b: another.
        metric: by what they are compared.
        difference: a minus b.
        ci95: 95 % interval of the difference, simultaneous over all systems that are compared by
            the same metric (see ``statistics.agreeing``): it excludes 0 where, and only where, the
            verdict is "better" or "worse".
        p: of this comparison alone.
        test: the test that gave ``p``.
        verdict: at 5 % after Holm's correction, whichever way is better.
        p_holm: ``p`` corrected for how many systems are compared by the same metric.
        rows_needed: where the verdict is "indistinguishable", how many test rows it would take to
            tell a difference of this size at the level that so many comparisons leave (Bonferroni);
            None where there is none, or nothing to estimate from.
    """

    a: str
    b: str
    metric: str
    difference: float
    ci95: tuple[float, float]
    p: float
    test: str
    verdict: Verdict
    p_holm: float
    rows_needed: int | None = None
