"""Makes plausible run folders by hand, with real scores, for tests of all that reads them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from kunren.config.schema import Config, EvaluateConfig
from kunren.evaluation.baselines import run_baselines
from kunren.evaluation.score import Base, evaluate
from kunren.records import predictions, provenance, trainlog
from kunren.records.folder import Run
from kunren.tasks import Answers
from kunren.types import Item, Message, Prediction

LABELS = ("😀", "😢", "😡", "🙏", "😂")
TEXTS = {
    "😀": ("席替えで窓側のいちばん後ろになった、うれしい", "やっと届いたマグカップ、最高"),
    "😢": ("好きだった喫茶店が今月で閉店だって", "録画が消えてて泣きそう"),
    "😡": ("また割り込みされた、ほんと腹立つ", "三回目の再配達、時間どおりに来て"),
    "🙏": ("ベビーカーを運んでくれた高校生、本当にありがとう", "どうか受かりますように"),
    "😂": ("弟の寝言が「追加でライス」だった", "マスクの下にもう一枚マスクしてた"),
}
TOPICS = ("国際/政治", "国際/経済", "国内/政治", "国内/スポーツ", "天気")
"""Labels that are paths, one of them with a single level."""
QUESTIONS = (
    ("設立はいつですか？", "1926年に設立いたしました。"),
    ("見積もりは無料ですか？", "はい、お見積もりは無料でございます。"),
    ("土曜日は営業していますか？", "土曜日は午前9時から午後3時まで営業しております。"),
    ("工場の見学はできますか？", "毎月第二水曜日に、ご予約のうえで見学いただけます。"),
    ("修理は何日かかりますか？", "通常は7日ほどお預かりいたします。"),
)


def items(count: int, labels: Sequence[str] = LABELS, prefix: str = "t") -> list[Item]:
    """``count`` items of one row each, the labels in turn."""
    return [
        Item(f"{prefix}{n}", f"{prefix}{n}", (Message("user", _text(label, n)),), label, (label,))
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
        said.append(Prediction(item.id, (label,), probability, shares, wild if generated else None))
    return said


def set_items(count: int, labels: Sequence[str] = LABELS, prefix: str = "t") -> list[Item]:
    """``count`` items with one to three labels, the first ones of the set the most frequent."""
    chance = random.Random(5)
    found = []
    for n in range(count):
        weights = [1 / (rank + 1) for rank in range(len(labels))]
        drawn = dict.fromkeys(chance.choices(labels, weights, k=1 + n % 3))
        context = (Message("user", "、".join(_text(label, n) for label in drawn)),)
        found.append(Item(f"{prefix}{n}", f"{prefix}{n}", context, "".join(drawn), tuple(drawn)))
    return found


def set_answers(
    asked: Sequence[Item],
    right: float,
    seed: int,
    labels: Sequence[str] = LABELS,
    generated: bool = True,
) -> list[Prediction]:
    """Sets of which the share ``right`` is the gold one; the others begin with the first label.

    Args:
        asked: the items.
        right: share of right sets.
        seed: of what the others hold besides.
        labels: the closed set.
        generated: by a model that writes, sometimes beside the closed set; else by one with a
            classification head.
    """
    chance = random.Random(seed)
    said = []
    for n, item in enumerate(asked):
        hit = n < round(right * len(asked))
        chosen = item.labels if hit else tuple(dict.fromkeys((labels[0], chance.choice(labels))))
        if generated:
            wild = () if hit or chance.random() < 0.7 else ("うれしい",)
            written = " ".join((*chosen, *wild))
            said.append(Prediction(item.id, chosen, generated=written, invalid=wild))
        else:
            shares = tuple(0.7 if label in chosen else 0.1 for label in labels)
            said.append(Prediction(item.id, chosen, 0.7, shares))
    return said


def text_items(count: int, prefix: str = "t") -> list[Item]:
    """``count`` questions about a company, each with its answer."""
    found = []
    for n in range(count):
        question, answer = QUESTIONS[n % len(QUESTIONS)]
        context = (Message("user", f"{question} その{n}"),)
        found.append(Item(f"{prefix}{n}", f"{prefix}{n}", context, answer))
    return found


def text_answers(asked: Sequence[Item], right: float, seed: int) -> list[Prediction]:
    """Answers of which the share ``right`` is the gold one; the others go wrong in several ways."""
    chance = random.Random(seed)
    said = []
    for n, item in enumerate(asked):
        wrong = (item.answer[:8], "申し訳ございません、分かりかねます。", "東京です。" * 20, "")
        written = item.answer if n < round(right * len(asked)) else chance.choice(wrong)
        said.append(Prediction(item.id, None, generated=written))
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


KINDS: Mapping[Answers, str] = {"label": "classify", "set": "tag", "text": "answer"}


def config(kind: Answers = "label", /, **changes: Any) -> Config:
    """A config of an emoji experiment, or of one with questions and answers."""
    labels = {} if kind == "text" else {"labels": {"kind": "emoji"}}
    return Config.model_validate(
        {
            "name": "ためし",
            "task": {"kind": KINDS[kind], **labels},
            "data": {"train": "data/tweets.jsonl"},
            "model": {"id": "package:gemma-3-270m"},
        }
        | changes
    )


def levels(label: str) -> tuple[str, ...]:
    """The path of a label, as a task with the hierarchy ``/`` has it."""
    parts = label.split("/")
    return tuple("/".join(parts[: n + 1]) for n in range(len(parts)))


def asked_of(
    kind: Answers, count: int, labels: Sequence[str] = LABELS, prefix: str = "t"
) -> list[Item]:
    """``count`` items of a kind of answers."""
    if kind == "text":
        return text_items(count, prefix)
    return (items if kind == "label" else set_items)(count, labels, prefix)


def said_to(
    kind: Answers, asked: Sequence[Item], right: float, seed: int, labels: Sequence[str] = LABELS
) -> list[Prediction]:
    """Predictions of a kind of answers, of which the share ``right`` is right."""
    if kind == "text":
        return text_answers(asked, right, seed)
    return (answers if kind == "label" else set_answers)(asked, right, seed, labels)


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
    kind: Answers = "label",
    path_levels: Callable[[str], tuple[str, ...]] | None = None,
    base: Base = "model",
    most_frequent: Sequence[str] = (),
) -> Path:
    """A finished run folder, complete but for what is rendered and diagnosed.

    Args:
        output: the folder that the run folder is made in.
        said: system → its predictions; None: base, tuned and all baselines.
        asked: the test items.
        labels: the closed set; of free text there is none, whatever is given.
        losses: on the validation rows, one an epoch.
        bootstrap: resamples.
        experiment: the config.
        training: what the manifest says of training beside the usual.
        train: the training items.
        kind: what an answer is.
        path_levels: of labels that are paths, such as ``levels``.
        base: what the system "base" is.
        most_frequent: the most frequent labels of the data before any filter.
    """
    labels = () if kind == "text" else labels
    asked = asked_of(kind, 40, labels) if asked is None else asked
    train = asked_of(kind, 60, labels, "train-") if train is None else train
    validation = asked_of(kind, 10, labels, "v")
    if said is None:
        said = {
            "base": said_to(kind, asked, 0.2, 1, labels),
            "tuned": said_to(kind, asked, 0.8, 2, labels),
        }
        said |= run_baselines("all", kind, train, validation, asked, labels)
    experiment = experiment or config(kind)
    run = Run.create(output, experiment.name, date(2025, 12, 24))
    run.write_text(
        "config.yaml", yaml.safe_dump(experiment.model_dump(mode="json"), allow_unicode=True)
    )
    run.stage("train")
    log = history(losses)
    trainlog.write_log(run.path / trainlog.NAME, log)
    run.stage("evaluate")
    how_often = EvaluateConfig(bootstrap=bootstrap)
    metrics = evaluate(
        asked, labels, said, how_often, kind, path_levels, base, most_frequent=most_frequent
    )
    run.write_json("eval_metrics.json", metrics)
    rows = predictions.predicted(asked, said, kind, labels)
    predictions.write_predictions(run.path / predictions.NAME, rows)
    source = run.work / "tweets.jsonl"
    source.write_text("{}\n", encoding="utf-8")
    splits = {"train": train, "validation": validation, "test": asked}
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
