"""The register of free text in the record: each system's beside gold's, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.evaluation.register import METRICS
from kunren.evaluation.statistics import SIGNIFICANCE
from kunren.evaluation.told import cell, gap, metric_name, number, p_value, system_name, unit
from kunren.messages import text
from kunren.report.format import Table


def table(metrics: Mapping[str, Any]) -> Table | None:
    """Gold's values, then each system's; None where they were not measured."""
    gold = metrics.get("register", {}).get("gold", {})
    names = [name for name in METRICS if gold.get(name, {}).get("value") is not None]
    if not names:
        return None
    of_all = {"gold": gold} | dict(metrics["systems"])
    rows = [
        [
            text("record.gold") if system == "gold" else system_name(system, metrics),
            *(cell(scores.get(name), unit(metrics, name)) for name in names),
        ]
        for system, scores in of_all.items()
    ]
    columns = [text("record.system"), *(metric_name(name) for name in names)]
    marked = frozenset(n for n, system in enumerate(of_all) if system == "tuned")
    return Table(columns, rows, "l" + "r" * len(names), marked)


def said(metrics: Mapping[str, Any]) -> list[str]:
    """Whether tuned answers in gold's register, by a test; and how the numbers were counted."""
    if table(metrics) is None:
        return []
    found = []
    share = metrics["systems"].get("tuned", {}).get("polite_share", {})
    if share.get("n_scored") and share["value"] is None:
        found.append(text("record.register-no-sentences"))
    pairs = metrics["register"].get("tuned", [])
    differing = [pair for pair in pairs if pair["p_holm"] < SIGNIFICANCE]
    if differing:
        named = text("record.register-and").join(_difference(metrics, pair) for pair in differing)
        found.append(text("record.register-differs", differences=named))
    elif pairs:
        found.append(text("record.register-same"))
    return [*found, text("record.register-counted")]


def _difference(metrics: Mapping[str, Any], pair: Mapping[str, Any]) -> str:
    name = pair["metric"]
    of = unit(metrics, name)
    low, high = (gap(end, of) for end in pair["ci95"])
    return text(
        "record.register-difference-count" if of == "count" else "record.register-difference-share",
        metric=metric_name(name),
        tuned=number(metrics["systems"]["tuned"][name]["value"], of),
        gold=number(metrics["register"]["gold"][name]["value"], of),
        gap=gap(pair["difference"], of),
        low=low,
        high=high,
        p=p_value(pair["p_holm"]),
    )
