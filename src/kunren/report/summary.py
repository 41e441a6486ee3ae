"""What a record says, worked out from the facts of a run folder; how it looks is the templates'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from kunren.evaluation.labels import METRICS
from kunren.evaluation.score import (
    COMPARED,
    HEADLINE,
    cell,
    p_value,
    system_name,
    verdict_sentence,
)
from kunren.messages import text
from kunren.records.facts import Facts
from kunren.records.predictions import Predicted
from kunren.records.trainlog import Epoch, best_epoch, by_epoch
from kunren.report import samples, setup
from kunren.report.format import Table, decimal, scientific
from kunren.report.setup import Pairs

SHOWN_METRICS = (*HEADLINE, *(name for name in METRICS if name not in HEADLINE))

FILES = (
    "config.yaml", "manifest.json", "train_log.csv", "eval_metrics.json", "predictions.jsonl",
    "predictions_sample.jsonl", "comparison.csv", "findings.json", "report.html", "charts", "model",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """The record's content, in the order in which it is read."""

    name: str
    conclusion: str
    notes: Sequence[str]
    overview: Pairs
    splits: Table | None
    labels: Table | None
    labels_said: str | None
    settings: Table | None
    results: Table | None
    compared: Table | None
    results_notes: Sequence[str]
    training: Table | None
    training_said: str | None
    good: Table | None
    bad: Table | None
    confusions: Table | None
    weakest: Table | None
    outside: Table | None
    outside_said: str | None
    findings: Sequence[tuple[str, str]]
    skipped: Sequence[tuple[str, str]]
    next_steps: Table
    command: str
    versions: str | None
    files: Pairs


def summarise(facts: Facts) -> Summary:
    """Work out the record of a run, whatever its outcome and however far it came."""
    epochs = by_epoch(facts.log or ())
    best = kept_epoch(facts, epochs)
    data = (facts.manifest or {}).get("data", {})
    metrics, rows = facts.metrics, facts.predictions or ()
    trained = {label: counts.get("train", 0) for label, counts in data.get("labels", {}).items()}
    findings = (facts.findings or {}).get("findings", [])
    outside = samples.outside(rows, metrics["labels"]) if metrics else None
    return Summary(
        name=(facts.config or {}).get("name", facts.path.name),
        conclusion=conclusion(facts),
        notes=[finding["message"] for finding in findings if _grave(finding)],
        overview=setup.overview(facts, epochs),
        splits=setup.splits(data),
        labels=setup.labels(data),
        labels_said=setup.labels_said(trained),
        settings=setup.settings(facts),
        results=_results(metrics) if metrics else None,
        compared=_compared(metrics) if metrics and metrics["paired"] else None,
        results_notes=_results_notes(metrics, rows) if metrics else (),
        training=_training(epochs, best) if epochs else None,
        training_said=_training_said(facts, epochs, best) if epochs else None,
        good=samples.good(rows),
        bad=samples.bad(rows, trained),
        confusions=samples.confusions(rows),
        weakest=samples.weakest((metrics or {}).get("per_label", {}).get("tuned", {}), trained),
        outside=outside.table if outside else None,
        outside_said=outside.said if outside else None,
        findings=[(finding["severity"], finding["message"]) for finding in findings],
        skipped=[(s["slug"], s["reason"]) for s in (facts.findings or {}).get("skipped", [])],
        next_steps=samples.next_steps(facts, findings, trained),
        command="kunren run config.yaml",
        versions=_versions(facts.manifest),
        files=[(name, text(f"record.file-{PurePath(name).stem}")) for name in _files(facts)],
    )


def conclusion(facts: Facts) -> str:
    """The verdict, or why there is none."""
    if facts.metrics is not None:
        return verdict_sentence(facts.metrics)
    state = facts.state
    return text(
        f"record.conclusion-{state.status}", stage=stage_name(state.stage), error=state.error or ""
    )


def stage_name(stage: str) -> str:
    """What a stage is called to the user."""
    try:
        return text(f"record.stage-{stage}")
    except KeyError:
        return stage


def kept_epoch(facts: Facts, epochs: Sequence[Epoch]) -> int | None:
    """The epoch whose weights were kept, by the manifest, else by the log."""
    said: float | None = (facts.manifest or {}).get("training", {}).get("best_epoch")
    if said is not None:
        return round(said)
    return best_epoch(epochs, (facts.config or {}).get("train", {}).get("metric", "loss"))


def _grave(finding: Mapping[str, Any]) -> bool:
    """Whether the reader must know it before the conclusion, which does not say it."""
    said_by_verdict = {"not-better-than-base", "below-trivial"}
    return finding["severity"] == "critical" and finding["slug"] not in said_by_verdict


