"""The systems of prediction files: what each is called, and what it said to every gold item."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kunren.data.answers import AnswerFile, Given, load, read_answers
from kunren.data.records import LIST_SEPARATOR
from kunren.errors import Problem
from kunren.records.predictions import Predicted
from kunren.records.predictions import read_predictions as read_own
from kunren.scoring.match import Match, match
from kunren.tasks import Task
from kunren.textfile import excerpt, shown
from kunren.types import Item, Prediction, Where

_IN_PLACE = {
    "data.duplicate-id",
    "data.id-type",
    "score.answer-type",
    "score.not-a-probability",
    "score.not-probabilities",
}
"""Problems of single answers, with which the file can be matched all the same."""

_LONGEST = 60
"""Characters of a system's name; control characters in it are written out."""

_ROUNDING = 0.01
"""By how much the probabilities of all labels may miss 1."""


@dataclass(frozen=True, slots=True)
class Named:
    """A file of predictions; ``name`` is what the user calls its system, if anything."""

    path: Path
    name: str | None = None


@dataclass(frozen=True, slots=True)
class PredictionFile:
    """A file of predictions as it was read; ``own``: the rows of a run's ``predictions.jsonl``."""

    named: Named
    answers: AnswerFile
    own: Sequence[Predicted] | None = None


@dataclass(frozen=True, slots=True)
class System:
    """One system.

    Attributes:
        name: what it is called; no other has the same.
        file: where its answers stand.
        column: in which column.
        matched: its answers by item.
        own: of a run's own predictions, what it said.
    """

    name: str
    file: str
    column: str | None
    matched: Match
    own: tuple[Prediction, ...] | None = None


def read_predictions(named: Named, columns: Mapping[str, str]) -> PredictionFile:
    """Read a file of predictions; a run's ``predictions.jsonl`` with all of its systems."""
    parsed, plain = load(named.path)
    values = [record.value for record in parsed.records]
    if not values or not all(isinstance(v, dict) and "systems" in v for v in values):
        answers = read_answers(named.path, parsed, plain, columns, "prediction")
        return PredictionFile(named, answers)
    name = shown(named.path)
    try:
        rows = read_own(named.path)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said: dict[str, object] = {"detail": excerpt(f"{type(error).__name__}: {error}", 80)}
        broken = Problem("score.broken-run", Where(name), said)
        return PredictionFile(named, AnswerFile(name, None, (), (broken,)))
    given = tuple(
        Given(row.id, row.row_id, row.gold, row.text, Where(name, record.line))
        for row, record in zip(rows, parsed.records, strict=True)
    )
    return PredictionFile(named, AnswerFile(name, "systems", given, ()), rows)


def systems_of(
    files: Sequence[PredictionFile],
    items: Sequence[Item],
    places: Sequence[Where],
    gold_has_ids: bool,
    taken: set[str],
) -> tuple[list[System], list[Problem]]:
    """Every system of every file, in the files' order; of a run's the tuned model first.

    Args:
        files: the files.
        items: the gold items.
        places: where each stands.
        gold_has_ids: whether the gold file gives ids.
        taken: names that others have.

    Returns:
        The systems, and all that is wrong: with the files, with names, and with the match of those
        files that could be read whole.
    """
    found: list[System] = []
    problems: list[Problem] = []
    used = set(taken)
    chosen = [f.named.name for f in files if f.named.name is not None and f.own is None]
    for name, count in Counter(chosen).items():
        if count > 1 or name in taken:
            problems.append(Problem("score.name-taken", None, {"name": excerpt(name)}))
    used |= set(chosen)
    for file in files:
        problems += file.answers.problems
        # Broken lines leave gaps: whatever is matched by order would be wrong behind them.
        if any(problem.code not in _IN_PLACE for problem in file.answers.problems):
            continue
        matched, wrong = match(items, places, gold_has_ids, file.answers)
        problems += wrong
        folder = file.named.path.resolve().parent.name
        if file.own is None:
            name = file.named.name or _free(excerpt(_stem(file, files), _LONGEST), folder, used)
            found.append(System(name, file.answers.path, file.answers.column, matched))
            used.add(name)
            continue
        known = _systems_in(file.own)
        wanted = known if file.named.name is None else [file.named.name]
        if not set(wanted) <= set(known):
            said: dict[str, object] = {"name": excerpt(wanted[0]), "known": ", ".join(known)}
            problems.append(Problem("score.no-system", Where(file.answers.path), said))
            continue
        for system in wanted:
            name = _free(excerpt(system, _LONGEST), folder, used)
            said_ = _of_run(file.own, system, matched)
            found.append(System(name, file.answers.path, None, matched, said_))
            used.add(name)
    return found, problems


