"""Writes the record of a run for people: a pure function of the run folder.

Rendering again gives the same bytes, except for what the user wrote into the notes of
``summary.md``, which is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from kunren.messages import language, text
from kunren.records import files
from kunren.records.facts import Facts, read_facts
from kunren.records.predictions import Predicted, write_predictions
from kunren.records.trainlog import by_epoch
from kunren.report import card, charts, course, errors, page, samples
from kunren.report.format import clean, markdown, markdown_table, verbatim
from kunren.report.summary import Summary, summarise
from kunren.tasks import Answers

SAMPLE = 20
"""Rows in ``predictions_sample.jsonl``."""

NOTES = "<!-- kunren:notes -->"
"""Everything after this line of ``summary.md`` is the user's."""

_HEADINGS = re.compile(r"^## +(?:メモ|Notes)\s*$", re.MULTILINE)


def render(run_folder: Path) -> None:
    """Write ``summary.md``, ``report.html``, ``charts/``, ``comparison.csv``, sample, model card.

    Whatever is not there yet (a run that was stopped) is said to be missing, not guessed.

    Raises:
        InputError: not a run folder, or a file of it is broken.
    """
    facts = read_facts(run_folder)
    drawn = _charts(facts)
    summary = summarise(facts, drawn=bool(drawn))
    if drawn:
        (run_folder / "charts").mkdir(exist_ok=True)
    for name, picture in drawn.items():
        files.write_bytes(run_folder / "charts" / f"{name}.png", picture)
    if facts.predictions is not None:
        _write_comparison(run_folder / "comparison.csv", facts.predictions, facts.answers)
        sampled = _spread(facts.predictions, SAMPLE)
        write_predictions(run_folder / "predictions_sample.jsonl", sampled)
    written = page.html(environment(html=True), facts, summary, drawn)
    files.write_text(run_folder / "report.html", written)
    card.write(environment(html=False), facts, summary)
    path = run_folder / "summary.md"
    notes = _kept_notes(path)
    files.write_text(path, _markdown(summary, drawn) + notes)


def _charts(facts: Facts) -> dict[str, bytes]:
    metrics = facts.metrics or {}
    rows = samples.read(facts)
    epochs = by_epoch(facts.log or ())
    kept = course.kept_epoch(facts, epochs)
    labels, cells = metrics.get("labels", []), metrics.get("confusion", {}).get("tuned", [])
    drawn = {
        "loss": charts.loss_curve(facts.log or (), epochs, kept),
        "metrics": charts.metric_curves(epochs, course.measured(facts, epochs), kept),
        "labels": None
        if facts.answers == "text"
        else charts.label_frequency(rows.gold, rows.said, labels),
        "confusion": charts.confusion(cells, labels),
        "calibration": charts.reliability(
            metrics.get("calibration", {}).get("tuned", ()),
            metrics.get("systems", {}).get("tuned", {}).get("ece", {}).get("value"),
        ),
        "scores": charts.score_distribution(facts.predictions or ())
        if facts.answers == "text"
        else None,
    }
    if errors.levels(rows) > 1 and len(labels) > charts.FEW_LABELS:
        drawn["confusion_level1"] = charts.confusion(*errors.levels_of_cells(rows, cells))
    return {name: picture for name, picture in drawn.items() if picture is not None}


def _spread(rows: Sequence[Predicted], count: int) -> Sequence[Predicted]:
    """``count`` rows at even distances, so that the sample is of the whole and always the same."""
    if len(rows) <= count:
        return rows
    return [rows[n * len(rows) // count] for n in range(count)]


_PARTS: Mapping[Answers, Sequence[str]] = {
    "label": ("label", "probability", "correct", "generated"),
    "set": ("labels", "score", "correct", "generated", "invalid"),
    "text": ("generated", "score", "correct"),
}
"""What of an answer stands in ``comparison.csv``."""


def _write_comparison(path: Path, rows: Sequence[Predicted], answers: Answers) -> None:
    """The untuned and the tuned model side by side, row by row.

    What a spreadsheet would take for a formula is made harmless; ``predictions.jsonl`` has it as
    it is.
    """
    parts, models = _PARTS[answers], ("base", "tuned")
    columns = ["id", "row_id", "text", "gold", "change"]
    columns += [f"{system}_{part}" for system in models for part in parts]
    lines = []
    for row in rows:
        line: dict[str, object] = {
            "id": row.id,
            "row_id": row.row_id,
            "text": row.text,
            "gold": row.gold,
            "change": samples.change(row, answers),
        }
        for system in models:
            said = row.systems.get(system)
            line |= {f"{system}_{p}": None if said is None else getattr(said, p) for p in parts}
        lines.append({name: " ".join(v) if isinstance(v, tuple) else v for name, v in line.items()})
    files.write_csv(path, lines, columns)


def environment(*, html: bool) -> Environment:
    """How templates are read: escaped for HTML, or with the filter ``md`` for Markdown."""
    made = Environment(
        loader=PackageLoader("kunren.report"),
        autoescape=html,  # noqa: S701  (Markdown is escaped by the filter ``md``)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"md": markdown, "clean": clean, "mdtable": markdown_table}
    made.filters["verbatim"] = verbatim
    made.globals |= {
        "t": lambda key, /, **fields: text(f"record.{key}", **fields),
        "language": language(),
    }
    return made


def _markdown(summary: Summary, drawn: Mapping[str, bytes]) -> str:
    template = environment(html=False).get_template("summary.md.jinja")
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
    # At the beginning of a line: a system prompt that is quoted above is indented.
    head, line, notes = old.partition(f"\n{NOTES}")
    if line:
        return notes.removeprefix("\r").removeprefix("\n") or empty
    heading = _HEADINGS.search(head)
    if heading is not None:
        return head[heading.end() :].lstrip("\r\n")
    if head.strip():
        files.write_text(path.with_name("summary.old.md"), old)
    return empty
