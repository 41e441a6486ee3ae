"""``predictions.jsonl``: what every system answered to every test item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kunren.evaluation.labels import answer_key
from kunren.records import files
from kunren.types import Item, Prediction

NAME = "predictions.jsonl"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one system answered to one item.

    Attributes:
        label: of the closed set.
        probability: of that label.
        generated: the free generation.
        correct: whether ``label`` is the gold label; None where there is no label.
    """

    label: str | None
    probability: float | None
    generated: str | None
    correct: bool | None


@dataclass(frozen=True, slots=True)
class Predicted:
    """One line: a test item and every system's answer to it."""

    id: str
    row_id: str
    text: str
    gold: str
    systems: Mapping[str, Answer]


def predicted(
    items: Sequence[Item], predictions: Mapping[str, Sequence[Prediction]]
) -> list[Predicted]:
    """Put the items and the predictions of all systems side by side, in the items' order."""
    by_id = {system: {p.item_id: p for p in said} for system, said in predictions.items()}
    return [
        Predicted(
            id=item.id,
            row_id=item.row_id,
            text=item.text,
            gold=item.answer,
            systems={
                system: _answer(said[item.id], item.answer)
                for system, said in by_id.items()
                if item.id in said
            },
        )
        for item in items
    ]


def _answer(prediction: Prediction, gold: str) -> Answer:
    label = prediction.label
    correct = None if label is None else answer_key(label) == answer_key(gold)
    return Answer(label, prediction.probability, prediction.generated, correct)


def write_predictions(path: Path, rows: Sequence[Predicted]) -> None:
    """Write ``predictions.jsonl``."""
    files.write_jsonl(path, (asdict(row) for row in rows))


def read_predictions(path: Path) -> list[Predicted]:
    """Read ``predictions.jsonl``."""
    return [
        Predicted(
            id=row["id"],
            row_id=row["row_id"],
            text=row["text"],
            gold=row["gold"],
            systems={system: Answer(**said) for system, said in row["systems"].items()},
        )
        for row in files.read_jsonl(path)
    ]


def dump(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Predictions as JSON, for ``Run.store``."""
    return [asdict(prediction) for prediction in predictions]


def load(stored: Sequence[Mapping[str, Any]]) -> list[Prediction]:
    """Predictions from JSON, for ``Run.cached``."""
    return [Prediction(**{**row, "probabilities": tuple(row["probabilities"])}) for row in stored]
