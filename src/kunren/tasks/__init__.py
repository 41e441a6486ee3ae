"""Tasks: what is asked, what counts as an answer, which metrics apply.

``TASKS`` maps the config's ``task.kind`` to a lazy "module:attribute".
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from kunren.config.schema import TaskConfig
from kunren.errors import Problem
from kunren.types import Item, Row

TASKS = {"classify": "kunren.tasks.classify:Classify"}


class Task(Protocol):
    """What every task can do. It knows rows and answers, and nothing of models."""

    def __init__(self, config: TaskConfig) -> None:
        """A task is made from its section of the config alone."""

    def problems(self, rows: Sequence[Row]) -> list[Problem]:
        """What is wrong with rows as they were read, for this task."""

    def prepare(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Rows as the model is to see them. Once only: a template is not applied twice."""

    def items(self, rows: Sequence[Row]) -> list[Item]:
        """What there is to predict in prepared rows, in their order."""

    def labels(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """The closed set of answers, from prepared training rows; empty where it is open."""

    def parse(self, generated: str, labels: Sequence[str]) -> str | None:
        """The label that a free generation means; None: none of them."""

    def default_system(self, labels: Sequence[str]) -> str:
        """The system prompt for rows that have none, where the config does not set one."""

    def stratum(self, row: Row) -> str:
        """By what a split should be balanced; the same for raw and prepared rows."""


def make_task(config: TaskConfig) -> Task:
    """The task that a config asks for."""
    module, _, attribute = TASKS[config.kind].partition(":")
    return cast("type[Task]", getattr(import_module(module), attribute))(config)
