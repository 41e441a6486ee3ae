"""kunren's own run folders, read for a comparison."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from kunren.evaluation.score import KINDS
from kunren.evaluation.told import best_baseline, find_pair, primary
from kunren.messages import text
from kunren.records.entry import SPEED, VALIDATION_LOSS, Entry, Rival, measured
from kunren.records.facts import Facts, read_facts
from kunren.records.trainlog import best_epoch, by_epoch

_TUNED = re.compile(r"tuned|tuned_seed\d+")
"""The tuned model, and the same trained with other seeds."""

_NO_CAUSE = (
    "name", "train.prefix_sharing", "evaluate.baselines", "evaluate.bootstrap", "evaluate.seed",
    "evaluate.batch_size", "evaluate.generate", "evaluate.also", "evaluate.against",
    "evaluate.bertscore", "data.fields", "data.train", "data.validation", "data.test",
    "doctor",
)  # fmt: skip
"""Settings that do not change what the model answers, and paths, of which only the name counts."""


def read_own(folder: Path) -> Entry:
    """A run folder of kunren.

    Raises:
        InputError: a file of it is broken (all of them are named).
    """
    return entry(read_facts(folder))


def entry(facts: Facts) -> Entry:
    """What is compared of a run, from its facts."""
    metrics, manifest = facts.metrics or {}, facts.manifest or {}
    systems = metrics.get("systems", {})
    labels = tuple(metrics.get("labels", ()))
    items = [
        replace(row, systems={x: said for x, said in row.systems.items() if _TUNED.fullmatch(x)})
        for row in facts.predictions or ()
        if "tuned" in row.systems
    ]
    asked = metrics.get("items", len(facts.predictions or ()))
    data = manifest.get("data", {})
    rows = {name: int(count) for name, count in data.get("rows", {}).items()}
    if not rows and "rows" in metrics:
        rows = {"test": int(metrics["rows"])}
    elif rows:
        rows["all"] = sum(rows.values())
    return Entry(
        name=facts.path.resolve().name,
        layout="kunren",
        answers=facts.answers,
        settings=_settings(facts),
        rows=rows,
        label_count=len(labels) or None,
        labels=labels,
        frequent=tuple(metrics.get("most_frequent", ())),
        scores=_scores(facts),
        described=metrics.get("metrics", {}),
        primary=primary(metrics) if metrics else KINDS[facts.answers].primary,
        rival=_rival(metrics) if "tuned" in systems else None,
        items=items,
        whole=bool(items) and len(items) == asked,
        template=(facts.config or {}).get("task", {}).get("template", "{text}"),
        bootstrap={
            key: metrics["bootstrap"][key]
            for key in ("resamples", "seed")
            if key in metrics.get("bootstrap", {})
        },
        machine=_machine(manifest.get("machine")),
        missing=tuple(_missing(facts)),
    )


def _scores(facts: Facts) -> dict[str, Mapping[str, Any]]:
    metrics = facts.metrics or {}
    scores = dict(metrics.get("systems", {}).get("tuned", {}))
    epochs = by_epoch(facts.log or ())
    kept = best_epoch(epochs, facts.judged_by)
    losses = {epoch.number: epoch.evaluation.get("eval_loss") for epoch in epochs}
    if kept is not None and losses.get(kept) is not None:
        scores[VALIDATION_LOSS] = measured(losses[kept])
    speed = metrics.get("speed", {}).get("tuned") or {}
    if speed.get(SPEED) is not None:
        scores[SPEED] = measured(speed[SPEED])
    return scores


def _rival(metrics: Mapping[str, Any]) -> Rival | None:
    name = best_baseline(metrics)
    if name is None:
        return None
    pair = find_pair(metrics, name)
    value = metrics["systems"][name][primary(metrics)]["value"]
    return Rival(name, value, None if pair is None else pair["verdict"])


def _settings(facts: Facts) -> dict[str, Any]:
    """The settings that may make a difference; of paths the last part, of data also a hash."""
    if facts.config is None:
        return {}
    found = {
        key: value
        for key, value in _flat(facts.config)
        if not any(key == name or key.startswith(f"{name}.") for name in _NO_CAUSE)
    }
    for role in ("train", "validation", "test"):
        path = facts.config.get("data", {}).get(role)
        if path is not None:
            read = (facts.manifest or {}).get("data", {}).get("files", {}).get(role)
            hashed = "" if read is None else f" (SHA-256 {read['sha256'][:8]})"
            found[f"data.{role}"] = PurePath(path).name + hashed
    model = str(found.get("model.id", ""))
    if PurePath(model).is_absolute() or model.startswith(".."):
        found["model.id"] = PurePath(model).name
    return found


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _machine(machine: Mapping[str, Any] | None) -> str | None:
    """What predictions ran on: the accelerators, or else the processor and its cores in use."""
    if not machine:
        return None
    accelerators = machine.get("accelerators") or []
    if accelerators:
        return ", ".join(accelerators)
    return f"{machine.get('processor')} x {machine.get('usable_cores')}"


def _missing(facts: Facts) -> Iterator[str]:
    if facts.state.status != "finished":
        yield text(f"compare.state-{facts.state.status}")
    parts = {
        "config.yaml": facts.config,
        "manifest.json": facts.manifest,
        "train_log.csv": facts.log,
        "eval_metrics.json": facts.metrics,
        "predictions.jsonl": facts.predictions,
    }
    for name, content in parts.items():
        if content is None:
            yield text("compare.lacks-file", file=name)
    if facts.metrics is not None and "tuned" not in facts.metrics.get("systems", {}):
        yield text("compare.lacks-tuned")
