"""What the options of ``kunren score`` mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kunren.data.answer_columns import NAMES
from kunren.data.emoji import is_emoji, split_emoji
from kunren.errors import InputError, Problem
from kunren.nearest import nearest
from kunren.scoring.gold import LabelKind
from kunren.scoring.systems import Named
from kunren.textfile import decode, excerpt
from kunren.types import Where
from kunren.userfile import contents, is_file


def prediction_files(written: Sequence[str]) -> list[Named]:
    """``FILE`` or ``NAME=FILE``; a file that exists under the whole text is that file."""
    found = []
    for one in written:
        name, equals, path = one.partition("=")
        if not equals or is_file(Path(one)):
            found.append(Named(Path(one)))
        elif name.strip() and path:
            found.append(Named(Path(path), excerpt(name.strip(), 60)))
        else:
            raise InputError(Problem("score.bad-pred", None, {"given": excerpt(one)}))
    return found


def columns(written: Sequence[str], **alone: str | None) -> dict[str, str]:
    """``NAME=COLUMN`` of ``--field``, and the columns that have options of their own.

    Raises:
        InputError: not of that form, or no name of ``NAMES``.
    """
    found = {name: column for name, column in alone.items() if column}
    problems = []
    for one in written:
        name, _, column = one.partition("=")
        if name in NAMES and column:
            found[name] = column
            continue
        near = nearest(name, NAMES) if column else None
        said: dict[str, object] = {"given": excerpt(one), "names": ", ".join(NAMES), "near": near}
        code = "score.bad-field" if near is None else "score.bad-field-near"
        problems.append(Problem(code, None, said))
    if problems:
        raise InputError(problems)
    return found


def label_set(written: str, kind: LabelKind) -> list[str]:
    """The labels of ``--labels``: of a file one a line, else what stands between commas.

    A run of emoji is split by itself.

    Raises:
        InputError: there are none, or the file is not UTF-8.
    """
    path = Path(written)
    if is_file(path):
        data = contents(path)
        if isinstance(data, Problem):
            raise InputError(data)
        content, encoding = decode(data)
        if encoding is not None:
            raise InputError(Problem("score.labels-encoding", Where(written)))
        found = content.splitlines()
    else:
        found = re.split("[,、，]", written)
    labels = [label for one in found if (label := one.strip())]
    if not labels:
        raise InputError(Problem("score.no-labels", None, {"given": excerpt(written)}))
    pieces = [piece for label in labels for piece in split_emoji(label)]
    if kind == "emoji" or (kind == "auto" and all(map(is_emoji, pieces))):
        return list(dict.fromkeys(pieces))
    return list(dict.fromkeys(labels))
