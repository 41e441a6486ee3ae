"""``report.html``: the record as one page that needs nothing but itself.

The words are the template's; charts and the table of rows are drawn by our own script from facts
that the page carries (see ``island``). Its hash is in the page's content security policy, so that
nothing else can run. Without JavaScript there are pictures and the first rows.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from kunren.evaluation.told import system_name
from kunren.records.facts import Facts
from kunren.records.predictions import Answer, Predicted
from kunren.report import charts, island, samples
from kunren.report.format import joined
from kunren.report.samples import Rows
from kunren.report.summary import Summary
from kunren.tasks import Answers

SCRIPTS = ("report.js", "charts.js", "rows.js")
"""Parts of the page's one script, in the order in which they are joined."""

PLAIN = 50
"""Test rows of the plain table, for a browser without JavaScript."""


def html(
    environment: Environment, facts: Facts, summary: Summary, drawn: Mapping[str, bytes]
) -> str:
    """The page of a run.

    Args:
        environment: of the templates, with autoescape.
        facts: the run.
        summary: its record.
        drawn: name → PNG of each chart.
    """
    parts = resources.files(__package__) / "templates"
    script = "".join((parts / name).read_text(encoding="utf-8") for name in SCRIPTS)
    style = (parts / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    rows = samples.read(facts)
    held = island.facts_of(facts, rows)
    plain = rows.rows[:PLAIN]
    systems = {s: system_name(s, facts.metrics or {}) for s in held["systems"]}
    return environment.get_template("report.html.jinja").render(
        s=summary,
        charts={name: inline(picture) for name, picture in drawn.items()},
        held=held,
        rows=[_row(row, rows) for row in plain],
        systems=systems,
        island=Markup(island.written(held)),  # noqa: S704  (has no "<", see there)
        script=Markup(script),  # noqa: S704  (our own files, and their hash is in the policy)
        style=Markup(style),  # noqa: S704
        digest=digest,
    )


def inline(picture: bytes) -> dict[str, object]:
    """A PNG as text, with the width at which its letters are as large as the page's."""
    width = int.from_bytes(picture[16:20], "big")  # of the header chunk IHDR
    return {"data": base64.b64encode(picture).decode("ascii"), "width": width * 96 // charts.DPI}


def _row(row: Predicted, rows: Rows) -> dict[str, Any]:
    """A test item for the plain table."""
    answers = rows.facts.answers
    return {
        "before": rows.before.get(row.id),
        "text": row.text,
        "gold": row.gold if answers != "set" else joined(row.gold_labels),
        "said": {system: _said(said, answers) for system, said in row.systems.items()},
    }


def _said(said: Answer, answers: Answers) -> str:
    if answers == "text":
        return "—" if said.generated is None else said.generated
    if said.labels is None:
        return "—"
    mark = "" if said.correct is None else "○ " if said.correct else "× "
    return (mark if answers == "label" else "") + joined(said.labels)
