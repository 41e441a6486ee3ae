"""What a record says, worked out from the facts of a run folder; how it looks is the templates'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from kunren.doctor.remarks import Remark, by_reason, remarks
from kunren.evaluation.told import verdict_sentence
from kunren.messages import text
from kunren.records.facts import Facts
from kunren.records.trainlog import by_epoch
from kunren.report import (
    advice,
    changes,
    course,
    data,
    earlier,
    errors,
    prompted,
    register,
    repair,
    results,
    rounds,
    samples,
    setup,
    trust,
)
from kunren.report.earlier import Earlier
from kunren.report.format import Table
from kunren.report.setup import Pairs
from kunren.report.trust import Trust

_AFTER = ("T", "O")
"""Areas of the rules that a finished run is judged by; what data and model lacked is said by
``kunren check``."""

FILES = (
    "config.yaml", "manifest.json", "train_log.csv", "eval_metrics.json", "predictions.jsonl",
    "predictions_sample.jsonl", "comparison.csv", "earlier.json", "findings.json", "guards.json",
    "repair.json", "report.html", "charts", "model",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """The record's content, in the order in which it is read."""

    name: str
    answers: str
    purpose: str | None
    caveats: Sequence[str]
    conclusion: str
    notes: Sequence[str]
    overview: Pairs
    splits: Table | None
    turns_said: str | None
    data_notes: Sequence[str]
    filters_said: str | None
    filters: Table | None
    unfiltered: Table | None
    labels_said: str | None
    labels: Table | None
    settings: Table | None
    prompts: Pairs
    results: Table | None
    loss_said: str | None
    changes: Table | None
    baseline: str | None
    baseline_changes: Table | None
    trust: Trust | None
    gains: Table | None
    rounds: Table | None
    rounds_said: Sequence[str]
    compared: Table | None
    others: Table | None
    calibration: Sequence[str]
    spread: Table | None
    spread_said: Sequence[str]
    register: Table | None
    register_said: Sequence[str]
    results_notes: Sequence[str]
    earlier: Earlier | None
    speed: Table | None
    speed_said: str | None
    training: Table | None
    training_said: str | None
    repair: Table | None
    repair_changes: Table | None
    repair_said: Sequence[str]
    good: Table | None
    bad: Table | None
    decodings: Table | None
    decodings_said: str | None
    trends: Sequence[str]
    confusions: Table | None
    weakest: Table | None
    unbalanced: Table | None
    outside: Table | None
    outside_said: str | None
    findings: Sequence[Remark]
    skipped: Sequence[tuple[str, Sequence[str]]]
    next_steps: Table
    command: str
    versions: str | None
    files: Pairs


def summarise(facts: Facts, *, drawn: bool = True) -> Summary:
    """Work out the record of a run, whatever its outcome and however far it came.

    Args:
        facts: the run.
        drawn: whether there is any chart.
    """
    epochs = by_epoch(facts.log or ())
    metrics, rows = facts.metrics, samples.read(facts)
    findings = (facts.findings or {}).get("findings", [])
    skipped = [
        rule for rule in (facts.findings or {}).get("skipped", []) if rule["code"][0] in _AFTER
    ]
    outside = errors.outside(rows) if metrics else None
    decodings = samples.decodings(rows)
    against = changes.to_baseline(metrics) if metrics else None
    return Summary(
        name=(facts.config or {}).get("name", facts.path.name),
        answers=facts.answers,
        purpose=setup.purpose(facts),
        caveats=results.caveats(facts),
        conclusion=conclusion(facts),
        notes=[remark.message for remark in remarks(findings) if _grave(remark)],
        overview=setup.overview(facts, epochs),
        splits=data.splits(facts),
        turns_said=data.turns_said(facts),
        data_notes=data.notes_said(facts),
        filters_said=data.filters_said(facts),
        filters=data.filters(facts),
        unfiltered=data.unfiltered(facts),
        labels_said=data.labels_said(facts),
        labels=data.labels(facts),
        settings=setup.settings(facts),
        prompts=setup.prompts(facts),
        results=results.table(metrics) if metrics else None,
        loss_said=course.loss_said(facts, epochs),
        changes=changes.by_training(metrics) if metrics else None,
        baseline=against[0] if against else None,
        baseline_changes=against[1] if against else None,
        trust=trust.judge(facts, epochs, findings) if metrics else None,
        gains=changes.by_label(metrics) if metrics else None,
        rounds=rounds.table(metrics) if metrics else None,
        rounds_said=rounds.said(metrics) if metrics else (),
        compared=results.differences(metrics) if metrics else None,
        others=results.others(metrics) if metrics else None,
        calibration=results.calibration(metrics) if metrics else (),
        spread=results.spread(metrics) if metrics else None,
        spread_said=results.spread_said(facts),
        register=register.table(metrics) if metrics else None,
        register_said=register.said(metrics) if metrics else (),
        results_notes=results.notes(metrics, facts.predictions or ()) if metrics else (),
        earlier=earlier.section(facts),
        speed=prompted.speed(metrics) if metrics else None,
        speed_said=prompted.speed_said(metrics) if metrics else None,
        training=course.table(facts, epochs),
        training_said=course.said(facts, epochs),
        repair=repair.table(facts),
        repair_changes=repair.changes(facts),
        repair_said=repair.said(facts),
        good=samples.good(rows),
        bad=samples.bad(rows),
        decodings=decodings[1] if decodings else None,
        decodings_said=decodings[0] if decodings else None,
        trends=errors.trends(rows),
        confusions=errors.confusions(rows),
        weakest=errors.weakest(rows),
        unbalanced=errors.unbalanced(rows),
        outside=outside.table if outside else None,
        outside_said=outside.said if outside else None,
        findings=remarks(findings),
        skipped=list(by_reason(skipped).items()),
        next_steps=advice.next_steps(rows, findings),
        command="kunren run config.yaml",
        versions=_versions(facts.manifest),
        files=[
            (name, text(f"record.file-{PurePath(name).stem}"))
            for name in _files(facts, drawn=drawn)
        ],
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


def _grave(remark: Remark) -> bool:
    """Whether the reader must know it before the conclusion, which does not say it."""
    said_by_verdict = {"not-better-than-base", "below-trivial"}
    return remark.severity == "critical" and remark.finding["slug"] not in said_by_verdict


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


def _files(facts: Facts, *, drawn: bool) -> Iterable[str]:
    """Files of the record that are there, and those that a rendering makes."""
    made = {"report.html"}
    if drawn:
        made.add("charts")
    if facts.predictions is not None:
        made |= {"comparison.csv", "predictions_sample.jsonl"}
    return [name for name in FILES if name in made or (facts.path / name).exists()]
