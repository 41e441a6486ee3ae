"""What a training printed, as people keep it: a terminal's output, or cells of a notebook.

Three forms are known, and the one that holds the most losses is taken: the dictionaries that the
Trainer prints (``{'loss': 0.7, 'epoch': 1.0}``), a table with a line of names (a notebook's, one of
Markdown, one's own), and lines that name their numbers (``Epoch 3/5 … loss: 0.7 - val_loss: 0.9``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from kunren.data.kinds import not_data, unpacked
from kunren.errors import InputError, Problem
from kunren.records import losses_csv
from kunren.records.losses_names import meaning, plain
from kunren.textfile import decode
from kunren.userfile import contents

SUFFIXES = frozenset({".log", ".txt", ".out", ".jsonl", ".md", ""})
"""Of files that may be such a log."""

_VALUE = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?%?|nan|[-+]?inf(?:inity)?"
_DICT = re.compile(r"\{[^{}]{1,10000}\}")
_ENTRY = re.compile(rf"""(["'])([^"']+)\1\s*:\s*["']?({_VALUE})["']?\s*(?=[,}}])""", re.IGNORECASE)
_NAMED = re.compile(
    rf"(?<!\w)([^\W\d_][\w./]{{0,40}}(?:[ _-](?:loss|acc|accuracy|rate))?)\s*[:=]?\s*({_VALUE})"
    r"(?![\d.])",
    re.IGNORECASE,
)
_EPOCH = re.compile(r"(?:epochs?|エポック)\W{0,3}(\d+(?:\.\d+)?)(?:\s*/\s*\d+)?", re.IGNORECASE)
_SENTENCE = re.compile(r"は(?=[-+.\d])")
_RULE = re.compile(r"[\s|:+=-]+")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_BAR = re.compile(r"\d{1,3}%\|[^|]{0,200}\|")

Printed = list[dict[str, str]]
"""A line each: name → number, both as they were printed."""


def read(path: Path) -> losses_csv.Losses | None:
    """Read a log; None where nothing in it is a loss.

    Raises:
        InputError: it cannot be read.
    """
    data = contents(path)
    opened = data if isinstance(data, Problem) else unpacked(data, str(path))
    if isinstance(opened, Problem):
        raise InputError(opened)
    foreign = not_data(opened[0], str(path))
    if foreign is not None and foreign.code != "data.web-page":
        raise InputError(foreign)
    said = _COLOUR.sub("", decode(opened[0])[0])
    # A progress bar is written over and over on one line; what was printed beside it is kept.
    lines = [_BAR.sub(" ", line) for line in re.split(r"[\r\n]+", said)]
    found = [_table(path.name, rows) for rows in (_dicts(lines), _tables(lines), _pairs(lines))]
    read_ = [one for one in found if one is not None and one.rows]
    return max(read_, key=_losses, default=None)


def _losses(found: losses_csv.Losses) -> int:
    return sum(("loss" in row) + ("eval_loss" in row) for row in found.rows)


def _table(name: str, rows: Printed) -> losses_csv.Losses | None:
    if not rows:
        return None
    header = list(dict.fromkeys(key for row in rows for key in row))
    return losses_csv.of_table(header, [[row.get(key, "") for key in header] for row in rows], name)


def _dicts(lines: Iterable[str]) -> Printed:
    """The Trainer's: what it logs, one dictionary a line."""
    found = []
    for line in lines:
        for said in _DICT.findall(line):
            row = {name: value for _, name, value in _ENTRY.findall(said)}
            if any((meant := meaning(name)) and "loss" in meant.name for name in row):
                found.append(row)
    return found


def _tables(lines: Sequence[str]) -> Printed:
    """All tables that have a loss; later ones go on where they have the same names."""
    found: Printed = []
    header: list[str] | None = None
    for line in lines:
        cells = _cells(line)
        if _RULE.fullmatch(line):
            continue
        if header is not None and len(cells) == len(header) and _is_body(cells):
            found.append(dict(zip(header, cells, strict=True)))
        elif len(cells) > 1 and any((m := meaning(c)) and "loss" in m.name for c in cells):
            header = cells
        else:
            header = None
    return found


def _cells(line: str) -> list[str]:
    line = line.strip()
    for mark in ("|", "\t", ","):
        if mark in line:
            return [cell.strip() for cell in line.strip("|").split(mark)]
    return [cell for cell in re.split(r"\s{2,}", line) if cell]


def _is_body(cells: Iterable[str]) -> bool:
    number = re.compile(rf"(?:{_VALUE})|No log|-+|", re.IGNORECASE)
    return all(number.fullmatch(plain(cell)) for cell in cells)


def _pairs(lines: Iterable[str]) -> Printed:
    """Lines that name their numbers; those of one epoch that name different ones are one row."""
    found: Printed = []
    epoch: str | None = None
    for line in lines:
        said = plain(line)
        if named := _EPOCH.search(said):
            epoch = named.group(1)
        row = dict(_known(said))
        if not row:
            continue
        if epoch is not None:
            row["epoch"] = epoch
        last = found[-1] if found else {}
        if last and last.get("epoch") == row.get("epoch") and not _again(last, row):
            last.update(row)
        else:
            found.append(row)
    return found


def _again(last: Mapping[str, str], row: Mapping[str, str]) -> bool:
    """Whether a line says something anew, beside where in the training it is."""
    return bool((last.keys() & row.keys()) - {"epoch", "step"})


def _known(said: str) -> Iterator[tuple[str, str]]:
    for name, value in _NAMED.findall(_SENTENCE.sub(": ", _EPOCH.sub(" ", said))):
        meant = meaning(name)
        if meant is not None and meant.name != "epoch":
            yield name, value