def _results(metrics: Mapping[str, Any]) -> Table:
    shown = [
        name
        for name in SHOWN_METRICS
        if any(scores[name]["value"] is not None for scores in metrics["systems"].values())
    ]
    columns = [text("record.system"), *(text(f"record.{name}") for name in shown)]
    rows = [
        [system_name(system), *(cell(scores[name]) for name in shown)]
        for system, scores in metrics["systems"].items()
    ]
    marked = frozenset(n for n, system in enumerate(metrics["systems"]) if system == "tuned")
    return Table(columns, rows, "l" + "r" * len(shown), marked)


def _compared(metrics: Mapping[str, Any]) -> Table:
    columns = [
        text(f"record.{name}") for name in ("comparison", "metric", "gap", "ci95", "p", "judged")
    ]
    rows = [
        [
            text("record.against", a=system_name(pair["a"]), b=system_name(pair["b"])),
            text(f"record.{pair['metric']}"),
            f"{100 * pair['difference']:+.1f}",
            f"[{100 * pair['ci95'][0]:+.1f}, {100 * pair['ci95'][1]:+.1f}]",
            p_value(pair["p"]),
            text(f"record.{pair['verdict']}"),
        ]
        for pair in metrics["paired"]
    ]
    return Table(columns, rows, "llrrrl")


def _results_notes(metrics: Mapping[str, Any], rows: Sequence[Predicted]) -> list[str]:
    notes = [
        text("record.note-interval", rows=metrics["rows"], **_resamples(metrics)),
        text("record.note-tests"),
    ]
    notes += [
        text(
            "record.note-missing",
            system=system_name(system),
            metric=text(f"record.{name}"),
            reason=_reason(scores[name]),
        )
        for system, scores in metrics["systems"].items()
        for name in COMPARED
        if scores[name]["reason"]
    ]
    notes += [
        text("record.note-unscored", system=system_name(system), count=count)
        for system, scores in metrics["systems"].items()
        if (count := scores["accuracy"]["n_unscored"])
    ]
    if unseen := [row.gold for row in rows if row.gold not in metrics["labels"]]:
        named = text("record.list").join(dict.fromkeys(unseen))
        notes.append(text("record.note-unseen", count=len(unseen), labels=named))
    return notes


def _reason(score: Mapping[str, Any]) -> str:
    """Why a value, or only its interval, is missing."""
    reason: str = score["reason"]
    return reason if score["value"] is None else text("evaluate.no-interval")


def _resamples(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {"resamples": metrics.get("bootstrap", {}).get("resamples", "?")}


def _training(epochs: Sequence[Epoch], best: int | None) -> Table:
    measured = [
        n for n in ("accuracy", "macro_f1") if any(f"eval_{n}" in e.evaluation for e in epochs)
    ]
    columns = [text(f"record.{name}") for name in ("epoch", "train-loss", "validation-loss")]
    columns += [text("record.validation-metric", metric=text(f"record.{n}")) for n in measured]
    columns += [text("record.learning-rate")]
    rows = [
        [
            f"{epoch.number} ★" if epoch.number == best else str(epoch.number),
            decimal(epoch.loss),
            decimal(epoch.evaluation.get("eval_loss")),
            *(decimal(epoch.evaluation.get(f"eval_{name}"), 3) for name in measured),
            scientific(epoch.learning_rate),
        ]
        for epoch in epochs
    ]
    marked = frozenset(n for n, epoch in enumerate(epochs) if epoch.number == best)
    return Table(columns, rows, "r" * len(columns), marked)


def _training_said(facts: Facts, epochs: Sequence[Epoch], best: int | None) -> str:
    training = (facts.manifest or {}).get("training", {})
    train = (facts.config or {}).get("train", {})
    done, planned = epochs[-1].number, train.get("epochs", epochs[-1].number)
    parts = []
    if best is not None:
        metric = text(f"record.best-by-{train.get('metric', 'loss')}")
        parts.append(text("record.best-said", epoch=best, metric=metric))
    if training.get("stopped_early"):
        parts.append(text("record.stopped-early", done=done, planned=planned))
    elif done < planned:
        parts.append(text("record.not-all-epochs", done=done, planned=planned))
    return text("record.joined").join(parts)


def _versions(manifest: Mapping[str, Any] | None) -> str | None:
    if not manifest:
        return None
    packages = manifest.get("packages", {})
    known = [f"{name} {packages[name]}" for name in ("torch", "transformers") if name in packages]
    python = [f"Python {manifest['python']}"] if "python" in manifest else []
    said = ", ".join([f"kunren {manifest.get('kunren', '?')}", *python, *known])
    git = manifest.get("git")
    if not git:
        return said
    return said + text(
        f"record.git-{'dirty' if git['dirty'] else 'clean'}", commit=git["commit"][:10]
    )


def _files(facts: Facts) -> Iterable[str]:
    """Files of the record that are there, and those that a rendering makes."""
    made = {"report.html"}
    if facts.log or facts.predictions:
        made.add("charts")
    if facts.predictions is not None:
        made |= {"comparison.csv", "predictions_sample.jsonl"}
    return [name for name in FILES if name in made or (facts.path / name).exists()]
