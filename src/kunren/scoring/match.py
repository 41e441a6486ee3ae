"""Which prediction of a file belongs to which gold item: by id, or by order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kunren.data.answers import AnswerFile, Given
from kunren.data.normalize import normalize
from kunren.data.records import LIST_SEPARATOR
from kunren.errors import Problem
from kunren.textfile import excerpt
from kunren.types import Item, Where

_BETWEEN = re.compile(rf"[{LIST_SEPARATOR};；|｜、,，/\s]+")
"""What may stand between labels in a cell."""


@dataclass(frozen=True, slots=True)
class Match:
    """Item id → its answer, and what they were matched by."""

    given: Mapping[str, Given]
    by: Literal["id", "order"]


def match(
    items: Sequence[Item], places: Sequence[Where], gold_has_ids: bool, file: AnswerFile
) -> tuple[Match, list[Problem]]:
    """Match the answers of a file with the gold items.

    By id where both files have ids, else by order. Where both say what was asked and were matched
    by order, that must agree: shuffled rows would pass for bad predictions.

    Args:
        items: the gold items.
        places: where each stands.
        gold_has_ids: whether the gold file gives ids.
        file: the answers.

    Returns:
        The match, and every row that has no partner or another's.
    """
    if gold_has_ids and file.has_ids:
        return _by_id(items, places, file)
    matched = {item.id: given for item, given in zip(items, file.given, strict=False)}
    if len(items) != len(file.given):
        return Match(matched, "order"), [_wrong_count(items, places, file)]
    return Match(matched, "order"), _mismatches(items, places, matched, file)


def _mismatches(
    items: Sequence[Item], places: Sequence[Where], matched: Mapping[str, Given], file: AnswerFile
) -> list[Problem]:
    """Answers whose file says that they belong to another text or gold answer."""
    problems = []
    for item, place in zip(items, places, strict=True):
        given = matched.get(item.id)
        if given is None:
            continue
        # A run's own predictions show the text within its template.
        if (
            item.text.strip()
            and given.text.strip()
            and normalize(item.text) not in normalize(given.text)
        ):
            said: dict[str, object] = {"gold": place, "said": excerpt(given.text)}
            problem = Problem("score.other-text", given.where, said | {"asked": excerpt(item.text)})
            problems.append(problem)
        elif given.gold is not None and not _is_same(item, given.gold):
            asked = "、".join(item.labels) or item.answer
            said = {"gold": place, "said": _shown(given.gold), "asked": excerpt(asked)}
            problems.append(
                Problem("score.other-gold", given.where, said | {"column": file.gold_column})
            )
    return problems


def _is_same(item: Item, gold: str) -> bool:
    """Whether a gold answer beside a prediction is the item's, however it is written."""
    own = item.labels or (item.answer,)
    if _parts(*own) == _parts(gold):
        return True
    if len(item.labels) > 1:  # emoji stand without separators
        return sorted("".join(_parts(*own))) == sorted("".join(_parts(gold)))
    try:
        return float("".join(own)) == float(gold)
    except ValueError:
        return False


def _parts(*said: str) -> list[str]:
    return sorted(part for one in said for part in _BETWEEN.split(normalize(one)) if part)


def _shown(gold: str) -> str:
    return excerpt(gold.replace(LIST_SEPARATOR, "、"))


def _by_id(
    items: Sequence[Item], places: Sequence[Where], file: AnswerFile
) -> tuple[Match, list[Problem]]:
    by_id = {given.id: given for given in file.given if given.id is not None}
    known = {item.id for item in items}
    problems = [
        Problem("score.not-predicted", place, {"id": excerpt(item.id), "file": file.path})
        for item, place in zip(items, places, strict=True)
        if item.id not in by_id
    ]
    for given in file.given:
        if given.id is None:
            problems.append(Problem("score.no-id", given.where, {}))
        elif given.id not in known:
            problems.append(Problem("score.not-in-gold", given.where, {"id": excerpt(given.id)}))
    matched = {i.id: by_id[i.id] for i in items if i.id in by_id}
    return Match(matched, "id"), problems + _mismatches(items, places, matched, file)


def _wrong_count(items: Sequence[Item], places: Sequence[Where], file: AnswerFile) -> Problem:
    said: dict[str, object] = {"gold": len(items), "found": len(file.given)}
    if len(items) > len(file.given):
        return Problem("score.too-few", Where(file.path), said | {"first": places[len(file.given)]})
    first = file.given[len(items)].where
    return Problem("score.too-many", first, said)
