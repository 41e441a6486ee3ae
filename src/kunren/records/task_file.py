"""What a model folder was trained to answer, beside its weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "kunren_task.json"


@dataclass(frozen=True, slots=True)
class TaskFile:
    """What was asked of the model.

    Attributes:
        labels: the closed set; empty for free text.
        system: the system prompt that all training rows began with, if any.
        threshold: from which probability a label belongs to a set; None where nothing is cut.
        empty: whether a set may be empty.
        thinks: whether it was trained to reason before it answers.
    """

    labels: Sequence[str]
    system: str | None
    threshold: float | None = None
    empty: bool = False
    thinks: bool = False


def write_task_file(folder: Path, content: TaskFile) -> None:
    """Write ``content`` into a model folder."""
    said = json.dumps(asdict(content), ensure_ascii=False, indent=2)
    (folder / NAME).write_text(said + "\n", encoding="utf-8")


def read_task_file(folder: Path) -> TaskFile:
    """Read it back."""
    content = json.loads((folder / NAME).read_text(encoding="utf-8"))
    return TaskFile(
        labels=tuple(content["labels"]),
        system=content["system"],
        threshold=content.get("threshold"),
        empty=content.get("empty", False),
        thinks=content.get("thinks", False),
    )
