"""``earlier.json``: what a run keeps of an earlier one, so that its record can compare the two.

Copied, not linked: the record is the same when the earlier folder has gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.records import files, predictions
from kunren.records.entry import SPEED, VALIDATION_LOSS, Entry, Rival
from kunren.records.layouts import read_entry
from kunren.tasks import Answers
from kunren.types import Where

NAME = "earlier.json"
SCHEMA = 1


def read_against(folder: Path, answers: Answers) -> Entry:
    """An earlier run that a run of this kind of answers can be compared with.

    Raises:
        InputError: no run folder, broken, of another task, or without scores.
    """
    where = Where(str(folder))
    found = read_entry(folder)
    if found.answers != answers:
        kinds = {
            "name": found.name,
            "theirs": text(f"compare.kind-{found.answers}"),
            "ours": text(f"compare.kind-{answers}"),
        }
        raise InputError(Problem("compare.against-other-kind", where, kinds))
    if not set(found.scores) - {VALIDATION_LOSS, SPEED}:
        raise InputError(Problem("compare.against-no-result", where, {"name": found.name}))
    return found


def as_json(entry: Entry) -> dict[str, Any]:
    """All of an entry as plain JSON, its test items included."""
    found = asdict(entry)
    return {"schema": SCHEMA} | found | {"items": [predictions.as_json(r) for r in entry.items]}


def from_json(content: Mapping[str, Any]) -> Entry:
    """An entry from plain JSON."""
    rival = content["rival"]
    return Entry(
        name=content["name"],
        layout=content["layout"],
        answers=content["answers"],
        settings=content["settings"],
        rows=content["rows"],
        label_count=content["label_count"],
        labels=tuple(content["labels"]),
        frequent=tuple(content["frequent"]),
        scores=content["scores"],
        described=content["described"],
        primary=content["primary"],
        rival=None if rival is None else Rival(**rival),
        items=[predictions.from_json(row) for row in content["items"]],
        whole=content["whole"],
        template=content["template"],
        bootstrap=content["bootstrap"],
        machine=content["machine"],
        missing=tuple(content["missing"]),
        warnings=tuple(content["warnings"]),
        checks=tuple(content["checks"]),
    )


def write_earlier(folder: Path, entry: Entry) -> None:
    """Write ``earlier.json`` into a run folder."""
    files.write_json(folder / NAME, as_json(entry))


def read_earlier(folder: Path) -> Entry | None:
    """The earlier run that a run folder has a copy of, if any.

    Raises:
        InputError: the file is broken.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        return from_json(files.read_json(path))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        detail = f"{type(error).__name__}: {error}"
        problem = Problem("record.broken-file", Where(str(path)), {"detail": detail})
        raise InputError(problem) from None
