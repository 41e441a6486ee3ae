"""What went into a run, as its record tells it: overview, data, settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

from kunren.evaluation.score import percent
from kunren.messages import text
from kunren.records.facts import Facts
from kunren.records.trainlog import Epoch
from kunren.report.format import Table, duration, emoji_name

Pairs = Sequence[tuple[str, str]]

MOST_LABELS = 50
"""Labels in the table; the others are summed up, the manifest has them all."""

_SPLITS = ("train", "validation", "test")


def overview(facts: Facts, epochs: Sequence[Epoch]) -> Pairs:
    """What the reader asks first: what, with what model, when, on what data and machine."""
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


def splits(data: Mapping[str, Any]) -> Table | None:
    """How many rows, items and labels each split has."""
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


def labels(data: Mapping[str, Any]) -> Table | None:
    """How often each label occurs in each split, the commonest first."""
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


def labels_said(trained: Mapping[str, int]) -> str | None:
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


def settings(facts: Facts) -> Table | None:
    """The settings that decide the result, under the keys that change them."""
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
