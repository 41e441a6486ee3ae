"""What a model folder was trained to answer, beside its weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "kunren_task.json"


@dataclass(frozen=True, slots=True)
class TaskFile:
    """The closed set of labels, and the system prompt that training rows began with, if any."""

    labels: Sequence[str]
    system: str | None


def write_task_file(folder: Path, content: TaskFile) -> None:
    """Write ``content`` into a model folder."""
    said = json.dumps(asdict(content), ensure_ascii=False, indent=2)
    (folder / NAME).write_text(said + "\n", encoding="utf-8")


def read_task_file(folder: Path) -> TaskFile:
    """Read it back."""
    content = json.loads((folder / NAME).read_text(encoding="utf-8"))
    return TaskFile(tuple(content["labels"]), content["system"])
