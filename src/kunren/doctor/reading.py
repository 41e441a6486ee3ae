"""How a model is going to read the rows: what is known of it before any weight is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kunren.types import AnyExample, Example, LabelExample, PairExample

Examples = Mapping[str, Sequence[AnyExample]]
"""Rows as token sequences: split → examples."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A tokenizer beside the embeddings of its model.

    Attributes:
        tokens: one more than the highest id that the tokenizer gives, without tokens that the
            config adds (these get rows of their own).
        rows: how many embeddings the model has.
        needed: tokens without an embedding that will be used: special tokens, tokens of the chat
            template, and those that occur in the rows.
    """

    tokens: int
    rows: int
    needed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ends:
    """The tokens that end an answer and fill up a batch.

    Attributes:
        ids: ids that may end an answer.
        names: the same as written.
        pad: the id that fills up; None: the tokenizer names none.
        eos: the tokenizer's end of sequence; None: it names none.
        zero: those of ``ids`` whose embedding is all zeros; empty also where no weights are read.
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    pad: int | None
    eos: int | None
    zero: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """The labels of one collated batch.

    Attributes:
        labels: for each row the labels as the loss sees them; -100 is not counted.
        lengths: for each row how many of them belong to the row; what follows is padding.
    """

    labels: Sequence[Sequence[int]]
    lengths: Sequence[int]


@dataclass(frozen=True, slots=True)
class Template:
    """A causal model's chat template.

    Attributes:
        given: name of the one that kunren gave it; None: it had its own.
        trained: how a prompt ends in training, as text.
        asked: how one ends where a program asks the template for a generation prompt.
    """

    given: str | None
    trained: str
    asked: str


@dataclass(frozen=True, slots=True)
class TurnReading:
    """Which parts of a conversation a model is given, beside what is said.

    Attributes:
        reasoning: whether it is trained on what is thought before an answer.
        tools: whether it reads calls of tools and what they gave back.
        system: whether it reads a system prompt.
    """

    reasoning: bool
    tools: bool
    system: bool


@dataclass(frozen=True, slots=True)
class Steps:
    """How training is cut into steps.

    Attributes:
        per_epoch: optimiser steps an epoch.
        total: in all epochs.
        warmup: steps of rising learning rate.
    """

    per_epoch: int
    total: int
    warmup: int


@dataclass(frozen=True, slots=True)
class Weights:
    """How many numbers a model has.

    Attributes:
        total: all.
        embeddings: those of the token embeddings and an output layer of their size.
        moving: those that training moves; None: not known before the model is loaded (LoRA).
        pretrained: whether they are more than random numbers.
    """

    total: int
    embeddings: int
    moving: int | None
    pretrained: bool = True


@dataclass(frozen=True, slots=True)
class Saved:
    """A model or adapter that another tool saved, as its files tell.

    Attributes:
        adapter: PEFT's own description; None: it is a whole model.
        base: what the adapter was trained on.
        rows: embeddings of the model, of an adapter those of the model below; None: not known.
        tables: embeddings that an adapter's weights hold whole: name → rows; None: not known.
        moved: whether the weights of an adapter say that its embeddings were trained.
        tokens: one more than the highest id of the tokenizer; None: not known.
        needed: tokens without an embedding that will be used.
        new: tokens that the model below does not have; None: it cannot be said.
        ends: None: it writes nothing, or the tokenizer does not tell.
        template: whether a causal model's tokenizer has a chat template; None: it is no such model.
    """

    adapter: Mapping[str, Any] | None = None
    base: str = ""
    rows: int | None = None
    tables: Mapping[str, int] | None = None
    moved: bool = False
    tokens: int | None = None
    needed: tuple[str, ...] = ()
    new: tuple[str, ...] | None = None
    ends: Ends | None = None
    template: bool | None = None

    @property
    def trains_rows(self) -> bool:
        """Whether an adapter's training moved embeddings."""
        said = self.adapter or {}
        whole = any("embed" in n or n == "shared" for n in said.get("modules_to_save") or ())
        return self.moved or whole or bool(said.get("trainable_token_indices"))


def length(example: AnyExample) -> int:
    """How many tokens of the model's length an example takes."""
    written = len(example.target_ids) if isinstance(example, PairExample) else 0
    return max(len(example.input_ids), written)


def counted(example: AnyExample) -> int:
    """How many of an example's tokens, or labels, the loss counts."""
    match example:
        case Example():
            return sum(example.trained)
        case PairExample():
            return len(example.target_ids)
        case LabelExample():
            # An empty set is counted: all of its labels are known to be absent.
            return max(1, len(example.labels)) if example.counted else 0


def last_trained(example: AnyExample) -> int | None:
    """The last token that the loss counts; None where none is, or nothing is written."""
    match example:
        case Example():
            trained = [i for i, yes in zip(example.input_ids, example.trained, strict=True) if yes]
            return trained[-1] if trained else None
        case PairExample():
            return example.target_ids[-1] if example.target_ids else None
        case LabelExample():
            return None
