"""What ``kunren check`` found out, as plain values and as lines to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from kunren.check import Checked, steps_of
from kunren.check_preview import Piece, Shown, preview
from kunren.data import notes
from kunren.doctor.reading import length
from kunren.duration import Duration, expected
from kunren.errors import Problem
from kunren.messages import text
from kunren.plan import SPLITS
from kunren.ready import readable
from kunren.report.format import clean
from kunren.tasks import filters

MOST_LABELS = 20
_HEAD, _TAIL = 24, 60
"""Pieces of a long prompt that are shown at its begin and before its end."""


def as_json(checked: Checked, records: Path) -> dict[str, Any]:
    """All of it as plain JSON values.

    Args:
        checked: what was found out.
        records: the folder of earlier runs, for the time that training will take.
    """
    plan, reading = checked.plan, checked.reading
    config = plan.config
    trainings = len(plan.folds) * max(1, len(config.evaluate.seeds))
    spent = expected(plan, reading, records)
    counts = {
        name: Counter(label for item in plan.items[name] for label in item.labels)
        for name in SPLITS
    }
    labels = sorted(plan.labels, key=lambda label: -counts["train"][label])
    return {
        "schema": 1,
        "name": config.name,
        "model": {"id": config.model.id, "family": config.model.family, "absent": checked.absent},
        "notes": [one | {"message": notes.said(note)} for one, note in _noted(plan.notes)],
        "rows": {name: len(plan.rows[name]) for name in SPLITS},
        "items": {name: len(plan.items[name]) for name in SPLITS},
        "filters": filters.as_json(plan.filtered) if plan.filtered.steps else None,
        "labels": {label: [counts[name][label] for name in SPLITS] for label in labels},
        "tokens": _tokens(checked),
        "steps": None if reading is None else asdict(steps_of(plan)) | {"trainings": trainings},
        "time": None if spent is None else asdict(spent),
        "preview": [] if reading is None else [asdict(row) for row in preview(plan, reading)],
        **checked.found,
    }


def lines(checked: Checked, told: Mapping[str, Any]) -> Iterator[str]:
    """Rows, tokens, steps and time, as sentences.

    Args:
        checked: what was found out.
        told: the same, from ``as_json``.
    """
    yield from (note["message"] for note in told["notes"])
    yield text("check.rows", **told["rows"])
    if told["items"] != told["rows"]:
        yield text("check.items", **told["items"])
    yield from filters.lines(checked.plan.filtered)
    if told["model"]["absent"] is not None:
        yield told["model"]["absent"]
        return
    if tokens := told["tokens"]:
        yield text("check.tokens", **{**tokens, "median": f"{tokens['median']:g}"})
        if not tokens["whole"]:
            yield text("check.tokens-part", looked_at=tokens["looked_at"])
    steps = told["steps"]
    config = checked.plan.config.train
    fields = {"rows": told["rows"]["train"], "batch": config.batch_size, "epochs": config.epochs}
    yield text("check.steps", **steps, **fields)
    if steps["trainings"] > 1:
        yield text("check.trainings", **steps)
    yield _time(told["time"])


def _noted(found: Sequence[Problem]) -> Iterator[tuple[dict[str, Any], Problem]]:
    yield from zip(notes.as_json(found), found, strict=True)


def label_columns() -> list[str]:
    """The headings of the label table."""
    return [text("check.label"), *(text(f"check.side-{side}") for side in SPLITS)]


def label_rows(told: Mapping[str, Any]) -> list[list[str]]:
    """The label table: a label, and how often it is an answer in each split."""
    shown = list(told["labels"].items())
    rows = [[clean(label), *map(str, counts)] for label, counts in shown[:MOST_LABELS]]
    if rest := shown[MOST_LABELS:]:
        sums = [str(sum(counts[n] for _, counts in rest)) for n in range(len(SPLITS))]
        rows.append([text("check.other-labels", count=len(rest)), *sums])
    return rows


def elided(pieces: Sequence[Piece]) -> list[Piece | int]:
    """Pieces, with the number of those left out in place of a long untrained middle."""
    first = next((n for n, piece in enumerate(pieces) if piece.trained), len(pieces))
    if first <= _HEAD + _TAIL:
        return list(pieces)
    return [*pieces[:_HEAD], first - _HEAD - _TAIL, *pieces[first - _TAIL :]]


def drawn(pieces: Sequence[Piece]) -> str:
    """Pieces on one line: counted ones in ⟦ ⟧, the others apart by a bar."""
    found = []
    for piece in elided(pieces):
        if isinstance(piece, int):
            found.append(text("check.left-out", count=piece))
        else:
            found.append(f"⟦{piece.text}⟧" if piece.trained else piece.text)
    return "|".join(found).replace("⟧|⟦", "⟧⟦").replace("|⟦", " ⟦").replace("⟧|", "⟧ ")


def markdown(checked: Checked, told: Mapping[str, Any], findings: Sequence[str]) -> str:
    """All of it in Markdown. What comes from data stands in indented code, or is escaped.

    Args:
        checked: what was found out.
        told: the same, from ``as_json``.
        findings: the lines that tell of what the rules found.
    """
    from kunren.report.format import markdown as escaped

    found = [f"# {escaped(text('check.title', name=told['name']))}", ""]
    found += [f"- {escaped(line.strip())}" for line in lines(checked, told)]
    if told["labels"]:
        found += ["", f"## {text('check.labels')}", ""]
        found += [f"| {' | '.join(label_columns())} |", "|---|---:|---:|---:|"]
        found += [f"| {escaped(row[0])} | {' | '.join(row[1:])} |" for row in label_rows(told)]
    if checked.reading is not None:
        found += ["", f"## {text('check.preview')}", "", text("check.legend"), ""]
        for row in preview(checked.plan, checked.reading):
            found += [f"{escaped(row.where)}:", ""]
            found += [f"    {line}" for line in preview_lines(row)]
            found.append("")
    found += ["", f"## {text('check.findings')}", "", *findings]
    return "\n".join(found).rstrip() + "\n"


def preview_lines(row: Shown) -> Iterator[str]:
    """A row drawn, one line a part."""
    yield (
        text("check.part-read", said=drawn(row.read))
        if row.written or row.labels
        else drawn(row.read)
    )
    if row.written:
        yield text("check.part-written", said=drawn(row.written))
    if row.labels:
        yield text("check.part-labels", said=" ".join(f"⟦{clean(la)}⟧" for la in row.labels))


def _tokens(checked: Checked) -> dict[str, Any] | None:
    reading = checked.reading
    if reading is None:
        return None
    sizes = [length(example) for made in reading.examples.values() for example in made]
    if not sizes:
        return None
    return {
        "median": median(sizes),
        "longest": max(sizes),
        "limit": checked.plan.config.train.max_length,
        "readable": readable(reading.family),
        "looked_at": len(sizes),
        "whole": reading.whole,
    }


def _time(spent: Mapping[str, Any] | None) -> str:
    if spent is None:
        return text("check.time-unknown")
    found = Duration(**spent)
    fields = {"low": _about(found.low), "high": _about(found.high), "run": found.run}
    return text(f"check.time-{found.basis}", **fields)


def _about(seconds: float) -> str:
    """A span of time as roughly as it is known."""
    if seconds < 90:
        return text("check.seconds", count=max(1, round(seconds)))
    if seconds < 90 * 60:
        return text("check.minutes", count=round(seconds / 60))
    return text("check.hours", count=f"{seconds / 3600:.1f}")
