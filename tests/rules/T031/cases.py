from __future__ import annotations

from typing import Any

from tests.rules.case import Case

from kunren.doctor.course import Course, Evaluation, Point


def course(values: tuple[float, ...], thirds: tuple[float, ...], **known: Any) -> Course:
    """A Jaccard coefficient an epoch, and a training loss so high in each third of ten steps."""
    points = [value for value in thirds for _ in range(10)]
    return Course(
        tuple(Point(n, n / 10, v) for n, v in enumerate(points)),
        evaluations=[Evaluation(n, float(n), {"jaccard": v}) for n, v in enumerate(values, 1)],
        ours=True,
        **known,
    )


def case(name: str, /, **changes: Any) -> Case:
    told = {k: changes.pop(k) for k in ("severity", "says", "fix") if k in changes}
    evidence = {
        "training": {"best_epoch": 2.0, "trivial": {"jaccard": 0.125}},
        "course": course((0.125, 0.106, 0.2), (0.18, 0.16, 0.13)),
        "config": {"train": {"epochs": 10}},
        "answers": "set",
    }
    return Case(name, evidence | changes, **told)


def fires() -> list[Case]:
    return [
        case(
            "the loss still fell",
            severity="warning",
            says=("0.106", "0.125", "エポック 2", "10 から 30"),
            fix={"set": {"train.epochs": 30}},
        ),
        case(
            "early stopping ended it",
            course=course((0.125, 0.125), (0.18, 0.16, 0.13), stopped_early=True),
            severity="warning",
            says=("早期終了",),
            fix={"set": {"train.epochs": 30, "train.early_stopping.patience": 7}},
        ),
        case(
            "the loss no longer falls",
            course=course((0.125, 0.106), (0.18, 0.13, 0.13)),
            severity="warning",
            says=("行を増やす",),
        ),
    ]


def quiet() -> list[Case]:
    return [
        case("the epoch that was kept does better", training={
            "best_epoch": 3.0, "trivial": {"jaccard": 0.125}}),
        case("all validation rows have one answer", training={
            "best_epoch": 2.0, "trivial": {"jaccard": 1.0}}, course=course((1.0, 1.0), (0.3, 0.2))),
    ]  # fmt: skip


def lacks() -> list[Case]:
    whole = case("").evidence
    return [
        case("a run from before it was recorded", training={"best_epoch": 2.0}),
        *(
            Case(f"without {name}", {k: v for k, v in whole.items() if k != name})
            for name in ("training", "course", "config", "answers")
        ),
    ]
