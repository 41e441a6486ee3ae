"""How ``kunren run --fix`` came to a run, as its record tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.doctor.fixes import shown
from kunren.evaluation.score import KINDS
from kunren.evaluation.sentences import sentences
from kunren.evaluation.told import metric_name, signed
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
    judged, primary = attempts[0]["metric"], KINDS[facts.answers].primary
    both = judged != primary and any(attempt["beyond"] is not None for attempt in attempts)
    columns = [
        text("repair.column-attempt"),
        text("repair.column-findings"),
        text("repair.column-outcome"),
        text("repair.column-metric", metric=_metric(judged)),
        *([text("repair.column-beyond", metric=metric_name(primary))] if both else ()),
        text("repair.column-loss"),
        text("repair.column-epoch"),
    ]
    rows = [
        [
            f"{number} ★" if number - 1 == chosen else str(number),
            _found(attempt),
            _outcome(attempts, number),
            _value(attempt),
            *([_gap(attempt["beyond"], primary)] if both else ()),
            decimal(attempt["loss"]),
            "—" if attempt["epoch"] is None else str(attempt["epoch"]),
        ]
        for number, attempt in enumerate(attempts, start=1)
    ]
    marked = frozenset(() if chosen is None else (chosen,))
    return Table(columns, rows, "lll" + "r" * (len(columns) - 3), marked)


def changes(facts: Facts) -> Table | None:
    """One line a change of the config, with the reason for it; None: nothing was changed."""
    attempts = (facts.repair or {}).get("attempts", ())
    rows = [
        [
            f"{_onto(attempt, number)} → {number + 1}",
            change["key"],
            shown(change["old"]),
            shown(change["new"]),
            _why(change),
        ]
        for number, attempt in enumerate(attempts, start=1)
        for change in attempt["changes"]
    ]
    names = ("attempt", "key", "old", "new", "why")
    columns = [text(f"repair.column-{name}") for name in names]
    return Table(columns, rows, "lllll") if rows else None


def _onto(attempt: Mapping[str, Any], number: int) -> int:
    """The number, from 1, of the attempt that a change was made on; in older records its own."""
    onto = attempt.get("onto")
    return number if onto is None else onto + 1


def _outcome(attempts: Sequence[Mapping[str, Any]], number: int) -> str:
    """What became of an attempt: whether the next was built on it."""
    if number == 1:
        return text("repair.outcome-first")
    onto = attempts[number - 1].get("onto")
    return text(f"repair.outcome-{'kept' if onto in (None, number - 1) else 'rejected'}")


def _metric(name: str) -> str:
    return text("record.loss") if name == "loss" else metric_name(name)


def _found(attempt: Mapping[str, Any]) -> str:
    """What was mended, what is critical, and how much else."""
    mended = {slug for change in attempt["changes"] for slug in change["slugs"]}
    findings = attempt["findings"]
    told = [f["slug"] for f in findings if f["slug"] in mended or f["severity"] == "critical"]
    parts = [text("repair.stopped")] if attempt["error"] is not None else []
    parts += told
    if others := len(findings) - len(told):
        parts.append(text("repair.others", count=others))
    return text("record.list").join(parts) or text("repair.none-found")


def _why(change: Mapping[str, Any]) -> str:
    """The rules that asked for a change, and the first two sentences of what each found."""
    said = zip(change["slugs"], change["why"], strict=True)
    return text("repair.between").join(
        f"{slug}: {text('repair.sentences').join(sentences(why)[:2])}" for slug, why in said
    )


def _value(attempt: Mapping[str, Any]) -> str:
    digits = 1 if attempt["metric"] in POINTS else 3
    value = decimal(attempt["value"], digits)
    trivial = attempt["trivial"]
    return value if trivial is None else f"{value} ({decimal(trivial, digits)})"


def _gap(beyond: float | None, metric: str) -> str:
    if beyond is None:
        return "—"
    return signed(beyond, 1 if metric in POINTS else 3)
