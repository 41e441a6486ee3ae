"""What a record says, worked out from the facts of a run folder; how it looks is the templates'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

from kunren.evaluation.labels import METRICS
from kunren.evaluation.score import (
    COMPARED,
    HEADLINE,
    cell,
    p_value,
    percent,
    system_name,
    verdict_sentence,
)
from kunren.messages import text
from kunren.records.facts import Facts
from kunren.records.predictions import Predicted
from kunren.records.trainlog import Epoch, best_epoch, by_epoch
from kunren.report import samples
from kunren.report.format import Table, decimal, duration, emoji_name, scientific

Pairs = Sequence[tuple[str, str]]

SHOWN_METRICS = (*HEADLINE, *(name for name in METRICS if name not in HEADLINE))

MOST_LABELS = 50
"""Labels in the table; the others are summed up, the manifest has them all."""

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
        overview=_overview(facts, epochs),
        splits=_splits(data),
        labels=_labels(data),
        labels_said=_labels_said(trained),
        settings=_settings(facts),
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


def _overview(facts: Facts, epochs: Sequence[Epoch]) -> Pairs:
    config, manifest = facts.config or {}, facts.manifest or {}
    rows = manifest.get("data", {}).get("rows", {})
    found: list[tuple[str, str]] = []
    if config:
        kind = text(f"record.tuning-{config['tuning']['kind']}")
        found += [
            (text("record.task"), text(f"record.task-{config['task']['kind']}")),
            (text("record.model"), portable(config["model"]["id"])),
            (text("record.tuning"), kind),
        ]
    started = datetime.fromisoformat(facts.state.started)
    found.append((text("record.date"), f"{started:%Y-%m-%d}"))
    if rows:
        counts = text("record.row-counts", **{name: rows.get(name, 0) for name in _SPLITS})
        found.append((text("record.data"), counts))
    if manifest.get("machine"):
        found.append((text("record.environment"), _machine(manifest["machine"])))
    seconds = manifest.get("training", {}).get("seconds")
    if seconds is not None and epochs:
        took = text("record.took", time=duration(seconds), epochs=epochs[-1].number)
        found.append((text("record.training-time"), took))
    return found


_SPLITS = ("train", "validation", "test")


def portable(name: str) -> str:
    """A model's id; of an absolute path only its last part."""
    return PurePath(name).name if PurePath(name).is_absolute() else name


def _machine(machine: Mapping[str, Any]) -> str:
    parts = [*machine.get("accelerators", ())]
    if machine.get("processor"):
        parts.append(machine["processor"])
    if machine.get("usable_cores"):
        parts.append(text("record.cores", cores=machine["usable_cores"]))
    if machine.get("memory_bytes"):
        parts.append(text("record.memory", gib=machine["memory_bytes"] / 2**30))
    return " / ".join(parts)


def _splits(data: Mapping[str, Any]) -> Table | None:
    rows, items = data.get("rows"), data.get("items", {})
    if not rows:
        return None
    kinds = data.get("labels", {})
    several = items and items != rows
    columns = [text("record.split"), text("record.rows")]
    columns += [text("record.items")] if several else []
    columns += [text("record.label-kinds")]
    made = []
    for name in _SPLITS:
        line = [text(f"record.split-{name}"), str(rows.get(name, 0))]
        line += [str(items.get(name, 0))] if several else []
        line += [str(sum(counts.get(name, 0) > 0 for counts in kinds.values()))]
        made.append(line)
    return Table(columns, made, "l" + "r" * (len(columns) - 1))


def _labels(data: Mapping[str, Any]) -> Table | None:
    counts: Mapping[str, Mapping[str, int]] = data.get("labels", {})
    if not counts:
        return None
    named = any(emoji_name(label) for label in counts)
    columns = [text("record.label"), *([text("record.meaning")] if named else [])]
    columns += [text(f"record.split-{name}") for name in _SPLITS]
    order = sorted(counts, key=lambda label: -counts[label].get("train", 0))
    rows = [
        [
            label,
            *([emoji_name(label) or ""] if named else []),
            *(str(counts[label].get(name, 0)) for name in _SPLITS),
        ]
        for label in order[:MOST_LABELS]
    ]
    if rest := order[MOST_LABELS:]:
        sums = [str(sum(counts[label].get(name, 0) for label in rest)) for name in _SPLITS]
        others = text("record.other-labels", count=len(rest))
        rows.append([others, *([""] if named else []), *sums])
    return Table(columns, rows, "l" * (len(columns) - 3) + "rrr")


def _labels_said(trained: Mapping[str, int]) -> str | None:
    """How even the training labels are, since a dominating one is what models collapse onto."""
    if not trained or not sum(trained.values()):
        return None
    total = sum(trained.values())
    order = sorted(trained.items(), key=lambda pair: -pair[1])
    (label, most), least = order[0], order[-1][1]
    kind = "even" if most == least else "uneven"
    return text(
        f"record.labels-{kind}",
        kinds=len(trained),
        label=label,
        most=most,
        share=f"{100 * most / total:.1f}",
        least=least,
    )


def _settings(facts: Facts) -> Table | None:
    if facts.config is None:
        return None
    config = facts.config
    tuning = config["tuning"]
    rows: list[tuple[str, Any]] = [
        ("model.id", portable(config["model"]["id"])),
        ("tuning.kind", tuning["kind"]),
    ]
    chosen = ("r", "alpha", "dropout") if tuning["kind"] == "lora" else ("train_embeddings",)
    rows += [(f"tuning.{key}", tuning[key]) for key in chosen if key in tuning]
    for key, value in config["train"].items():
        if isinstance(value, Mapping):
            rows += [(f"train.{key}.{inner}", v) for inner, v in value.items()]
        elif key == "learning_rate":
            rows.append((f"train.{key}", value if value is not None else _peak_rate(facts)))
        else:
            rows.append((f"train.{key}", value))
    rows.append(("data.split.seed", config["data"].get("split", {}).get("seed")))
    moving, total = (
        (facts.manifest or {}).get("model", {}).get(key) for key in ("trainable", "parameters")
    )
    made = [(key, _setting(value)) for key, value in rows]
    if moving and total:
        share = text(
            "record.trainable-share", moving=moving, total=total, share=percent(moving / total)
        )
        made.append((text("record.trainable"), share))
    return Table([text("record.setting"), text("record.value")], made, "ll")


def _peak_rate(facts: Facts) -> float | None:
    rates = [rate for row in facts.log or () if (rate := row.get("learning_rate")) is not None]
    return max(rates, default=None)


def _setting(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


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
    made = {"report.html", "charts"}
    if facts.predictions is not None:
        made |= {"comparison.csv", "predictions_sample.jsonl"}
    return [name for name in FILES if name in made or (facts.path / name).exists()]
