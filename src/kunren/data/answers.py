"""Answers that stand in a file, gold ones or predictions made elsewhere, with ids and places."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kunren.config.schema import Fields
from kunren.data.answer_columns import Side, columns_of
from kunren.data.formats import Parsed, Record, parse
from kunren.data.records import LIST_SEPARATOR, messages_of
from kunren.data.texts import garbled
from kunren.errors import Problem
from kunren.nearest import nearest
from kunren.textfile import excerpt, shown
from kunren.types import Message, Where
from kunren.userfile import contents

_UNREADABLE = ("score.no-", "score.several-", "score.only-")
"""Problems after which no answer of a file can be read."""


@dataclass(frozen=True, slots=True)
class Given:
    """One answer of a file.

    Attributes:
        id: its id in the file, if it has one.
        row_id: of kunren's own predictions: the row that it belongs to.
        answer: as it was written, a list joined by ``LIST_SEPARATOR``; None: none was given.
        text: what it is an answer to; empty where the file does not say.
        where: its place.
        messages: the whole conversation, where a gold row is one.
        probability: how sure the system is of its answer, in [0, 1].
        probabilities: label → probability, as written.
        gold: of a prediction: the gold answer that its file has beside it.
    """

    id: str | None
    row_id: str | None
    answer: str | None
    text: str
    where: Where
    messages: tuple[Message, ...] = ()
    probability: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    gold: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """The answers of a file in its order.

    Attributes:
        path: as it is shown.
        column: where they stood; None: the lines themselves are the answers.
        given: the answers.
        problems: what is wrong with the others.
        notes: how the file was read, where that may not be what its writer expects.
        gold_column: of predictions: where gold answers stand beside them.
    """

    path: str
    column: str | None
    given: tuple[Given, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()
    gold_column: str | None = None

    @property
    def has_ids(self) -> bool:
        """Whether the file gives ids at all."""
        return any(given.id is not None for given in self.given)


def load(path: Path) -> tuple[Parsed, bool]:
    """The records of a file, and whether its lines are the answers themselves."""
    data = contents(path, area="score")
    if isinstance(data, Problem):
        return Parsed(problems=[data]), False
    parsed = parse(data, shown(path), plain=True)
    return parsed, parsed.plain


def read_answers(
    path: Path, parsed: Parsed, plain: bool, named: Mapping[str, str], side: Side
) -> AnswerFile:
    """The answers in the records of a file.

    Args:
        path: the file.
        parsed: its records, from ``load``.
        plain: whether its lines are the answers.
        named: key of ``NAMES`` → column, where the user says so.
        side: whose answers they are.
    """
    name = shown(path)
    records = parsed.records
    if plain or (records and all(isinstance(record.value, str | list) for record in records)):
        return _lines(parsed, name)
    columns = list(parsed.columns or _columns(records))
    problems = [*parsed.problems, *_missing(named, columns, name, side, bool(records))]
    elsewhere = "messages" if side == "gold" else "probabilities"
    enough = not records or any(c == named.get(elsewhere, elsewhere) for c in columns)
    found = columns_of(side, named, columns, name, enough=enough)
    at = found.at
    chat = side == "gold" and at["messages"] is not None
    if records and not problems:
        problems += found.problems
    if records and not problems and at[side] is None and at[elsewhere] is None:
        said = {"found": excerpt("、".join(columns), 80) or "-"}
        problems.append(Problem(f"score.no-{side}", Where(name), said))
    if not records and not problems:
        problems.append(Problem("data.no-rows", Where(name)))
    if any(problem.code.startswith(_UNREADABLE) for problem in problems):
        return AnswerFile(name, at[side], (), tuple(problems))
    reader = _Reader(at, side, name)
    given = [reader.given(record) for record in records]
    wrong = [*problems, *reader.problems, *_duplicates(given)]
    column = at["messages"] if chat and at[side] is None else at[side] or at["probabilities"]
    beside = at["gold"] if side == "prediction" else None
    return AnswerFile(name, column, tuple(given), tuple(wrong), tuple(parsed.notes), beside)


def _lines(parsed: Parsed, name: str) -> AnswerFile:
    given = [
        Given(None, None, _joined(record.value), "", Where(name, record.line))
        for record in parsed.records
    ]
    wrong = [
        Problem("score.answer-type", one.where, {"found": excerpt(str(record.value))})
        for one, record in zip(given, parsed.records, strict=True)
        if one.answer is None
    ]
    problems = (*parsed.problems, *wrong)
    return AnswerFile(name, None, tuple(given), problems, tuple(parsed.notes))


def _columns(records: Sequence[Record]) -> dict[str, None]:
    return {str(key): None for r in records if isinstance(r.value, dict) for key in r.value}


def _missing(
    named: Mapping[str, str], columns: Sequence[str], name: str, side: Side, any_rows: bool
) -> list[Problem]:
    """Columns that the user named and that this file should have, but has not."""
    wanted = ("label", "id", "text", "messages") if side == "gold" else ("prediction", "id",
              "probability", "probabilities")  # fmt: skip
    problems = []
    for key in wanted:
        if any_rows and key in named and named[key] not in columns:
            near = nearest(named[key], columns)
            said = {"key": key, "column": named[key], "nearest": near}
            said["found"] = excerpt("、".join(columns), 80)
            code = "score.no-column" if near is None else "score.no-column-near"
            problems.append(Problem(code, Where(name), said))
    return problems


def _duplicates(given: Sequence[Given]) -> list[Problem]:
    first: dict[str, Where] = {}
    problems = []
    for one in given:
        if one.id is None:
            continue
        if one.id in first:
            said: dict[str, object] = {"id": excerpt(one.id), "first": first[one.id]}
            problems.append(Problem("data.duplicate-id", one.where, said))
        first.setdefault(one.id, one.where)
    return problems


def _joined(value: object) -> str | None:
    """An answer as text; a list is joined. None for what is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return LIST_SEPARATOR.join(value)
    return None