def _systems_in(rows: Sequence[Predicted]) -> list[str]:
    known = dict.fromkeys(name for row in rows for name in row.systems)
    return sorted(known, key=lambda name: name != "tuned")


def _of_run(rows: Sequence[Predicted], system: str, matched: Match) -> tuple[Prediction, ...]:
    """What a run's system said, item by item."""
    by_id = {row.id: row for row in rows}
    return tuple(
        Prediction(item_id, a.labels, a.probability, (), a.generated, a.invalid)
        for item_id, given in matched.given.items()
        if (a := by_id[given.id or ""].systems.get(system)) is not None
    )


def _stem(file: PredictionFile, files: Sequence[PredictionFile]) -> str:
    """The file's name without its ending; with its folder where several are called the same."""
    path = file.named.path
    alike = [f for f in files if f.named.name is None and f.named.path.stem == path.stem]
    return path.stem if len(alike) == 1 else f"{path.resolve().parent.name}/{path.stem}"


def _free(name: str, folder: str, used: set[str]) -> str:
    """A name that no other system has: with its folder before it, or a number behind."""
    if name not in used:
        return name
    beside = f"{folder}/{name}"
    if beside not in used and not name.startswith(f"{folder}/"):
        return beside
    number = 2
    while f"{name}_{number}" in used:
        number += 1
    return f"{name}_{number}"


def predictions(
    system: System,
    task: Task,
    items: Sequence[Item],
    labels: Sequence[str],
    partial: Counter[str],
) -> list[Prediction]:
    """What a system said, read as the task reads what a model writes; in the items' order.

    Args:
        system: whose answers.
        task: reads them.
        items: the gold items.
        labels: the closed set.
        partial: counts a system's rows whose probabilities are not those of the closed set.
    """
    if system.own is not None:
        return list(system.own)
    parsed: dict[str, Prediction] = {}
    found = []
    for item in items:
        given = system.matched.given.get(item.id)
        if given is None:
            continue
        shares = _shares(task, labels, given)
        if given.probabilities and not shares:
            partial[system.name] += 1
        answer = given.answer
        if answer is None and shares and task.answers == "label":
            answer = labels[max(range(len(labels)), key=shares.__getitem__)]
        if answer is None:
            continue
        if answer not in parsed:
            parsed[answer] = _read(task, labels, answer)
        first = parsed[answer].label
        sure = given.probability
        if sure is None and shares and first is not None:
            sure = shares[labels.index(first)]
        said = replace(parsed[answer], item_id=item.id, probability=sure, probabilities=shares)
        found.append(said)
    return found


def _read(task: Task, labels: Sequence[str], answer: str) -> Prediction:
    written = answer.replace(LIST_SEPARATOR, "、").strip()
    if task.answers == "text":
        return Prediction("", None, generated=written)
    if task.answers == "set":
        answer = _unlisted(answer)
    found = task.parse(answer, labels)
    return Prediction("", found.labels, generated=written, invalid=found.invalid)


def _unlisted(answer: str) -> str:
    """A list that stands in a cell as JSON, or as Python writes it, as a list."""
    plain = answer.strip()
    if not (plain.startswith("[") and plain.endswith("]")):
        return answer
    try:
        value = json.loads(plain if '"' in plain else plain.replace("'", '"'))
    except ValueError:
        return answer
    listed = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return LIST_SEPARATOR.join(value) if listed else answer


def _shares(task: Task, labels: Sequence[str], given: Given) -> tuple[float, ...]:
    """One probability a label of the closed set; empty where the file does not give them all.

    For one label, those that are not given have none where the others sum to 1.
    """
    if not given.probabilities or task.answers == "text":
        return ()
    found: dict[str, float] = {}
    for said, share in given.probabilities.items():
        label = next(iter(task.parse(said, labels).labels), None)
        if label is not None:
            found[label] = found.get(label, 0.0) + share
    if task.answers == "label" and abs(sum(found.values()) - 1) > _ROUNDING:
        return ()
    if task.answers == "set" and len(found) < len(labels):
        return ()
    return tuple(found.get(label, 0.0) for label in labels)
