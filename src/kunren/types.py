"""The frozen types that every stage passes on. Imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["system", "user", "assistant"]
"""Who speaks, in the words of the chat format that Hugging Face templates use."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


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
    experiment and stable between runs on the same file.
    """

    id: str
    messages: tuple[Message, ...]
    where: Where


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to predict: one assistant turn, with all that was said before it.

    A row with several assistant turns gives several items; they share ``row_id``, so that
    resampling can keep them together.
    """

    id: str
    row_id: str
    context: tuple[Message, ...]
    answer: str

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
    """

    row_id: str
    input_ids: tuple[int, ...]
    trained: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one system said to one item.

    Attributes:
        item_id: the item's ``id``.
        label: the predicted label from the closed set; None where the system has none.
        probability: the probability of ``label`` within the closed set, in [0, 1].
        probabilities: one probability a label, in the order of the label set; empty where the
            system gives none.
        generated: the free generation, stripped; None where none was asked for.
    """

    item_id: str
    label: str | None
    probability: float | None = None
    probabilities: tuple[float, ...] = field(default=(), repr=False)
    generated: str | None = None


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


Verdict = Literal["better", "worse", "indistinguishable"]


@dataclass(frozen=True, slots=True)
class Paired:
    """System ``a`` against system ``b`` on the same items. ``difference`` is a minus b."""

    a: str
    b: str
    metric: str
    difference: float
    ci95: tuple[float, float]
    p: float
    test: str
    verdict: Verdict
