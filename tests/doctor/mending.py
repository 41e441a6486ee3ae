"""Small experiments with a fault, for the tests that mend them by the doctor's own patches."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kunren import experiment
from kunren.config.load import load
from kunren.doctor.engine import found_before
from kunren.doctor.fixes import merge, untested
from kunren.plan import prepare
from kunren.progress import Silent
from kunren.records.facts import read_facts

ALL = ("critical", "warning", "info")
_KANA = "なにぬねのはひふへほまみむめも"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Fault:
    """A fault, and the patch that its finding must offer.

    Attributes:
        slug: of the rule.
        keys: what the patch sets.
        base: name of the experiment.
        set: what makes the fault, as ``--set`` takes it.
        name: what it is, for the test's id; empty: the slug says it.
    """

    slug: str
    keys: tuple[str, ...]
    base: str
    set: tuple[str, ...] = ()
    name: str = ""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.slug, self.name)))


def kinds(faults: Iterable[Fault]) -> set[tuple[str, frozenset[str]]]:
    """Which rules' patches the faults prove: the rule, and the keys that its patch sets."""
    return {(fault.slug, frozenset(fault.keys)) for fault in faults}


def patch_of(
    fault: Fault, found: Mapping[str, Mapping[str, Any]], config: Mapping[str, Any]
) -> list[str]:
    """What a fault's finding offers, brought together as ``--fix`` does, for ``--set``.

    Args:
        fault: it must have been found, with a patch of its keys.
        found: finding by slug.
        config: the one that was looked at.
    """
    assert fault.slug in found, f"only found {sorted(found)}"
    fix = found[fault.slug]["fix"]
    assert fix is not None
    assert set(fix["set"]) == set(fault.keys)
    merged = merge([found[fault.slug]], config, ALL)
    assert {change.key for change in merged.changes} == set(fault.keys)
    assert not merged.refused
    return merged.overrides


@dataclass
class Trained:
    """What the log of a training and its validation rows tell.

    Attributes:
        folder: the run folder; no test row has been answered.
        found: finding by slug.
        quiet: slugs of the rules that looked and found nothing.
        config: of the run.
        losses: of the evaluations.
        values: of the metric that decides, likewise.
    """

    folder: Path
    found: dict[str, dict[str, Any]]
    quiet: set[str]
    config: Mapping[str, Any]
    losses: list[float]
    values: list[float]


@dataclass
class Trainings:
    """Trains, and nothing twice: several faults are mended to the same config."""

    folder: Path
    _done: dict[str, Trained] = field(default_factory=dict)

    def train(self, config: Path, *overrides: str) -> Trained:
        """Train as ``kunren run --fix`` does, with no test row answered, and look."""
        plan = prepare(load(config, list(overrides)))
        key = f"{config} {plan.config!r}"
        if key not in self._done:
            folder, _ = experiment.train(plan, self.folder, Silent(), {}, "")
            facts = read_facts(folder)
            said = untested(facts, found_before(folder))
            log = facts.log or ()
            self._done[key] = Trained(
                folder,
                {finding["slug"]: finding for finding in said["findings"]},
                {rule["slug"] for rule in said["quiet"]},
                facts.config or {},
                [v for row in log if (v := row.get("eval_loss")) is not None],
                [v for row in log if (v := row.get("eval_accuracy")) is not None],
            )
        return self._done[key]


def write(folder: Path, rows: Iterable[Row], text: str) -> Path:
    """Write rows and a YAML with this text into a folder; returns the YAML."""
    folder.mkdir(exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text("".join(lines), "utf-8")
    config = folder / "experiment.yaml"
    config.write_text(text, "utf-8")
    return config


def told(labels: str, each: int, rest: int = 6) -> list[dict[str, str]]:
    """Rows whose label is told by the first character, each text with an end of its own.

    Args:
        labels: one character each.
        each: rows of a label.
        rest: characters of the end.
    """
    chance = random.Random(0)
    return [
        {"text": kana * 3 + "".join(chance.choices(_KANA, k=rest)), "label": label}
        for kana, label in zip("あかさたなはまや", labels, strict=False)
        for _ in range(each)
    ]


def encoder(model: Path, task: str = "classify", **train: Any) -> str:
    """A YAML for an encoder: half of the rows to train on."""
    settings = {"early_stopping": None, "batch_size": 4, **train}
    return (
        "name: mending\n"
        f"task: {{kind: {task}, labels: {{kind: {'emoji' if task == 'tag' else 'text'}}}}}\n"
        "data: {train: rows.jsonl, split: {train: 0.5, validation: 0.25, test: 0.25}}\n"
        f"model: {{id: {model}, family: encoder}}\n"
        f"train: {json.dumps(settings)}\n"
        "evaluate: {bootstrap: 100}\n"
        "doctor: {ignore: {small-test: a cross-validation would take five times as long}}\n"
    )


def sparkling(folder: Path, bert: Path) -> Path:
    """Sets of emoji told by a character of the text, beside ✨ in three rows of four."""
    emoji_of = {"あ": "📚", "か": "🎉", "さ": "😅"}
    rows = [
        {"text": f"{kana * 3}{'いうえお'[n % 4]}", "label": emoji + ("✨" if n % 4 else "")}
        for n in range(30)
        for kana, emoji in emoji_of.items()
    ]
    return write(
        folder,
        rows,
        "name: sparkling\n"
        "task: {kind: tag, labels: {kind: emoji}}\n"
        "data: {train: rows.jsonl, split: {train: 0.5, validation: 0.3, test: 0.2}}\n"
        f"model: {{id: {bert}, family: encoder}}\n"
        "tuning: {train_embeddings: true}\n"
        "train: {epochs: 6, learning_rate: 1e-2, warmup: 5000}\n"
        "evaluate: {bootstrap: 100}\n",
    )
