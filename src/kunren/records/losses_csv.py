"""A CSV of losses that some tool wrote: which column is what, by clear names.

Read as people have them: Keras' CSVLogger, fastai, Lightning's metrics.csv with its sparse rows, an
export of W&B, the Trainer's log_history put into a table, or written by one's own loop; in UTF-8 or
Shift_JIS, with commas, tabs or semicolons.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kunren.data.kinds import not_data, unpacked
from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.nearest import nearest
from kunren.records import losses_names
from kunren.records.losses_names import SHARES, meaning
from kunren.textfile import decode, excerpt
from kunren.types import Where
from kunren.userfile import contents

Row = dict[str, float]

_NOTHING = {"", "-", "--", "—", "–", "n/a", "na", "none", "null", "no log", "#n/a"}
"""What stands in a cell that has no value. ``nan`` is not among it: a loss may have become that."""

_OF = re.compile(r"\D*(\d+)\s*/\s*\d+")
"""``1/10`` or ``Epoch 1/10``."""

_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x7f-\x9f\ufffd]")

_NEAR = ("loss", "train_loss", "eval_loss", "val_loss", "損失", "学習損失", "検証損失")

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Losses:
    """A table of losses.

    Attributes:
        rows: under the Trainer's names (``loss``, ``eval_accuracy``), without empty cells.
        notes: how it was read, in the user's language.
        odd: cells of the columns in use that are no numbers, as ``line: cell``.
    """

    rows: Sequence[Row]
    notes: Sequence[str]
    odd: Sequence[str]


def read(path: Path) -> Losses:
    """Read a CSV (or TSV) of losses.

    Raises:
        InputError: it cannot be read as text, is empty, or has no column that is a loss.
    """
    where = Where(str(path))
    data = contents(path)
    opened = data if isinstance(data, Problem) else unpacked(data, str(path))
    if isinstance(opened, Problem):
        raise InputError(opened)
    foreign = not_data(opened[0], str(path))
    if foreign is not None:
        raise InputError(foreign)
    lines = _lines(opened[0], where)
    mark = _delimiter(lines[0] if lines else "")
    try:
        table = [cells for cells in csv.reader(lines, delimiter=mark) if any(map(str.strip, cells))]
    except csv.Error:
        raise InputError(Problem("doctor.not-text", where)) from None
    if not table:
        raise InputError(Problem("doctor.empty-table", where))
    header = [name.strip() for name in table[0]]
    if all(_number(name) is not None for name in header):
        shown = " / ".join(map(excerpt, header[:_SHOWN]))
        raise InputError(Problem("doctor.no-header", where, {"cells": shown}))
    found = of_table(header, table[1:], path.name, decimal_comma=mark == ";")
    if found is None:
        raise InputError(_no_loss(header, where))
    if not found.rows:
        raise InputError(Problem("doctor.no-rows", where))
    return found


def of_table(
    header: Sequence[str],
    body: Sequence[Sequence[str]],
    name: str,
    *,
    decimal_comma: bool = False,
) -> Losses | None:
    """Read a table whose cells are text; None where no column is a loss.

    Args:
        header: the names of the columns.
        body: the cells of the other lines.
        name: of the file, for the notes.
        decimal_comma: whether ``0,5`` is a number.
    """
    columns = _columns(header, body)
    if not {"loss", "eval_loss"} & set(columns.values()):
        return None
    rows, odd = [], []
    for number, cells in enumerate(body, start=2):
        row: Row = {}
        for at, its in columns.items():
            cell = cells[at].strip() if at < len(cells) else ""
            value = _number(cell, decimal_comma=decimal_comma)
            if value is not None and (its not in ("step", "epoch") or math.isfinite(value)):
                row[its] = value
            elif value is None and cell.lower() not in _NOTHING:
                odd.append(f"{number}: {excerpt(cell)}")
        if row:
            rows.append(row)
    notes = _notes(name, header, columns, len(rows))
    for mended in (_from_one, _on_and_on, _as_shares):
        notes += mended(rows)
    if odd:
        listed = " / ".join(odd[:3])
        notes.append(text("doctor.read-csv-odd", count=len(odd), cells=listed))
    return Losses(rows, notes, odd)


def _lines(data: bytes, where: Where) -> list[str]:
    """The lines from the header on.

    Raises:
        InputError: it is no text.
    """
    said, _ = decode(data)
    broken = len(_NO_TEXT.findall(said))
    if 20 * broken > len(said):
        raise InputError(Problem("doctor.not-text", where))
    lines = said.splitlines()
    begun = 0
    while begun < len(lines) and re.match(r"\s*(#.*|sep=.)?\s*$", lines[begun]):
        begun += 1
    return lines[begun:]


def _delimiter(header: str) -> str:
    return max(",\t;", key=header.count)


def _no_loss(header: Sequence[str], where: Where) -> Problem:
    """That no column is a loss, and which one may be meant to be one."""
    named = " / ".join(excerpt(name) for name in header[:_SHOWN]) or "—"
    near = next((name for name in header if losses_names.speaks_of_loss(name)), None)
    near = near or next((name for name in header if name and nearest(name.lower(), _NEAR)), None)
    if near is None:
        return Problem("doctor.no-loss-column", where, {"columns": named})
    fields: dict[str, object] = {"columns": named, "near": excerpt(near)}
    return Problem("doctor.no-loss-column-near", where, fields)


def _columns(header: Sequence[str], body: Sequence[Sequence[str]]) -> dict[int, str]:
    """Number of a column → the Trainer's name of what it holds; each name once.

    Of several columns that mean one thing the one with the most values is taken: the training
    losses of each step and not of the whole run. A metric without a prefix counts as one of the
    evaluation, unless a column with such a prefix stands beside it: then it is that of the
    training rows, as in Keras.
    """
    best: dict[str, tuple[tuple[float, ...], int]] = {}
    for at, name in enumerate(header):
        meant = meaning(name)
        if meant is None:
            continue
        count = sum(_number(cells[at]) is not None for cells in body if at < len(cells))
        if body and not count and meant.name not in ("loss", "eval_loss"):
            continue
        rank = (*meant.rank, count, -at) if meant.held_out else (count, *meant.rank, -at)
        if meant.name not in best or rank > best[meant.name][0]:
            best[meant.name] = (rank, at)
    found = {at: name for name, (_, at) in best.items()}
    if not any(rank[0] for name, (rank, _) in best.items() if name.startswith("eval_")):
        # Nothing speaks of held-out rows: a metric beside a plain loss is that of the training.
        plain = "loss" in best and not best["loss"][0][1]
        found = {at: name for at, name in found.items() if not (plain and "eval" in name)}
    if "eval_runtime" in header or "train_runtime" in header:  # the Trainer's own log
        for at, name in enumerate(header):
            if at not in found and losses_names.TRAINERS.match(name) and name not in best:
                found[at] = name
    return found


def _number(cell: str, *, decimal_comma: bool = False) -> float | None:
    """A number, also NaN; None for an empty cell or text."""
    cell = losses_names.plain(cell)
    if decimal_comma and "." not in cell:
        cell = cell.replace(",", ".")
    if counted := _OF.fullmatch(cell):
        return float(counted.group(1))
    try:
        return float(cell[:-1]) / 100 if cell.endswith("%") else float(cell)
    except ValueError:
        return None


def _from_one(rows: Sequence[Row]) -> list[str]:
    """Count epochs from 1, where whole ones are counted from 0.

    A training loss of epoch 0 was measured in the first epoch: no training comes before it.
    """
    trained = next((row for row in rows if "loss" in row and "epoch" in row), None)
    whole = all(row["epoch"].is_integer() for row in rows if "epoch" in row)
    if trained is None or trained["epoch"] != 0 or not whole:
        return []
    for row in rows:
        if "epoch" in row:
            row["epoch"] += 1
    return [text("doctor.read-csv-from-zero")]


def _on_and_on(rows: Sequence[Row]) -> list[str]:
    """Count steps through the whole run, where each epoch begins to count anew."""
    begun = before = 0.0
    epoch = -1.0
    anew = False
    counted: list[tuple[Row, float]] = []
    for row in rows:
        if "step" not in row or "epoch" not in row:
            return []
        if row["epoch"] > epoch and row["step"] < before:
            begun, anew = begun + before + (row["step"] == 0), True
        elif row["step"] < before:
            return []
        before, epoch = row["step"], row["epoch"]
        counted.append((row, begun + row["step"]))
    if not anew:
        return []
    for row, step in counted:
        row["step"] = step
    return [text("doctor.read-csv-steps")]


def _as_shares(rows: Sequence[Row]) -> list[str]:
    """Metrics such as accuracy as shares of 1, where they stand in percent."""
    mended = []
    for name in dict.fromkeys(name for row in rows for name in row):
        if name.removeprefix("eval_") not in SHARES:
            continue
        values = [row[name] for row in rows if name in row]
        if not 1.5 < max(values) <= 100:
            continue
        mended.append(name)
        for row in rows:
            if name in row:
                row[name] /= 100
    named = text("record.list").join(mended)
    return [text("doctor.read-csv-percent", columns=named)] if mended else []


def _notes(name: str, header: Sequence[str], columns: Mapping[int, str], rows: int) -> list[str]:
    read_as = text("record.list").join(
        f"{excerpt(header[at])} → {its}" for at, its in sorted(columns.items())
    )
    notes = [text("doctor.read-csv", file=name, rows=rows, columns=read_as)]
    rest = [excerpt(name) for at, name in enumerate(header) if at not in columns and name]
    if rest:
        notes.append(text("doctor.read-csv-rest", columns=" / ".join(rest[:_SHOWN])))
    return notes
