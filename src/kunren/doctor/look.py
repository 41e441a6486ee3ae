"""Any run, ours or another tool's, looked at with the rules that a caller asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kunren.doctor import below, foreign
from kunren.doctor.engine import Evidence, diagnose, examine
from kunren.doctor.table import BY_SLUG, OUTPUT, RULES, TRAINING, Rule
from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.nearest import nearest

SAVED = (
    "vocabulary-mismatch", "pad-is-eos", "untrained-tokens", "unsaved-tokens", "no-chat-template",
)  # fmt: skip
"""Rules that the files of a saved model can answer."""

SETTINGS = ("focal-with-smoothing",)
"""Rules that settings alone can answer."""


def look(path: Path, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> dict[str, Any]:
    """Look at a run folder of ours, or at what another tool left (see ``doctor.foreign``).

    Args:
        path: the run.
        select: slugs of the rules to apply; none: all that can be answered.
        ignore: slugs of rules not to apply.

    Returns:
        What ``examine`` returns, and ``notes``: how the run was read.

    Raises:
        InputError: no such run or rule, or a file of it is broken.
    """
    _known([*select, *ignore])
    rules: Sequence[Rule] = [BY_SLUG[slug] for slug in select] if select else RULES
    ignored = dict.fromkeys(ignore, text("doctor.ignored-by-option"))
    if foreign.is_ours(path):
        return {**diagnose(path, rules, ignored), "notes": []}
    read = foreign.read(below.run_in(path))
    if not select:
        logged = TRAINING if read.logged else ()
        answered = OUTPUT if read.logged or "tuned" in read.told else ()
        rules = [*_of_files(read.told), *logged, *answered]
    evidence = Evidence.of_foreign(read.course if read.logged else None, read.told)
    return {**examine(evidence, {"ignore": ignored}, rules), "notes": [*read.notes]}


def _of_files(told: Mapping[str, object]) -> list[Rule]:
    """The rules on models and settings that another tool's files can answer, if they are there."""
    slugs = [*(SAVED if "saved" in told else ()), *(SETTINGS if "config" in told else ())]
    return [BY_SLUG[slug] for slug in slugs]


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
