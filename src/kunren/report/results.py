"""The scores of a run as tables, and what must be said beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kunren.evaluation import counts, register
from kunren.evaluation.calibration import by_chance
from kunren.evaluation.metric import Space, answer_key
from kunren.evaluation.told import (
    best_baseline,
    cell,
    compared,
    find_pair,
    gap,
    headline,
    metric_name,
    number,
    p_value,
    primary,
    shown,
    system_name,
    unit,
)
from kunren.messages import text
from kunren.records.facts import Facts
from kunren.records.predictions import Predicted
from kunren.report import prompted
from kunren.report.format import Table

_OF_COUNTS = {
    "diversity": counts.diversity,
    "top1_share": counts.top1_share,
    "unique_labels": counts.unique_labels,
    "coverage": counts.coverage,
    "entropy": counts.entropy,
}

CONSTANT = ("constant", "majority")
"""Baselines that answer the same to everything; a model that is not above them learnt nothing."""

SPREAD = tuple(_OF_COUNTS)
"""Metrics of how varied the answers are; they stand in a table of their own, beside gold's."""


def caveats(facts: Facts) -> list[str]:
    """What the reader must know before any praise."""
    found = []
    if (facts.manifest or {}).get("model", {}).get("pretrained") is False:
        found.append(text("record.not-pretrained"))
    metrics = facts.metrics
    if metrics is None:
        return found
    constant = [name for name in CONSTANT if name in metrics["systems"]]
    rivals = ["base", best_baseline(metrics), *constant[:1]]
    for system in dict.fromkeys(name for name in rivals if name is not None):
        pair = find_pair(metrics, system)
        if pair is None or pair["verdict"] == "better":
            continue
        by = primary(metrics)
        of = unit(metrics, by)
        value, other = (metrics["systems"][name][by]["value"] for name in ("tuned", system))
        found.append(
            text(
                f"record.caveat-{pair['verdict']}",
                name=system_name(system, metrics),
                metric=metric_name(by),
                tuned=number(value, of),
                other=number(other, of),
            )
        )
    return found


def table(metrics: Mapping[str, Any]) -> Table:
    """The main table: the metrics of the headline, with intervals."""
    return _table(metrics, _scored(metrics, headline(metrics)), intervals=True)


def others(metrics: Mapping[str, Any]) -> Table | None:
    """The metrics that are in no other table, without intervals."""
    elsewhere = (*headline(metrics), *SPREAD, *register.METRICS)
    left = [n for n in shown(metrics) if n not in elsewhere]
    names = _scored(metrics, left)
    return _table(metrics, names, intervals=False) if names else None


