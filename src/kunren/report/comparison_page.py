"""A comparison as Markdown, as one offline page, as CSV and as JSON."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from kunren.errors import Problem
from kunren.messages import text
from kunren.records import files
from kunren.records.choose import front, recommend
from kunren.records.compare import Group
from kunren.records.entry import Entry
from kunren.records.lessons import findings
from kunren.records.pairing import differing_rows
from kunren.report import charts
from kunren.report.comparison import Page, choice_said
from kunren.report.page import inline
from kunren.report.render import environment

SCHEMA = 1


def _environment(*, html: bool) -> Environment:
    made = environment(html=html)
    made.globals |= {
        "t": lambda key, /, **fields: text(f"compare.{key}", **fields),
        "choice_said": choice_said,
    }
    return made


def as_markdown(page: Page) -> str:
    """The comparison as Markdown."""
    written = _environment(html=False).get_template("comparison.md.jinja").render(page=page)
    return re.sub(r"\n{3,}", "\n\n", written).strip() + "\n"


def as_html(page: Page) -> str:
    """The comparison as one page that needs nothing else; its script may only be our own."""
    parts = resources.files("kunren.report") / "templates"
    script = (parts / "comparison.js").read_text(encoding="utf-8")
    style = "".join(
        (parts / name).read_text(encoding="utf-8") for name in ("report.css", "comparison.css")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    pictures = [charts.pareto(part.plot) for part in page.parts]
    return (
        _environment(html=True)
        .get_template("comparison.html.jinja")
        .render(
            page=page,
            pictures=[None if picture is None else inline(picture) for picture in pictures],
            script=Markup(script),  # noqa: S704  (our own file, and its hash is in the policy)
            style=Markup(style),  # noqa: S704
            digest=digest,
        )
    )


def as_csv(groups: Sequence[Group]) -> str:
    """One line a run: rows, every metric with its interval, change and verdict, then settings.

    What a spreadsheet would take for a formula is made harmless.
    """
    metrics = list(dict.fromkeys(name for group in groups for name in group.metrics))
    keys = list(dict.fromkeys(key for group in groups for key in group.settings))
    columns = ["run", "layout", "answers", "baseline"]
    columns += [
        "rows_all",
        "rows_train",
        "rows_validation",
        "rows_test",
        "labels",
        "rows_per_label",
    ]
    for name in metrics:
        columns += [name, f"{name}_low", f"{name}_high", f"{name}_change_percent"]
        columns += [f"{name}_p", f"{name}_verdict"]
    columns += keys
    lines = [_csv_line(group, entry) for group in groups for entry in group.entries]
    return files.csv_text(lines, columns)


def _csv_line(group: Group, entry: Entry) -> dict[str, object]:
    line: dict[str, object] = {
        "run": entry.name,
        "layout": entry.layout,
        "answers": entry.answers,
        "baseline": group.baseline.name,
        "labels": entry.label_count,
        "rows_per_label": entry.rows_per_label,
    }
    line |= {f"rows_{k}": entry.rows.get(k) for k in ("all", "train", "validation", "test")}
    for name in group.metrics:
        low, high = entry.interval(name) or (None, None)
        change = group.change(entry.name, name)
        paired = None if change is None else change.paired
        line |= {
            name: entry.value(name),
            f"{name}_low": low,
            f"{name}_high": high,
            f"{name}_change_percent": None if change is None else change.percent,
            f"{name}_p": None if paired is None else paired.p_holm,
            f"{name}_verdict": None if paired is None else paired.verdict,
        }
    place = list(group.entries).index(entry)
    return line | {key: values[place] for key, values in group.settings.items()}


def as_json(
    groups: Sequence[Group],
    left_out: Sequence[Problem],
    rows: tuple[Entry, Entry] | None = None,
) -> dict[str, Any]:
    """The comparison as plain JSON: all that the other forms show, and every differing row."""
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "groups": [_group(group) for group in groups],
        "left_out": [
            {
                "code": problem.code,
                "where": None if problem.where is None else str(problem.where),
                "message": str(problem),
            }
            for problem in left_out
        ],
    }
    return found if rows is None else found | {"rows": _rows(*rows)}


def _group(group: Group) -> dict[str, Any]:
    return {
        "answers": group.answers,
        "baseline": group.baseline.name,
        "metrics": list(group.metrics),
        "computed_unlike": list(group.unlike),
        "runs": [_run(entry) for entry in group.entries],
        "differing_settings": dict(group.settings),
        "changes": [asdict(change) for change in group.changes],
        "pareto": front(group),
        "warnings": list(group.warnings),
        "findings": findings(group),
        "recommendation": [asdict(choice) for choice in recommend(group)],
    }


def _run(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "layout": entry.layout,
        "rows": dict(entry.rows),
        "labels": entry.label_count,
        "rows_per_label": entry.rows_per_label,
        "scores": {name: dict(score) for name, score in entry.scores.items()},
        "best_baseline": None if entry.rival is None else asdict(entry.rival),
        "settings": dict(entry.settings),
        "missing": list(entry.missing),
        "warnings": list(entry.warnings),
        "checks": list(entry.checks),
    }


def _rows(a: Entry, b: Entry) -> dict[str, Any]:
    found, common = differing_rows(a, b)
    return {
        "a": a.name,
        "b": b.name,
        "common": common,
        "differing": [
            {
                "id": each.id,
                "text": each.text,
                "gold": list(each.gold.gold_labels) or each.gold.gold,
                "difference": each.difference,
                "a": _answer(each.a),
                "b": _answer(each.b),
            }
            for each in found
        ],
    }


def _answer(said: Any) -> Mapping[str, Any]:
    return {
        "labels": None if said.labels is None else list(said.labels),
        "generated": said.generated,
        "correct": said.correct,
        "score": said.score,
    }
