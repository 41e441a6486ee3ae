"""Evidence of the output rules, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.doctor.evidence import Evaluated
from kunren.evaluation.score import judge
from kunren.records.predictions import Answer, Predicted
from kunren.types import Item, Message, Prediction

TOPICS = ("政治", "経済", "国際", "スポーツ")
EMOJI = ("😊", "📚", "🎵", "🇯🇵", "🎉", "🔥", "⚽", "🌍")


def one_label(
    gold: Sequence[str], said: Sequence[str], inputs: Sequence[str] = (), written: bool = False
) -> list[Evaluated]:
    """Answers of one label; ``written``: also as free generation."""
    found = []
    for n, (right, answer) in enumerate(zip(gold, said, strict=True)):
        hit = right == answer
        free = answer if written else None
        known = Answer(labels=(answer,), generated=free, correct=hit, score=float(hit))
        asked = inputs[n] if inputs else f"{n} 番目の見出し"
        found.append(evaluated(n, asked, right, (right,), known))
    return found


def label_sets(
    gold: Sequence[Sequence[str]], written: Sequence[str], labels: Sequence[str] = EMOJI
) -> list[Evaluated]:
    """Sets of labels, each letter by letter as a model wrote it; what is no label is invalid."""
    found = []
    for n, (right, answer) in enumerate(zip(gold, written, strict=True)):
        pieces = answer.split()
        said = tuple(dict.fromkeys(piece for piece in pieces if piece in labels))
        both = len(set(said) & set(right))
        score = both / len(set(said) | set(right))
        invalid = tuple(piece for piece in pieces if piece not in labels)
        known = Answer(said, None, answer, invalid, score == 1, score)
        found.append(evaluated(n, f"{n} 番目の投稿", "".join(right), tuple(right), known))
    return found


def free_texts(
    gold: Sequence[str], written: Sequence[str], asked: Sequence[str] = ()
) -> list[Evaluated]:
    """Free texts with their chrF."""
    inputs = asked or [f"質問その{n}" for n in range(len(gold))]
    items = [
        Item(str(n), str(n), (Message("user", inputs[n]),), right) for n, right in enumerate(gold)
    ]
    said = [Prediction(str(n), None, generated=answer) for n, answer in enumerate(written)]
    judged = judge("text", items, said, ())
    return [
        evaluated(
            n, item.text, item.answer, (),
            Answer(
                generated=written[n],
                correct=judged[item.id].correct,
                score=judged[item.id].score,
            ),
        )
        for n, item in enumerate(items)
    ]  # fmt: skip


def evaluated(
    n: int, asked: str, gold: str, gold_labels: tuple[str, ...], answer: Answer
) -> Evaluated:
    row = Predicted(f"t{n}", f"t{n}", asked, gold, gold_labels, {"tuned": answer})
    return Evaluated(row, answer)


def pair(b: str, difference: float, verdict: str, **more: Any) -> dict[str, Any]:
    half = 0.1
    found: dict[str, Any] = {
        "a": "tuned", "b": b, "metric": "accuracy", "difference": difference,
        "ci95": [difference - half, difference + half], "p": 0.04, "p_holm": 0.08,
        "test": "mcnemar-midp", "verdict": verdict,
    }  # fmt: skip
    return found | more


def metrics(
    values: Mapping[str, Mapping[str, float | None]],
    rows: int = 100,
    paired: Sequence[Mapping[str, Any]] = (),
    half: float = 0.05,
    **more: Any,
) -> dict[str, Any]:
    """``eval_metrics.json``: system → metric → value."""
    return {
        "rows": rows,
        "labels": list(TOPICS),
        "systems": {
            system: {
                name: {
                    "value": value,
                    "ci95": None if value is None else [value - half, value + half],
                    "n_scored": rows,
                }
                for name, value in scores.items()
            }
            for system, scores in values.items()
        },
        "paired": list(paired),
        **more,
    }
