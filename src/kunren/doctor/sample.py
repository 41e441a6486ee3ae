"""Answers that seed 000's folder keeps: ``predictions_sample.jsonl``, sets of emoji."""

from __future__ import annotations

from pathlib import Path

from kunren.data.emoji import split_emoji
from kunren.doctor.evidence import Evaluated
from kunren.errors import InputError, Problem
from kunren.records import files
from kunren.records.predictions import Answer, Predicted
from kunren.types import Where

NAME = "predictions_sample.jsonl"


def read(folder: Path) -> list[Evaluated]:
    """The rows with their answers; none where the file is not there.

    Raises:
        InputError: it is broken.
    """
    path = folder / NAME
    if not path.is_file():
        return []
    try:
        lines = files.read_jsonl(path)
        return [
            _evaluated(f"{NAME}:{number}", line["text"], line["gold"], line["pred"])
            for number, line in enumerate(lines, start=1)
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            Problem("record.broken-file", Where(str(path)), {"detail": detail})
        ) from None


def _evaluated(name: str, text: str, gold: str, said: str) -> Evaluated:
    right, given = (tuple(dict.fromkeys(split_emoji(each))) for each in (gold, said))
    answer = Answer(labels=given, generated=said, correct=set(right) == set(given))
    row = Predicted(
        id=name, row_id=name, text=text, gold=gold, gold_labels=right, systems={"tuned": answer}
    )
    return Evaluated(row, answer)
