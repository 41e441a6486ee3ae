"""Tasks: what is asked, what counts as an answer, which metrics apply.

``TASKS`` maps the config's ``task.kind`` to a lazy "module:attribute".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar, Literal, Protocol, cast

from kunren.config.schema import TaskConfig
from kunren.errors import Problem
from kunren.tasks.filters import Filtered
from kunren.types import Item, Row

TASKS = {
    "classify": "kunren.tasks.classify:Classify",
    "tag": "kunren.tasks.tag:Tag",
    "answer": "kunren.tasks.answer:Answer",
}

Answers = Literal["label", "set", "text"]
"""What an answer is: one label of a closed set, a set of them, or free text."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A generated answer as labels.

    Attributes:
        labels: those of the closed set, in the order they were written, each once.
        invalid: the other pieces.
    """

    labels: tuple[str, ...]
    invalid: tuple[str, ...] = ()


class Task(Protocol):
    """What every task can do. It knows rows and answers, and nothing of models."""

    answers: ClassVar[Answers]

    def __init__(self, config: TaskConfig) -> None:
        """A task is made from its section of the config alone."""

    def problems(self, rows: Sequence[Row]) -> list[Problem]:
        """What is wrong with rows as they were read, for this task."""

    def filter(self, rows: Sequence[Row], by: Sequence[Row] | None = None) -> Filtered:
        """Raw rows without those that the config's label filters take out, and what was taken.

        Args:
            rows: what to filter.
            by: whose labels are counted; None: of ``rows``. The training file, where validation or
                test rows have a file of their own.
        """

    def prepare(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Rows as the model is to see them. Once only: a template is not applied twice."""

    def items(self, rows: Sequence[Row]) -> list[Item]:
        """What there is to predict in prepared rows, in their order."""

    def labels(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """The closed set of labels, from prepared training rows; empty where it is open."""

    def levels(self, label: str) -> tuple[str, ...]:
        """A label's path from the top: ``国際``, ``国際/政治``; itself alone without hierarchy."""

    def parse(self, generated: str, labels: Sequence[str]) -> Parsed:
        """The labels that a free generation means."""

    def default_system(self, labels: Sequence[str]) -> str:
        """The system prompt for rows that have none, where the config does not set one."""

    def stratum(self, row: Row) -> str:
        """By what a split should be balanced; the same for raw and prepared rows."""


def make_task(config: TaskConfig) -> Task:
    """The task that a config asks for."""
    module, _, attribute = TASKS[config.kind].partition(":")
    return cast("type[Task]", getattr(import_module(module), attribute))(config)
