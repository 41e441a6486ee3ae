"""Any run, ours or another tool's, looked at with the rules that a caller asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kunren.doctor import below, foreign
from kunren.doctor.engine import Evidence, examine
from kunren.doctor.table import BY_SLUG, OUTPUT, TRAINING
from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.nearest import nearest
from kunren.records.facts import read_facts


def look(path: Path, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> dict[str, Any]:
    """Look at a run folder, a ``trainer_state.json``, a folder with one, or a CSV of losses.

    Args:
        path: the run.
        select: slugs of the rules to apply; none: all on training and answers.
        ignore: slugs of rules not to apply.

    Returns:
        What ``examine`` returns, and ``notes``: how the run was read.

    Raises:
        InputError: no such run or rule, or a file of it is broken.
    """
    _known([*select, *ignore])
    rules = [BY_SLUG[slug] for slug in select] if select else [*TRAINING, *OUTPUT]
    notes: list[str] = []
    if foreign.is_ours(path):
        facts = read_facts(path)
        evidence = Evidence.of_run(facts)
        settings = dict((facts.config or {}).get("doctor") or {})
    else:
        read = foreign.read(below.run_in(path))
        evidence = Evidence.of_foreign(read.course, read.sets)
        notes += read.notes
        settings = {}
    reason = text("doctor.ignored-by-option")
    settings["ignore"] = {**(settings.get("ignore") or {}), **dict.fromkeys(ignore, reason)}
    return {**examine(evidence, settings, rules), "notes": notes}


def _known(slugs: Sequence[str]) -> None:
    problems = []
    for slug in slugs:
        if slug in BY_SLUG:
            continue
        near = nearest(slug, list(BY_SLUG))
        fields: dict[str, object] = {"name": slug, "near": near, "known": " / ".join(BY_SLUG)}
        code = "doctor.unknown-slug" if near is None else "doctor.unknown-slug-near"
        problems.append(Problem(code, None, fields))
    if problems:
        raise InputError(problems)
