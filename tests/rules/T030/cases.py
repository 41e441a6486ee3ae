from __future__ import annotations

from typing import Any

from tests.rules.case import Case

from kunren.doctor.course import Course, Point

EVEN = {"📚": 60, "🎉": 55, "😅": 50}
SPARKLES = {"✨": 250, "📚": 55, "🎉": 48}
"""Seed 001: one label has 4.5 times the rows of the second."""


def course(*thirds: float, **known: Any) -> Course:
    """A training loss that is so high in each third of ten steps."""
    values = [value for value in thirds for _ in range(10)]
    return Course(tuple(Point(n, n / 10, v) for n, v in enumerate(values)), ours=True, **known)


def epoch(number: float, share: float, *, collapsed: bool) -> dict[str, Any]:
    return {
        "epoch": number, "label": "✨", "share": share, "gold_share": 0.19, "distinct": 2,
        "gold_distinct": 40, "collapsed": collapsed,
    }  # fmt: skip


def case(name: str, /, **changes: Any) -> Case:
    told = {k: changes.pop(k) for k in ("severity", "says", "fix") if k in changes}
    evidence = {
        "leanings": [epoch(n, 0.93, collapsed=n > 1) for n in (1.0, 2.0, 3.0)],
        "training": {"best_epoch": 3.0, "steps": 300},
        "trained_labels": SPARKLES,
        "config": {"task": {"kind": "tag"}, "train": {"warmup": 0.1}},
        "course": course(4.7, 3.6, 3.5),
    }
    return Case(name, evidence | changes, **told)


def fires() -> list[Case]:
    long = {"task": {"kind": "tag"}, "train": {"warmup": 500.0}}
    single = {"task": {"kind": "classify"}, "train": {"warmup": 0.1}}
    half = [epoch(1.0, 0.6, collapsed=True)]
    return [
        case(
            "a label that dominates the training rows",
            severity="critical",
            says=("93.0 %", "エポック 2 から", "250 行", "「📚」(55 行)"),
            fix={"set": {"task.labels.ban": ["✨"]}},
        ),
        case(
            "and a warm-up that never ends",
            config=long,
            severity="critical",
            says=("学習全体の 100 %",),
            fix={"set": {"task.labels.ban": ["✨"], "train.warmup": 0.1}},
        ),
        case(
            "no label dominates: nothing in the config is to blame for sure",
            trained_labels=EVEN,
            leanings=half,
            training={"steps": 300},
            severity="warning",
            says=("60.0 %", "学習率"),
        ),
        case(
            "no label dominates, and early stopping ended it before the rows were learnt",
            trained_labels=EVEN,
            leanings=half,
            training={"steps": 36},
            config={"task": {"kind": "tag"}, "train": {"warmup": 0.1, "epochs": 10}},
            course=course(4.7, 3.9, 3.4, stopped_early=True),
            severity="warning",
            says=("早期終了", "10 から 30"),
            fix={"set": {"train.epochs": 30, "train.early_stopping.patience": 7}},
        ),
        case(
            "the same, but all its epochs were done",
            trained_labels=EVEN,
            leanings=half,
            config={"task": {"kind": "tag"}, "train": {"warmup": 0.1, "epochs": 10}},
            course=course(4.7, 3.9, 3.4),
            severity="warning",
            says=("まだ下がっている", "10 から 30"),
            fix={"set": {"train.epochs": 30}},
        ),
        case(
            "the rows were learnt: more of the same would not help",
            trained_labels=EVEN,
            leanings=half,
            config={"task": {"kind": "tag"}, "train": {"warmup": 0.1, "epochs": 10}},
            course=course(4.7, 0.5, 0.1),
            severity="warning",
            says=("入力とラベルが対応",),
        ),
        case("one label a text: a ban would take rows away", config=single, severity="critical"),
    ]


def quiet() -> list[Case]:
    over = [epoch(1.0, 0.9, collapsed=True), epoch(2.0, 0.9, collapsed=True)]
    return [
        case(
            "it was so in the first epochs only", leanings=[*over, epoch(3.0, 0.2, collapsed=False)]
        ),
        case(
            "the epoch whose weights were kept had come out of it",
            leanings=[epoch(1.0, 0.2, collapsed=False), epoch(2.0, 0.9, collapsed=True)],
            training={"best_epoch": 1.0, "steps": 300},
        ),
    ]


def lacks() -> list[Case]:
    whole = case("").evidence
    return [
        Case(f"without {name}", {k: v for k, v in whole.items() if k != name})
        for name in ("leanings", "training", "trained_labels", "config", "course")
    ]