class _Reader:
    """Reads records one by one and collects what is wrong with them."""

    def __init__(self, at: Mapping[str, str | None], side: Side, name: str) -> None:
        self._at = at
        self._side = side
        self._name = name
        self._beside_gold = side == "prediction" and at["gold"] is not None
        self.problems: list[Problem] = []

    def given(self, record: Record) -> Given:
        """The answer of a record; of a broken one nothing but its place."""
        where = Where(self._name, record.line)
        value = record.value
        if not isinstance(value, dict):
            self._wrong("answer-type", where, found=excerpt(str(value)))
            return Given(None, None, None, "", where)
        messages = self._conversation(value, where)
        text = value.get(self._at["text"] or "")
        row_id = value.get("row_id") if "systems" in value else None
        return Given(
            id=self._id(value, where),
            row_id=row_id if isinstance(row_id, str) else None,
            answer=None if messages else self._answer(value, where),
            text=text if isinstance(text, str) else "",
            where=where,
            messages=messages,
            probability=self._probability(value, where),
            probabilities=self._probabilities(value, where),
            gold=_joined(value.get(self._at["gold"] or "")) if self._beside_gold else None,
        )

    def _wrong(self, name: str, where: Where, **fields: object) -> None:
        self.problems.append(Problem(f"score.{name}", where, fields))

    def _conversation(self, value: dict[str, object], where: Where) -> tuple[Message, ...]:
        column = self._at["messages"]
        if self._side != "gold" or column is None or value.get(column) is None:
            return ()
        messages, problems = messages_of(value, Fields(messages=column), where)
        self.problems += problems
        return messages

    def _id(self, value: dict[str, object], where: Where) -> str | None:
        column = self._at["id"]
        said = None if column is None else value.get(column)
        if said is None or (isinstance(said, str) and not said.strip()):
            return None
        if isinstance(said, bool) or not isinstance(said, str | int):
            fields: dict[str, object] = {"field": column, "found": excerpt(str(said))}
            self.problems.append(Problem("data.id-type", where, fields))
            return None
        return str(said).strip()

    def _answer(self, value: dict[str, object], where: Where) -> str | None:
        column = self._at[self._side]
        said = None if column is None else value.get(column)
        if self._side == "gold" and "systems" in value and value.get("gold_labels"):
            said = value["gold_labels"]
        if said is None:
            if self._side == "gold":
                self._wrong("gold-missing", where, column=column or self._at["messages"])
            return None
        answer = _joined(said)
        if answer is None:
            self._wrong("answer-type", where, found=excerpt(json.dumps(said, ensure_ascii=False)))
        elif self._side == "gold" and (bad := garbled(answer.replace(LIST_SEPARATOR, ""))):
            self.problems.append(Problem(f"data.{bad[0]}", where, {"field": column, **bad[1]}))
        return answer

    def _probability(self, value: dict[str, object], where: Where) -> float | None:
        said = value.get(self._at["probability"] or "")
        if self._side == "gold" or said is None or said == "":
            return None
        found = _share(said)
        if found is None:
            column = self._at["probability"]
            self._wrong("not-a-probability", where, column=column, found=excerpt(str(said)))
        return found

    def _probabilities(self, value: dict[str, object], where: Where) -> dict[str, float]:
        column = self._at["probabilities"]
        said = value.get(column or "")
        if isinstance(said, str) and said.strip():  # a cell of a table holds it as JSON
            try:
                said = json.loads(said)
            except ValueError:
                said = [said]
        if self._side == "gold" or not said:
            return {}
        # Parquet gives every row all keys of the struct, None where the row has none.
        pairs = said.items() if isinstance(said, dict) else [("", said)]
        found = {str(k): share for k, v in pairs if (share := _share(v)) is not None}
        if len(found) < sum(v is not None for _, v in pairs):
            self._wrong("not-probabilities", where, column=column, found=excerpt(str(said)))
        return found


def _share(value: object) -> float | None:
    """A number in [0, 1], also written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    # A sum of float32 shares may end a little above one.
    return min(number, 1.0) if math.isfinite(number) and 0 <= number <= 1 + 1e-6 else None