def _scored(metrics: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Those that any system has a value of."""
    systems = metrics["systems"].values()
    return [n for n in names if any((s.get(n) or {}).get("value") is not None for s in systems)]


def _table(metrics: Mapping[str, Any], names: Sequence[str], *, intervals: bool) -> Table:
    rows = []
    for system, scores in metrics["systems"].items():
        line = [system_name(system, metrics)]
        for name in names:
            score = scores.get(name)
            kept = score if score is None or intervals else {**score, "ci95": None}
            line.append(cell(kept, unit(metrics, name)))
        rows.append(line)
    columns = [text("record.system"), *(metric_name(name) for name in names)]
    return Table(columns, rows, "l" + "r" * len(names), _tuned(metrics))


def _tuned(metrics: Mapping[str, Any]) -> frozenset[int]:
    return frozenset(n for n, system in enumerate(metrics["systems"]) if system == "tuned")


def differences(metrics: Mapping[str, Any]) -> Table | None:
    """Tuned against every other system."""
    if not metrics["paired"]:
        return None
    corrected = any("p_holm" in pair for pair in metrics["paired"])
    asked = any(pair.get("rows_needed") for pair in metrics["paired"])
    names = ["comparison", "metric", "gap", "ci95", "p", *(["p-holm"] if corrected else [])]
    names += ["judged", *(["rows-needed"] if asked else [])]
    rows = []
    for pair in metrics["paired"]:
        of = unit(metrics, pair["metric"])
        low, high = (gap(end, of) for end in pair["ci95"])
        a, b = (system_name(pair[side], metrics) for side in ("a", "b"))
        rows.append(
            [
                text("record.against", a=a, b=b),
                metric_name(pair["metric"]),
                gap(pair["difference"], of),
                f"[{low}, {high}]",
                p_value(pair["p"]),
                *([p_value(pair.get("p_holm", pair["p"]))] if corrected else []),
                text(f"record.{pair['verdict']}"),
                *([_needed(pair)] if asked else []),
            ]
        )
    align = "llrrr" + "r" * corrected + "l" + "r" * asked
    return Table([text(f"record.{name}") for name in names], rows, align)


def _needed(pair: Mapping[str, Any]) -> str:
    """Test rows that would tell, where the verdict is open."""
    rows = pair.get("rows_needed")
    return text("record.about-rows", rows=rows) if rows else "—"


def spread(metrics: Mapping[str, Any]) -> Table | None:
    """How varied each system's labels are beside gold's: a collapse shows at a glance."""
    counted: Mapping[str, Mapping[str, int]] = metrics.get("frequencies", {})
    if not counted.get("gold"):
        return None
    names = _scored(metrics, [n for n in SPREAD if n in metrics.get("metrics", {})])
    columns = [text("record.system"), text("record.commonest"), *(metric_name(n) for n in names)]
    rows = []
    for system in ("gold", *(s for s in metrics["systems"] if s in counted)):
        frequencies = counted[system]
        of_gold = system == "gold"
        line = [text("record.gold") if of_gold else system_name(system, metrics)]
        line.append(_commonest(frequencies) or "—")
        for name in names:
            value = (
                _of_gold(name, frequencies, metrics)
                if of_gold
                else metrics["systems"][system][name]["value"]
            )
            line.append("—" if value is None else number(value, unit(metrics, name)))
        rows.append(line)
    marked = [n for n, s in enumerate(["gold", *metrics["systems"]]) if s == "tuned"]
    return Table(columns, rows, "ll" + "r" * len(names), frozenset(marked))


def _of_gold(name: str, frequencies: Mapping[str, int], metrics: Mapping[str, Any]) -> float | None:
    """Gold's own value of a metric of ``SPREAD``; None where it is undefined."""
    said = np.array(list(frequencies.values()), dtype=np.float64)
    none = np.zeros_like(said)
    index = {answer_key(label): n for n, label in enumerate(frequencies)}
    frequent = tuple(metrics.get("most_frequent", ()))
    space = Space(tuple(metrics["labels"]), tuple(frequencies), index, frequent=frequent)
    value = float(_OF_COUNTS[name](np.concatenate([none, said, none]), space))
    return value if math.isfinite(value) else None


def _commonest(frequencies: Mapping[str, int]) -> str | None:
    return max(frequencies, key=lambda label: frequencies[label], default=None)


def spread_said(facts: Facts) -> list[str]:
    """The same in words, and what the family makes impossible."""
    metrics = facts.metrics or {}
    counted = metrics.get("frequencies", {})
    said, gold = counted.get("tuned"), counted.get("gold")
    if not said or not gold:
        return []
    label = _commonest(said) or ""
    found = [
        text(
            "record.spread-said",
            label=label,
            share=number(said[label] / sum(said.values())),
            gold=number(gold.get(label, 0) / sum(gold.values())),
            kinds=len(said),
            labels=len(gold),
        )
    ]
    if (facts.config or {}).get("model", {}).get("family") == "encoder":
        found.append(text("record.spread-encoder"))
    return found


def calibration(metrics: Mapping[str, Any]) -> list[str]:
    """Whether the tuned model is as often right as it is sure, as far as the rows can tell."""
    scores = metrics["systems"].get("tuned", {})
    bins = metrics.get("calibration", {}).get("tuned")
    apart, error = scores.get("confidence_gap"), scores.get("ece")
    if not bins or not apart or not error or apart["value"] is None:
        return []
    low, high = apart["ci95"] or (apart["value"], apart["value"])
    kind = "over" if low > 0 else "under" if high < 0 else "unclear"
    count = sum(found["count"] for found in bins)
    sure = sum(found["count"] * found["confidence"] for found in bins) / count
    return [
        text(
            f"record.calibration-{kind}",
            count=count,
            confidence=number(sure),
            accuracy=number(sure - apart["value"]),
            gap=gap(abs(apart["value"])).lstrip("+"),
            interval=f"[{gap(low)}, {gap(high)}]",
        ),
        text(
            "record.calibration-error",
            ece=number(error["value"]),
            chance=number(by_chance(bins)),
            count=count,
        ),
    ]


def notes(metrics: Mapping[str, Any], rows: Sequence[Predicted]) -> list[str]:
    """How the numbers are to be read, and which are missing."""
    resamples = metrics.get("bootstrap", {}).get("resamples", "?")
    answers = metrics.get("answers", "label")
    found = [text("record.note-probe")] if metrics.get("base") == "probe" else []
    found += [
        text("record.note-interval", rows=metrics["rows"], resamples=resamples),
        text(f"record.note-tests-{answers}"),
    ]
    if any("p_holm" in pair for pair in metrics["paired"]):
        found.append(text("record.note-holm"))
    if any(pair.get("rows_needed") for pair in metrics["paired"]):
        found.append(text("record.note-rows-needed"))
    found += [
        *prompted.notes(metrics),
        *_missing(metrics),
    ]
    by = primary(metrics)
    found += [
        text("record.note-unscored", system=system_name(system, metrics), count=count)
        for system, scores in metrics["systems"].items()
        if (count := scores[by]["n_unscored"])
    ]
    known = set(metrics["labels"])
    unseen = [label for row in rows for label in row.gold_labels if label not in known]
    if answers != "text" and unseen:
        named = text("record.list").join(dict.fromkeys(unseen))
        found.append(text(f"record.note-unseen-{answers}", count=len(unseen), labels=named))
    return found


def _missing(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Why values, or their intervals, are missing; one line a system and reason."""
    for system, scores in metrics["systems"].items():
        names: dict[str, list[str]] = {}
        for name in compared(metrics):
            score = scores[name]
            if score["reason"]:
                missing = score["value"] is None
                reason = score["reason"] if missing else text("evaluate.no-interval")
                names.setdefault(reason, []).append(metric_name(name))
        for reason, of in names.items():
            yield text(
                "record.note-missing",
                system=system_name(system, metrics),
                metric=text("record.list").join(of),
                reason=reason,
            )
