"""Writes the record of a run for people: a pure function of the run folder.

Rendering again gives the same bytes, except for what the user wrote into the notes of
``summary.md``, which is kept.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kunren.evaluation.score import system_name
from kunren.messages import language, text
from kunren.records import files
from kunren.records.facts import Facts, read_facts
from kunren.records.predictions import Predicted
from kunren.records.trainlog import by_epoch
from kunren.report import charts
from kunren.report.format import Table, clean, emoji_name, markdown
from kunren.report.summary import Summary, kept_epoch, summarise

SAMPLE = 20
"""Rows in ``predictions_sample.jsonl``."""

NOTES = "<!-- kunren:notes -->"
"""Everything after this line of ``summary.md`` is the user's."""

_HEADINGS = re.compile(r"^## +(?:メモ|Notes)\s*$", re.MULTILINE)

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render(run_folder: Path) -> None:
    """Write ``summary.md``, ``report.html``, ``charts/``, ``comparison.csv`` and the sample.

    Whatever is not there yet (a run that was stopped) is said to be missing, not guessed.

    Raises:
        InputError: not a run folder, or a file of it is broken.
    """
    facts = read_facts(run_folder)
    summary = summarise(facts)
    drawn = _charts(facts)
    if drawn:
        (run_folder / "charts").mkdir(exist_ok=True)
    for name, picture in drawn.items():
        files.write_bytes(run_folder / "charts" / f"{name}.png", picture)
    if facts.predictions is not None:
        _write_comparison(run_folder / "comparison.csv", facts.predictions)
        sampled = (asdict(row) for row in _spread(facts.predictions, SAMPLE))
        files.write_jsonl(run_folder / "predictions_sample.jsonl", sampled)
    files.write_text(run_folder / "report.html", _html(facts, summary, drawn))
    path = run_folder / "summary.md"
    notes = _kept_notes(path)
    files.write_text(path, _markdown(summary, drawn) + notes)


def _charts(facts: Facts) -> dict[str, bytes]:
    metrics, rows = facts.metrics or {}, facts.predictions or ()
    labels = metrics.get("labels", [])
    epochs = by_epoch(facts.log or ())
    drawn = {
        "loss": charts.loss_curve(facts.log or (), epochs, kept_epoch(facts, epochs)),
        "labels": charts.label_frequency(rows, labels),
        "confusion": charts.confusion(metrics.get("confusion", {}).get("tuned", []), labels),
    }
    return {name: picture for name, picture in drawn.items() if picture is not None}


def _spread(rows: Sequence[Predicted], count: int) -> Sequence[Predicted]:
    """``count`` rows at even distances, so that the sample is of the whole and always the same."""
    if len(rows) <= count:
        return rows
    return [rows[n * len(rows) // count] for n in range(count)]


def _write_comparison(path: Path, rows: Sequence[Predicted]) -> None:
    """The untuned and the tuned model side by side, row by row.

    A text that a spreadsheet would take for a formula gets an apostrophe in front;
    ``predictions.jsonl`` has it as it is.
    """
    parts = ("label", "probability", "correct", "generated")
    models = ("base", "tuned")
    columns = ["id", "row_id", "text", "gold", "change"]
    columns += [f"{system}_{part}" for system in models for part in parts]
    lines = []
    for row in rows:
        line: dict[str, object] = {
            "id": row.id,
            "row_id": row.row_id,
            "text": row.text,
            "gold": row.gold,
            "change": _change(row),
        }
        for system in models:
            said = row.systems.get(system)
            line |= {f"{system}_{p}": None if said is None else getattr(said, p) for p in parts}
        lines.append({name: _harmless(value) for name, value in line.items()})
    files.write_csv(path, lines, columns)


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _change(row: Predicted) -> str:
    """``fixed``, ``broken``, ``right`` or ``wrong``; empty where tuned or base has no answer."""
    base, tuned = row.systems.get("base"), row.systems.get("tuned")
    if tuned is None or tuned.correct is None:
        return ""
    if base is not None and base.correct is not None and base.correct != tuned.correct:
        return "fixed" if tuned.correct else "broken"
    return "right" if tuned.correct else "wrong"


def _environment(*, html: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("kunren.report"),
        autoescape=html,  # noqa: S701  (Markdown is escaped by the filter ``md``)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": markdown, "clean": clean, "mdtable": _markdown_table}
    environment.globals |= {
        "t": lambda key, /, **fields: text(f"record.{key}", **fields),
        "language": language(),
        "system_name": system_name,
        "emoji_name": emoji_name,
    }
    return environment


def _markdown_table(table: Table) -> str:
    rule = {"l": "---", "r": "---:"}
    lines = [
        _markdown_row(table.columns),
        "|" + "|".join(rule[letter] for letter in table.align) + "|",
    ]
    for number, row in enumerate(table.rows):
        lines.append(_markdown_row(row, bold=number in table.marked))
    return "\n".join(lines)


def _markdown_row(cells: Sequence[str], *, bold: bool = False) -> str:
    said = [markdown(cell) for cell in cells]
    return "| " + " | ".join(f"**{s}**" if bold and s else s for s in said) + " |"


def _markdown(summary: Summary, drawn: Mapping[str, bytes]) -> str:
    template = _environment(html=False).get_template("summary.md.jinja")
    written = template.render(s=summary, charts=list(drawn))
    tidy = re.sub(r"\n{3,}", "\n\n", written).strip()
    return f"{tidy}\n\n{NOTES}\n"


def _kept_notes(path: Path) -> str:
    """What the user wrote below the notes line of an earlier record.

    Without the line, all below the notes' heading; without that too, the file is no record of ours
    any more, and a copy of it is kept as ``summary.old.md``.
    """
    empty = "\n" + text("record.notes-empty") + "\n"
    if not path.is_file():
        return empty
    with path.open(encoding="utf-8", newline="") as file:
        old = file.read()
    head, line, notes = old.partition(NOTES)
    if line:
        return notes.removeprefix("\r").removeprefix("\n") or empty
    heading = _HEADINGS.search(head)
    if heading is not None:
        return head[heading.end() :].lstrip("\r\n")
    if head.strip():
        files.write_text(path.with_name("summary.old.md"), old)
    return empty


def _html(facts: Facts, summary: Summary, drawn: Mapping[str, bytes]) -> str:
    parts = resources.files(__package__) / "templates"
    script = (parts / "report.js").read_text(encoding="utf-8")
    style = (parts / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    rows = facts.predictions or ()
    return (
        _environment(html=True)
        .get_template("report.html.jinja")
        .render(
            s=summary,
            charts={name: _inline(picture) for name, picture in drawn.items()},
            rows=[_html_row(row) for row in rows],
            systems=list(dict.fromkeys(system for row in rows for system in row.systems)),
            script=Markup(script),  # noqa: S704  (our own file, and its hash is in the policy)
            style=Markup(style),  # noqa: S704
            digest=digest,
        )
    )


def _inline(picture: bytes) -> dict[str, object]:
    """A PNG as text, with the width at which its letters are as large as the page's."""
    width = int.from_bytes(picture[16:20], "big")  # of the header chunk IHDR
    return {"data": base64.b64encode(picture).decode("ascii"), "width": width * 96 // charts.DPI}


def _html_row(row: Predicted) -> dict[str, Any]:
    return {"row": row, "change": _change(row)}
