"""Makes plausible run folders by hand, with real scores, for tests of all that reads them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from kunren.config.schema import Config, EvaluateConfig
from kunren.evaluation.baselines import run_baselines
from kunren.evaluation.score import evaluate
from kunren.records import predictions, provenance, trainlog
from kunren.records.folder import Run
from kunren.types import Item, Message, Prediction

LABELS = ("😀", "😢", "😡", "🙏", "😂")
TEXTS = {
    "😀": ("席替えで窓側のいちばん後ろになった、うれしい", "やっと届いたマグカップ、最高"),
    "😢": ("好きだった喫茶店が今月で閉店だって", "録画が消えてて泣きそう"),
    "😡": ("また割り込みされた、ほんと腹立つ", "三回目の再配達、時間どおりに来て"),
    "🙏": ("ベビーカーを運んでくれた高校生、本当にありがとう", "どうか受かりますように"),
    "😂": ("弟の寝言が「追加でライス」だった", "マスクの下にもう一枚マスクしてた"),
}


def items(count: int, labels: Sequence[str] = LABELS, prefix: str = "t") -> list[Item]:
    """``count`` items of one row each, the labels in turn."""
    return [
        Item(f"{prefix}{n}", f"{prefix}{n}", (Message("user", _text(label, n)),), label)
        for n, label in ((n, labels[n % len(labels)]) for n in range(count))
    ]


def _text(label: str, n: int) -> str:
    known = TEXTS.get(label, (f"{label}の話",))
    return f"{known[n % len(known)]} その{n}"


def answers(
    asked: Sequence[Item],
    right: float,
    seed: int,
    labels: Sequence[str] = LABELS,
    generated: bool = True,
) -> list[Prediction]:
    """Predictions of which the share ``right`` is right, the errors spread by chance."""
    chance = random.Random(seed)
    said = []
    for n, item in enumerate(asked):
        hit = n < round(right * len(asked)) if len(labels) > 1 else True
        label = item.answer if hit else chance.choice([x for x in labels if x != item.answer])
        probability = round(chance.uniform(0.3, 0.99), 4)
        rest = (1 - probability) / max(len(labels) - 1, 1)
        shares = tuple(probability if x == label else rest for x in labels)
        wild = chance.choice([label, label, "😭", "うれしいです"]) if not hit else label
        said.append(Prediction(item.id, label, probability, shares, wild if generated else None))
    return said


def history(losses: Sequence[float], steps: int = 4) -> list[dict[str, float | None]]:
    """A training log with these evaluation losses, the training loss falling to a third."""
    rows: list[dict[str, float | None]] = []
    total = len(losses) * steps
    worst = max(losses)
    for n in range(1, total + 1):
        epoch = n / steps
        done = n % steps == 0
        rows.append(
            {
                "epoch": epoch,
                "eval_loss": losses[n // steps - 1] if done else None,
                "learning_rate": 3e-5 * (1 - n / (total + 1)),
                "loss": 3.0 * (1 - n / (1.5 * total)),
                "step": n,
                "grad_norm": 2.0,
                "eval_accuracy": 0.9 - 0.5 * losses[n // steps - 1] / worst if done else None,
            }
        )
    return rows


def config(**changes: Any) -> Config:
    """A config of an emoji experiment."""
    return Config.model_validate(
        {
            "name": "ためし",
            "task": {"kind": "classify", "labels": {"kind": "emoji"}},
            "data": {"train": "data/tweets.jsonl"},
            "model": {"id": "package:gemma-3-270m"},
        }
        | changes
    )


def make(
    output: Path,
    *,
    said: Mapping[str, Sequence[Prediction]] | None = None,
    asked: Sequence[Item] | None = None,
    labels: Sequence[str] = LABELS,
    losses: Sequence[float] = (1.6, 1.1, 0.9, 0.95),
    bootstrap: int = 200,
    experiment: Config | None = None,
    training: Mapping[str, Any] | None = None,
    train: Sequence[Item] | None = None,
) -> Path:
    """A finished run folder, complete but for what is rendered and diagnosed."""
    asked = items(40, labels) if asked is None else asked
    train = items(60, labels, "train-") if train is None else train
    if said is None:
        said = {"base": answers(asked, 0.2, 1, labels), "tuned": answers(asked, 0.8, 2, labels)}
        said |= run_baselines("all", train, asked, labels)
    experiment = experiment or config()
    run = Run.create(output, experiment.name, date(2025, 12, 24))
    run.write_text(
        "config.yaml", yaml.safe_dump(experiment.model_dump(mode="json"), allow_unicode=True)
    )
    run.stage("train")
    log = history(losses)
    trainlog.write_log(run.path / trainlog.NAME, log)
    run.stage("evaluate")
    metrics = evaluate(asked, labels, said, EvaluateConfig(bootstrap=bootstrap))
    run.write_json("eval_metrics.json", metrics)
    rows = predictions.predicted(asked, said)
    predictions.write_predictions(run.path / predictions.NAME, rows)
    source = run.work / "tweets.jsonl"
    source.write_text("{}\n", encoding="utf-8")
    splits = {"train": train, "validation": items(10, labels, "v"), "test": asked}
    best = min(range(len(losses)), key=losses.__getitem__) + 1
    how = {"best_epoch": best, "stopped_early": False, "seconds": 83.2, "steps": len(log)}
    content = provenance.manifest(
        seeds={"split": 42, "train": 42, "evaluate": 42},
        data=provenance.data_facts({"train": source}, splits, labels),
        model={"parameters": 268_098_176, "trainable": 100_326_016},
        training=how | dict(training or {}),
        timings={"base": 10.0, "train": 83.2, "tuned": 11.0},
    )
    run.write_json("manifest.json", steady(content))
    run.finish()
    return run.path


def steady(content: dict[str, Any]) -> dict[str, Any]:
    """A manifest that is the same on every machine."""
    machine = {
        "system": "Linux",
        "architecture": "x86_64",
        "processor": "Example CPU",
        "cores": 2,
        "usable_cores": 2,
        "memory_bytes": 8 * 2**30,
        "accelerators": [],
    }
    return content | {"machine": machine, "git": {"commit": "0123456789abcdef", "dirty": True}}


def with_text(item: Item, said: str) -> Item:
    """The same item with another text."""
    return replace(item, context=(Message("user", said),))
