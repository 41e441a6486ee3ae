"""Where models come from, how each family reads a row, and how a prediction is read off it.

``FAMILIES`` maps the config's ``model.family`` to a lazy "module:attribute".
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from kunren.config.schema import Decoding
from kunren.progress import Task
from kunren.types import AnyExample, Item, Message, Prediction, Row, Written

if TYPE_CHECKING:
    from kunren.models.load import Loaded

FAMILIES = {
    "causal": "kunren.models.causal:Causal",
    "seq2seq": "kunren.models.seq2seq:Seq2Seq",
    "encoder": "kunren.models.encoder:Encoder",
}

Weight = Callable[[Item], float]
"""How much the loss counts an item's answer."""


class Family(Protocol):
    """What every family can do. It knows items and labels, and nothing of tasks.

    ``predict`` chooses from a closed set of labels; ``generate`` and ``stream`` write.

    Attributes:
        name: its key in ``FAMILIES``.
        auto_class: the transformers class that loads its models.
        peft_task: PEFT's task type.
        instructed: whether a system prompt that names the labels helps it.
        generates: whether it writes text; where not, ``generate`` must not be called.
        loaded: the model and its tokenizer.
    """

    name: ClassVar[str]
    auto_class: ClassVar[str]
    peft_task: ClassVar[str]
    instructed: ClassVar[bool]
    generates: ClassVar[bool]

    @property
    def loaded(self) -> Loaded:
        """The model and its tokenizer."""

    @property
    def reasons(self) -> bool:
        """Whether it is trained on what is thought before an answer, where the data has that."""

    @property
    def pad_token(self) -> int:
        """A token to fill up with; it is never attended to and never in the loss."""

    def encode(
        self, rows: Sequence[Row], items: Sequence[Item], weight: Weight | None = None
    ) -> list[AnyExample]:
        """Prepared rows, and their items, as training examples: one a row or one an item.

        Args:
            rows: prepared rows.
            items: their items, in the same order.
            weight: of each item's answer; None: all count 1.
        """

    def prompts(self, items: Sequence[Item]) -> list[list[int]]:
        """Token ids of what is read before each item's answer."""

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each answer has, with the token that ends it."""

    def start_head(self, train: Sequence[Item]) -> None:
        """What is done to an untuned model before tuning begins; nothing where it has no head."""

    def predict(
        self, items: Sequence[Item], labels: Sequence[str], batch_size: int, task: Task
    ) -> list[Prediction]:
        """The most probable label for each item, with the probabilities of all.

        ``task`` advances by one an item.
        """

    def predict_untuned(
        self,
        train: Sequence[Item],
        items: Sequence[Item],
        labels: Sequence[str],
        batch_size: int,
        task: Task,
    ) -> list[Prediction]:
        """What can be had of the model before any tuning, for the same items.

        A model that answers by itself just answers; one whose classification head does not exist
        yet gets a logistic regression on its frozen embeddings of the training items.
        """

    def generate(
        self,
        items: Sequence[Item],
        max_new_tokens: int,
        batch_size: int,
        task: Task,
        decoding: Decoding | None = None,
    ) -> list[Written]:
        """Free answers, one an item; ``decoding`` None: greedy."""

    def stream(
        self, context: Sequence[Message], max_new_tokens: int, **sampling: Any
    ) -> Generator[str, None, bool]:
        """The answer to a conversation, piece by piece; returns whether the model ended it."""


def family_class(name: str) -> type[Family]:
    """The class of a family; importing it does not import torch."""
    module, _, attribute = FAMILIES[name].partition(":")
    return cast("type[Family]", getattr(import_module(module), attribute))


def make_family(name: str, loaded: Loaded) -> Family:
    """The family ``name`` around a loaded model."""
    made: Any = family_class(name)
    return cast("Family", made(loaded))
