"""What training changed, and how far the model is from the best trivial baseline: in percent too.

As the seeds' tables have it: the other's value, ours, the change. Of shares the difference is told
in points and, in brackets, relative to the other's value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.evaluation.metric import Unit
from kunren.evaluation.told import (
    best_baseline,
    find_pair,
    gap,
    metric_name,
    number,
    percent,
    primary,
    shown,
    signed,
    system_name,
    unit,
)
from kunren.messages import text
from kunren.report.format import Table

MOST_LABELS = 20
"""Labels in the table of each one's gain: of more, the ends of the order."""

COARSE = 10.0
"""From this many percent on a relative change is told without decimals."""


def by_training(metrics: Mapping[str, Any]) -> Table | None:
    """Every metric before training and after; None: one of the two is not there."""
    return _against(metrics, "base", text("record.change"))


def to_baseline(metrics: Mapping[str, Any]) -> tuple[str, Table] | None:
    """The best trivial baseline's name, and every metric of it beside the tuned model's."""
    best = best_baseline(metrics)
    made = None if best is None else _against(metrics, best, text("record.difference"))
    return None if best is None or made is None else (system_name(best, metrics), made)


def _against(metrics: Mapping[str, Any], other: str, heading: str) -> Table | None:
    systems = metrics["systems"]
    if other not in systems or "tuned" not in systems:
        return None
    rows: list[list[str]] = []
    marked: list[int] = []
    for name in shown(metrics):
        old, new = (_value(systems[system], name) for system in (other, "tuned"))
        if old is None or new is None:
            continue
        if name == primary(metrics):
            marked.append(len(rows))
        of, pair = unit(metrics, name), find_pair(metrics, other, name)
        verdict = "—" if pair is None else text(f"record.{pair['verdict']}")
        signed = of == "coefficient" or (of == "count" and _better(metrics, name) is None)
        changed = change(old, new, of, percent=not signed)
        line = [_named(metrics, name), number(old, of), number(new, of), changed]
        rows.append([*line, verdict])
    if not rows:
        return None
    columns = [
        text("record.metric"),
        system_name(other, metrics),
        system_name("tuned", metrics),
        heading,
        text("record.judged"),
    ]
    return Table(columns, rows, "lrrrl", frozenset(marked))


def by_label(metrics: Mapping[str, Any]) -> Table | None:
    """How well each label is found and answered before training and after, the greatest gain first.

    By F1, which is 0 where a label of gold is never answered. None: one of the two systems gave no
    labels, or no label's F1 has changed. Of many labels the ends are shown: those that gained and
    those that lost most.
    """
    scores = metrics.get("per_label", {})
    old, new = scores.get("base"), scores.get("tuned")
    if not old or not new:
        return None
    gains = {
        label: (_f1(old[label]), _f1(said), said["support"])
        for label, said in new.items()
        if said["support"] and label in old and _f1(old[label]) != _f1(said)
    }
    order = sorted(gains, key=lambda label: (gains[label][0] - gains[label][1], -gains[label][2]))
    half = MOST_LABELS // 2
    if len(order) > MOST_LABELS:
        order = [*order[:half], *order[-half:]]
    rows = [
        [
            label,
            f"{gains[label][2]:,}",
            *(_recalled(of[label]) for of in (old, new)),
            *(f"{value:.2f}" for value in gains[label][:2]),
            signed(gains[label][1] - gains[label][0], 2),
        ]
        for label in order
    ]
    names = ("label", "gold", "recall-before", "recall-after", "f1-before", "f1-after", "f1-change")
    return Table([text(f"record.{name}") for name in names], rows, "lrrrrrr") if rows else None


def _f1(said: Mapping[str, Any]) -> float:
    return float(said["f1"] or 0.0)


def _recalled(said: Mapping[str, Any]) -> str:
    return "—" if said["recall"] is None else percent(said["recall"])


def _value(scores: Mapping[str, Any], metric: str) -> float | None:
    found: float | None = (scores.get(metric) or {}).get("value")
    return found


def _better(metrics: Mapping[str, Any], name: str) -> str | None:
    found: str | None = metrics.get("metrics", {}).get(name, {}).get("better")
    return found


def _named(metrics: Mapping[str, Any], name: str) -> str:
    said = metric_name(name)
    lower = _better(metrics, name) == "lower"
    return text("record.lower-is-better", metric=said) if lower else said


def change(old: float, new: float, of: Unit = "share", *, percent: bool = True) -> str:
    """``+42.7 points (+1,067 %)``: the difference, and what share of the old value it is.

    Args:
        old: the other's value.
        new: ours.
        of: their unit.
        percent: whether a share of the old value has a sense: not of what may be negative.
    """
    whole = of == "count" and old == round(old) and new == round(new)
    return text(
        f"record.change-{of}",
        gap=signed(new - old, 0) if whole else gap(new - old, of),
        relative=relative(old, new) if percent else "—",
    )


def relative(old: float, new: float) -> str:
    """The change in percent of the old value; a dash where that is 0 or below: it has no sense."""
    if old <= 0:
        return "—"
    percent = 100 * (new - old) / old
    return f"{percent:+,.0f} %" if abs(percent) >= COARSE else f"{signed(percent, 1)} %"
