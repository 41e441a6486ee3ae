"""The test items on which two runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kunren.evaluation.told import signed
from kunren.messages import text
from kunren.records.entry import Entry
from kunren.records.pairing import Differing, differing_rows
from kunren.records.predictions import Answer, Predicted
from kunren.report.format import Table, clip, joined, shown

MOST_ROWS = 20
"""Differing rows that are shown."""


@dataclass(frozen=True, slots=True)
class RowsPart:
    """The test items on which two runs differ."""

    title: str
    said: Sequence[str]
    table: Table | None


def rows_part(a: Entry, b: Entry) -> RowsPart:
    """The test items on which two runs differ, the most different first."""
    found, common = differing_rows(a, b)
    title = text("compare.h-rows", a=a.name, b=b.name)
    if not common:
        none = text("compare.rows-none-common", a=len(a.items), b=len(b.items))
        return RowsPart(title, [none], None)
    up = sum(each.difference > 0 for each in found)
    said = [
        text(
            "compare.rows-common",
            common=common,
            count=len(found),
            a=a.name,
            b=b.name,
            up=up,
            down=len(found) - up,
        )
    ]
    if len(found) > MOST_ROWS:
        said.append(text("compare.rows-cut", shown=MOST_ROWS))
    if not found:
        return RowsPart(title, said, None)
    columns = [text("compare.input"), text("compare.gold"), a.name, b.name]
    columns.append(text("compare.score-difference"))
    rows = [_differing(each, a) for each in found[:MOST_ROWS]]
    return RowsPart(title, said, Table(columns, rows, "llllr"))


def _differing(each: Differing, entry: Entry) -> list[str]:
    digits = 1 if entry.unit(entry.primary) == "points" else 2
    return [
        clip(each.text),
        gold_said(each.gold),
        answer_said(each.a, entry.answers),
        answer_said(each.b, entry.answers),
        signed(each.difference, digits),
    ]


def gold_said(row: Predicted) -> str:
    """The gold answer of an item."""
    return joined(row.gold_labels) if row.gold_labels else shown(row.gold)


def answer_said(answer: Answer, answers: str) -> str:
    """A run's answer to an item; of one label with ○ or ×."""
    if answers == "text":
        return shown(answer.generated or "")
    said = "—" if answer.labels is None else joined(answer.labels)
    if answers == "label" and answer.correct is not None:
        return f"{'○' if answer.correct else '×'} {said}"
    return said
