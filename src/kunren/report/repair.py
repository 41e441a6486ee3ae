"""How ``kunren run --fix`` came to a run, as its record tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.doctor.fixes import shown
from kunren.evaluation.told import metric_name
from kunren.messages import text
from kunren.records.facts import Facts
from kunren.report.course import POINTS
from kunren.report.format import Table, decimal


def said(facts: Facts) -> Sequence[str]:
    """What happened, and how the decisions were made; empty where nothing was to be mended."""
    story = facts.repair
    if story is None or not story["attempts"]:
        return ()
    attempts, chosen = story["attempts"], story["chosen"]
    if chosen is None or attempts[chosen]["error"] is not None:
        return (text("repair.said-none", total=len(attempts)),)
    if len(attempts) == 1:
        return (text("repair.said-once"),)
    number = {"number": chosen + 1, "total": len(attempts)}
    lines = [
        text("repair.said", chosen=chosen + 1),
        text(f"repair.ended-{story['ended']}", **number),
    ]
    if any(attempt["trivial"] is not None for attempt in attempts):
        lines.append(text("repair.note-trivial"))
    return lines


def table(facts: Facts) -> Table | None:
    """One line an attempt; the one that was kept is marked."""
    story = facts.repair
    if story is None or not story["attempts"]:
        return None
    attempts, chosen = story["attempts"], story["chosen"]
    name = attempts[0]["metric"]
    metric = text("record.loss") if name == "loss" else metric_name(name)
    columns = [
        text("repair.column-attempt"),
        text("repair.column-findings"),
        text("repair.column-metric", metric=metric),
        text("repair.column-loss"),
        text("repair.column-epoch"),
        text("repair.column-changes"),
    ]
    rows = [
        [
            f"{number} ★" if number - 1 == chosen else str(number),
            _found(attempt),
            _value(attempt),
            decimal(attempt["loss"]),
            "—" if attempt["epoch"] is None else str(attempt["epoch"]),
            _changed(attempt),
        ]
        for number, attempt in enumerate(attempts, start=1)
    ]
    marked = frozenset(() if chosen is None else (chosen,))
    return Table(columns, rows, "llrrrl", marked)


def _found(attempt: Mapping[str, Any]) -> str:
    parts = [text("repair.stopped")] if attempt["error"] is not None else []
    parts += [finding["slug"] for finding in attempt["findings"]]
    return text("record.list").join(parts) or text("repair.none-found")


def _value(attempt: Mapping[str, Any]) -> str:
    digits = 1 if attempt["metric"] in POINTS else 3
    value = decimal(attempt["value"], digits)
    trivial = attempt["trivial"]
    return value if trivial is None else f"{value} ({decimal(trivial, digits)})"


def _changed(attempt: Mapping[str, Any]) -> str:
    changes = [
        f"{change['key']}: {shown(change['old'])} → {shown(change['new'])}"
        for change in attempt["changes"]
    ]
    return text("record.list").join(changes) or "—"
