"""An experiment of several rounds: what each gave, and how much chance alone moves it.

``eval_metrics.json`` has ``rounds`` and ``spread`` where the model was trained several times, on
other folds of the data or with other seeds; where it was trained once there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.evaluation.metric import Unit
from kunren.evaluation.told import (
    find_pair,
    gap,
    headline,
    metric_name,
    number,
    primary,
    unit,
)
from kunren.messages import text
from kunren.report.format import Table

LARGE = 2.0
"""From this many standard deviations on a difference is more than the rounds' own spread."""


def table(metrics: Mapping[str, Any]) -> Table | None:
    """One line a round, and below them mean ± standard deviation."""
    rounds: Sequence[Mapping[str, Any]] = metrics.get("rounds") or ()
    if len(rounds) < 2:
        return None
    names = [n for n in headline(metrics) if any(_value(r, n) is not None for r in rounds)]
    folds = any(r["fold"] is not None for r in rounds)
    columns = [text("record.round"), *([text("record.fold")] if folds else [])]
    columns += [text("record.seed"), text("record.test-rows"), *map(metric_name, names)]
    rows = [
        [
            str(n),
            *(["—" if r["fold"] is None else str(r["fold"])] if folds else []),
            str(r["seed"]),
            f"{r['rows']:,}",
            *(_cell(_value(r, name), unit(metrics, name)) for name in names),
        ]
        for n, r in enumerate(rounds, start=1)
    ]
    spread = metrics.get("spread") or {}
    means = [_mean(spread.get(name), unit(metrics, name)) for name in names]
    rows.append([text("record.mean-sd"), *([""] if folds else []), "", "", *means])
    align = "l" + "r" * (len(columns) - 1)
    return Table(columns, rows, align, frozenset({len(rows) - 1}))


def _value(of: Mapping[str, Any], name: str) -> float | None:
    found: float | None = of["values"].get(name)
    return found


def _cell(value: float | None, of: Unit) -> str:
    return "—" if value is None else number(value, of)


def deviation(sd: float, of: Unit) -> str:
    """A standard deviation in the unit of its metric: ``3.2`` points, or a count."""
    return gap(sd, of).lstrip("+")


def _mean(spread: Mapping[str, Any] | None, of: Unit) -> str:
    if spread is None or spread["mean"] is None:
        return "—"
    if spread["sd"] is None:
        return number(spread["mean"], of)
    return f"{number(spread['mean'], of)} ± {deviation(spread['sd'], of)}"


def said(metrics: Mapping[str, Any]) -> list[str]:
    """How the rounds came about, how far they lie apart, and what of the gain that accounts for."""
    rounds: Sequence[Mapping[str, Any]] = metrics.get("rounds") or ()
    if len(rounds) < 2:
        return []
    folds = {r["fold"] for r in rounds} - {None}
    seeds = {r["seed"] for r in rounds}
    kind = "folds-seeds" if folds and len(seeds) > 1 else "folds" if folds else "seeds"
    made = text(f"record.rounds-{kind}", folds=len(folds), seeds=len(seeds))
    found = [text("record.joined").join((made, text("record.rounds-kept")))]
    by = primary(metrics)
    of, spread = unit(metrics, by), (metrics.get("spread") or {}).get(by)
    if spread is None or not spread["sd"]:
        return found
    ends = {"low": number(spread["min"], of), "high": number(spread["max"], of)}
    middle = {"mean": number(spread["mean"], of), "sd": _points(spread["sd"], of)}
    found.append(text("record.rounds-spread", metric=metric_name(by), **ends, **middle))
    pair = find_pair(metrics, "base")
    if pair is not None:
        cause = {"folds-seeds": "both", "folds": "folds", "seeds": "seeds"}[kind]
        times = abs(pair["difference"]) / spread["sd"]
        found.append(
            text(
                f"record.rounds-{'larger' if times >= LARGE else 'smaller'}",
                gap=_points(pair["difference"], of, signed=True),
                cause=text(f"record.rounds-cause-{cause}"),
                times=f"{times:.1f}",
            )
        )
    return found


def _points(value: float, of: Unit, *, signed: bool = False) -> str:
    shown = gap(value, of)
    shown = shown if signed else shown.lstrip("+")
    return shown if of == "count" else text(f"record.trust-half-{of}", half=shown)
