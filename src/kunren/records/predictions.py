"""``predictions.jsonl``: what every system answered to every test item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kunren.records import files
from kunren.tasks import Answers
from kunren.types import Item, Prediction

NAME = "predictions.jsonl"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one system answered to one item.

    Attributes:
        labels: of the closed set; None where the system gives no labels.
        probability: of the first label.
        generated: the free generation.
        invalid: pieces of a generated set that are no label.
        ended: whether the model ended ``generated`` itself; False: it was cut at the limit; None:
            not known.
        correct: whether it is right (a set: all of it); None where it cannot be said.
        score: the item's value of the primary metric: 1 or 0, Jaccard, or chrF; None likewise.
    """

    labels: tuple[str, ...] | None = None
    probability: float | None = None
    generated: str | None = None
    invalid: tuple[str, ...] = ()
    correct: bool | None = None
    score: float | None = None
    ended: bool | None = None

    @property
    def label(self) -> str | None:
        """The first label; None where there is none."""
        return self.labels[0] if self.labels else None


@dataclass(frozen=True, slots=True)
class Predicted:
    """One line: a test item and every system's answer to it."""

    id: str
    row_id: str
    text: str
    gold: str
    gold_labels: tuple[str, ...]
    systems: Mapping[str, Answer]


def predicted(
    items: Sequence[Item],
    predictions: Mapping[str, Sequence[Prediction]],
    answers: Answers,
    labels: Sequence[str],
) -> list[Predicted]:
    """Put the items and the predictions of all systems side by side, in the items' order.

    Args:
        items: the test items.
        predictions: system → its predictions.
        answers: what an answer is.
        labels: the closed set; empty for free text.
    """
    by_id = {system: _judged(items, said, answers, labels) for system, said in predictions.items()}
    return [
        Predicted(
            id=item.id,
            row_id=item.row_id,
            text=item.text,
            gold=item.answer,
            gold_labels=item.labels,
            systems={s: said[item.id] for s, said in by_id.items() if item.id in said},
        )
        for item in items
    ]


def _judged(
    items: Sequence[Item], said: Sequence[Prediction], answers: Answers, labels: Sequence[str]
) -> dict[str, Answer]:
    # Only who records answers needs all the metrics, which take a second to import.
    from kunren.evaluation.score import judge

    judged = judge(answers, items, said, labels)
    return {
        p.item_id: Answer(
            labels=p.labels,
            probability=p.probability,
            generated=p.generated,
            invalid=p.invalid,
            correct=judged[p.item_id].correct,
            score=judged[p.item_id].score,
            ended=p.ended,
        )
        for p in said
    }


def write_predictions(path: Path, rows: Sequence[Predicted]) -> None:
    """Write ``predictions.jsonl``."""
    files.write_jsonl(path, (as_json(row) for row in rows))


def as_json(row: Predicted) -> dict[str, Any]:
    """One row as plain JSON; ``ended`` where it is known."""
    said = {system: {"label": a.label} | asdict(a) for system, a in row.systems.items()}
    for one in said.values():
        if one["ended"] is None:
            del one["ended"]
    return asdict(row) | {"systems": said}


def read_predictions(path: Path) -> list[Predicted]:
    """Read ``predictions.jsonl``, also one of before there were sets and texts."""
    return [from_json(row) for row in files.read_jsonl(path)]


def from_json(row: Mapping[str, Any]) -> Predicted:
    """One row from plain JSON, also of before there were sets and texts."""
    return Predicted(
        id=row["id"],
        row_id=row["row_id"],
        text=row["text"],
        gold=row["gold"],
        gold_labels=tuple(row.get("gold_labels", (row["gold"],))),
        systems={system: _answer(said) for system, said in row["systems"].items()},
    )


def _answer(said: Mapping[str, Any]) -> Answer:
    correct = said["correct"]
    return Answer(
        labels=_labels(said),
        probability=said["probability"],
        generated=said["generated"],
        invalid=tuple(said.get("invalid", ())),
        correct=correct,
        score=said.get("score", None if correct is None else float(correct)),
        ended=said.get("ended"),
    )


def _labels(said: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The labels of an answer; an older one has a single ``label``, None where it had none."""
    if "labels" in said:
        return None if said["labels"] is None else tuple(said["labels"])
    return None if said["label"] is None else (said["label"],)


def dump(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Predictions as JSON, for ``Run.store``."""
    return [asdict(prediction) for prediction in predictions]


def load(stored: Sequence[Mapping[str, Any]]) -> list[Prediction]:
    """Predictions from JSON, for ``Run.cached``, also of before there were sets and texts."""
    return [
        Prediction(
            item_id=row["item_id"],
            labels=_labels(row),
            probability=row["probability"],
            probabilities=tuple(row["probabilities"]),
            generated=row["generated"],
            invalid=tuple(row.get("invalid", ())),
            ended=row.get("ended"),
        )
        for row in stored
    ]
