"""How the numbers and settings of compared runs are put into words."""

from __future__ import annotations

from kunren.evaluation.told import number, signed
from kunren.messages import catalogue, language, text
from kunren.records.entry import Entry


def name_of(metric: str) -> str:
    """What a metric is called; one that the catalogue does not know is called what it is."""
    for area in ("evaluate", "compare"):
        if f"metric-{metric}" in catalogue(area):
            return text(f"{area}.metric-{metric}")
    name, level, depth = metric.partition("_level")
    if level and f"metric-{name}" in catalogue("evaluate"):
        said = text(f"evaluate.metric-{name}")
        return text("evaluate.metric-at-level", metric=said, level=depth)
    return metric


def in_sentence(metric: str) -> str:
    """Its name where a particle follows: ``マクロ F1 は``, but ``正解率は``."""
    name = name_of(metric)
    return f"{name} " if language() == "ja" and name[-1].isascii() else name


def said_verdict(verdict: str | None) -> str:
    """``判定: 改善``; or that there was no paired test."""
    if verdict is None:
        return text("compare.not-tested")
    return text("compare.judged", verdict=text(f"compare.{verdict}"))


def said_value(entry: Entry, metric: str) -> str:
    """A run's value of a metric, in its unit; a dash where there is none."""
    value = entry.value(metric)
    return "—" if value is None else number(value, entry.unit(metric))


def said_percent(change: float | None) -> str:
    """``+38 %``; one decimal below 10; a dash where there is none."""
    if change is None:
        return "—"
    return f"{signed(change, 1 if abs(change) < 10 else 0)} %"


def said_setting(value: object) -> str:
    """A setting as one reads it; a dash where a run does not have it."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return text("record.list").join(map(str, value)) or "—"
    return str(value)
