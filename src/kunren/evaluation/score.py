"""The scores of all systems on the test rows, their intervals, and what they amount to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kunren.config.schema import EvaluateConfig
from kunren.evaluation import labels as metrics_of
from kunren.evaluation import statistics
from kunren.evaluation.labels import METRICS, Floats, Indices, Metric, Scored
from kunren.messages import text
from kunren.types import Item, Paired, Prediction, Score

SCHEMA = 1

MODELS = ("base", "tuned")
"""Systems that are the model itself; all others are baselines."""

HEADLINE = ("accuracy", "macro_f1", "out_of_set_rate")
"""Metrics of the short table."""

COMPARED = ("accuracy", "macro_f1")
"""Metrics that the systems are compared on."""


@dataclass(frozen=True, slots=True)
class _Test:
    """The test items, as every system is scored on them."""

    items: Sequence[Item]
    labels: Sequence[str]
    index: Mapping[str, int]
    names: Sequence[str]
    rows: Indices
    n_rows: int
    weights: Floats

    def read(self, predictions: Mapping[str, Prediction], metric: Metric) -> Scored:
        return metrics_of.read_answers(
            self.items, predictions, self.index, metric.answer, len(self.labels)
        )

    def by_row(self, metric: Metric, scored: Scored) -> Floats:
        found = metric.statistics(scored.gold, scored.answer, len(self.names))
        return statistics.sum_by_row(found, self.rows[scored.position], self.n_rows)


def evaluate(
    items: Sequence[Item],
    labels: Sequence[str],
    predictions: Mapping[str, Sequence[Prediction]],
    config: EvaluateConfig,
) -> dict[str, Any]:
    """Score every system on the same test items.

    Args:
        items: the test items with their gold answers.
        labels: the closed set.
        predictions: system name ("base", "tuned", or a baseline's) → its predictions, matched to
            the items by ``item_id``; a missing one counts as unscored.
        config: resamples and seed.

    Returns:
        ``eval_metrics.json`` as DESIGN.md has it, with ``items``, ``labels``, ``bootstrap``,
        ``per_label`` and ``confusion`` of each system beside.
    """
    rows, n_rows = statistics.group_rows([item.row_id for item in items])
    index, names = metrics_of.label_index(labels, items)
    weights = statistics.bootstrap_weights(max(n_rows, 1), config.bootstrap, config.seed)
    test = _Test(items, labels, index, names, rows, n_rows, weights[:, :n_rows])
    by_id = {system: {p.item_id: p for p in said} for system, said in predictions.items()}
    answered = {
        system: scored
        for system, said in by_id.items()
        if (scored := test.read(said, metrics_of.ACCURACY)).position.size
    }
    return {
        "schema": SCHEMA,
        "rows": n_rows,
        "items": len(items),
        "labels": list(labels),
        "bootstrap": {
            "resamples": config.bootstrap,
            "seed": config.seed,
            "unit": "row",
            "interval": "percentile 95 %; exact (Clopper-Pearson) where all rows agree",
        },
        "systems": {
            system: {
                name: asdict(_score(test, said, metric, system)) for name, metric in METRICS.items()
            }
            for system, said in by_id.items()
        },
        "paired": [
            asdict(_pair(test, METRICS[name], (a, by_id[a]), (b, by_id[b]), config))
            for a, b in _pairs(answered)
            for name in COMPARED
        ],
        "per_label": {s: metrics_of.per_label(found, names) for s, found in answered.items()},
        "confusion": {s: metrics_of.confusion(found, names) for s, found in answered.items()},
    }


def _pairs(answered: Mapping[str, Scored]) -> list[tuple[str, str]]:
    others = [system for system in answered if system != "tuned"]
    return [("tuned", other) for other in others] if "tuned" in answered else []


def _score(test: _Test, said: Mapping[str, Prediction], metric: Metric, system: str) -> Score:
    scored = test.read(said, metric)
    n = int(scored.position.size)
    signature = metric.signature(len(test.labels))
    left_out = len(test.items) - n
    if n == 0:
        return Score(None, None, 0, left_out, signature, _why_missing(test, metric, system))
    by_row = test.by_row(metric, scored)
    value = float(metric.value(by_row.sum(axis=0)))
    interval = statistics.percentile_interval(metric.value(test.weights @ by_row))
    reason = None
    if interval is None and metric is not metrics_of.MACRO_F1 and value in (0.0, 1.0):
        counted = int((by_row[:, 1] > 0).sum())
        interval = statistics.exact_interval(round(value * counted), counted)
    if interval is None:
        reason = text("evaluate.no-interval")
    return Score(value, interval, n, left_out, signature, reason)


def _why_missing(test: _Test, metric: Metric, system: str) -> str:
    if not test.items:
        return text("evaluate.no-rows")
    if metric.answer == "label":
        return text("evaluate.no-predictions")
    return text("evaluate.not-generated" if system in MODELS else "evaluate.does-not-generate")


def _pair(
    test: _Test,
    metric: Metric,
    a: tuple[str, Mapping[str, Prediction]],
    b: tuple[str, Mapping[str, Prediction]],
    config: EvaluateConfig,
) -> Paired:
    (name_a, said_a), (name_b, said_b) = a, b
    answered_a, answered_b = (
        {i for i, p in said.items() if getattr(p, metric.answer) is not None}
        for said in (said_a, said_b)
    )
    both = answered_a & answered_b
    of_a = test.by_row(metric, test.read({i: said_a[i] for i in both}, metric))
    of_b = test.by_row(metric, test.read({i: said_b[i] for i in both}, metric))
    difference = float(metric.value(of_a.sum(axis=0)) - metric.value(of_b.sum(axis=0)))
    resampled = metric.value(test.weights @ of_a) - metric.value(test.weights @ of_b)
    interval = statistics.percentile_interval(resampled) or (difference, difference)
    if metric is metrics_of.ACCURACY:
        p = statistics.mcnemar_midp((of_a[:, 0] - of_b[:, 0]).astype(np.int64))
        kind = "mcnemar-midp"
    else:
        p = statistics.randomisation_p(of_a, of_b, metric.value, config.bootstrap, config.seed)
        kind = "paired-randomisation"
    verdict = statistics.verdict(difference, p)
    return Paired(name_a, name_b, metric.name, difference, interval, p, kind, verdict)


def find_pair(
    metrics: Mapping[str, Any], b: str, metric: str = "accuracy"
) -> dict[str, Any] | None:
    """The comparison of tuned with ``b``, if it was made."""
    wanted = ("tuned", b, metric)
    made: Iterable[dict[str, Any]] = metrics["paired"]
    return next((p for p in made if (p["a"], p["b"], p["metric"]) == wanted), None)


def best_baseline(metrics: Mapping[str, Any], metric: str = "accuracy") -> str | None:
    """The baseline with the highest value; the first of equals, None where none was scored."""
    values = {
        system: scores[metric]["value"]
        for system, scores in metrics["systems"].items()
        if system not in MODELS and scores[metric]["value"] is not None
    }
    return max(values, key=lambda system: values[system]) if values else None


def system_name(system: str) -> str:
    """What a system is called to the user; a name the catalogue does not know is its own."""
    try:
        return text(f"evaluate.system-{system}")
    except KeyError:
        return system


def percent(share: float) -> str:
    """0.456 → ``45.6 %``."""
    return f"{100 * share:.1f} %"


def cell(score: Mapping[str, Any] | None) -> str:
    """A score for a table: ``45.6 % [30.1, 60.9]``; a dash where there is none."""
    if score is None or score["value"] is None:
        return "—"
    said = percent(score["value"])
    if score["ci95"] is None:
        return said
    low, high = score["ci95"]
    return f"{said} [{100 * low:.1f}, {100 * high:.1f}]"


def p_value(p: float) -> str:
    """``p = 0.034``, or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def verdict_sentence(metrics: Mapping[str, Any]) -> str:
    """One sentence: tuned against the untuned model, and against the best trivial baseline.

    Args:
        metrics: what ``evaluate`` returned, or ``eval_metrics.json`` read back.
    """
    tuned = metrics["systems"].get("tuned", {}).get("accuracy")
    if tuned is None or tuned["value"] is None:
        return text("evaluate.verdict-none")
    fields: dict[str, object] = {"rows": metrics["rows"], "tuned": percent(tuned["value"])}
    kinds = []
    baseline = best_baseline(metrics)
    for role, system in (("base", "base"), ("trivial", baseline)):
        pair = find_pair(metrics, system) if system else None
        if pair is None or system is None:
            kinds.append("absent")
            continue
        other = metrics["systems"][system]["accuracy"]["value"]
        fields |= {
            role: percent(other),
            f"{role}_name": system_name(system),
            f"{role}_gap": f"{100 * pair['difference']:+.1f}",
            f"{role}_p": p_value(pair["p"]),
        }
        kinds.append(pair["verdict"])
    return text(f"evaluate.verdict-{kinds[0]}-{kinds[1]}", **fields)
