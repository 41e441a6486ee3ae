"""Which cure is tried first, by the findings of runs that were recorded."""

from __future__ import annotations

from typing import Any

import pytest

from kunren.doctor.cures import cures, reconciled

KNOWN = ("long-warmup", "fp16-new-tokens", "dominant-label")
CONFIG: dict[str, Any] = {
    "train": {"epochs": 3, "learning_rate": 1e-4, "warmup": 0.1, "precision": "fp16"},
    "task": {"labels": {"ban": []}},
}


def found(slug: str, severity: str = "warning", **patch: Any) -> dict[str, Any]:
    values = {key.replace("__", "."): value for key, value in patch.items()}
    fix = {"set": values} if values else None
    return {"slug": slug, "severity": severity, "message": f"{slug}。", "fix": fix}


LONGER = found("validation-trivial", train__epochs=9)
FASTER = found("not-learning", train__learning_rate=1e-3)
SLOWER = found("not-better-than-base", "critical", train__learning_rate=1e-5)
SHORTER = found("overfitting", train__epochs=2)
DIVERGED = found("loss-spikes", "critical", train__learning_rate=3e-5)
BROKEN = found("non-finite", "critical", train__precision="fp32")
WARMUP = found("not-learning", train__warmup=0.0)
BAN = found("mode-collapse", "critical", task__labels__ban=["✨"])
KNOWN_WARMUP = found("long-warmup", train__warmup=0.0)
KNOWN_PRECISION = found("fp16-new-tokens", train__precision="auto")


@pytest.mark.parametrize(
    ("findings", "order"),
    [
        # five stars, 56 % fives: trained too briefly, and called too slow and too fast at once
        ([SLOWER, FASTER, LONGER], [["train.epochs=9"]]),
        # a majority collapse at too low a rate: the loss did not move, so nothing says longer
        ([BAN, FASTER], [["train.learning_rate=0.001"], ["task.labels.ban=[✨]"]]),
        # a diverged run of few epochs
        ([LONGER, DIVERGED], [["train.learning_rate=3.0e-05"], ["train.epochs=9"]]),
        ([DIVERGED, BROKEN], [["train.precision=fp32"], ["train.learning_rate=3.0e-05"]]),
        # overfitted, with few rows, and a guess at the rate
        ([SHORTER, FASTER], [["train.learning_rate=0.001"], ["train.epochs=2"]]),
        ([LONGER, WARMUP], [["train.warmup=0.0"], ["train.epochs=9"]]),
    ],
)
def test_the_likeliest_comes_first_and_alone(
    findings: list[dict[str, Any]], order: list[list[str]]
) -> None:
    for shuffled in (findings, findings[::-1]):
        made = [one.overrides for one in cures(shuffled, CONFIG, KNOWN)]
        assert made[: len(order)] == order


def test_opposite_changes_of_one_key_are_never_one_cure() -> None:
    made = cures([FASTER, SLOWER, LONGER, SHORTER], CONFIG, KNOWN)
    assert len(made) == 4
    assert all(len(one.changes) == 1 for one in made)


def test_findings_that_ask_for_the_same_are_one_cure() -> None:
    again = found("still-improving", train__epochs=9)
    (one,) = cures([LONGER, again], CONFIG, KNOWN)
    assert one.changes[0].slugs == ("validation-trivial", "still-improving")


def test_what_was_wrong_before_training_is_mended_first_and_together() -> None:
    first, second = cures([LONGER, KNOWN_WARMUP, KNOWN_PRECISION], CONFIG, KNOWN)
    assert first.values == {"train.warmup": 0.0, "train.precision": "auto"}
    assert second.values == {"train.epochs": 9}


def test_a_known_fault_goes_with_the_cure_that_mends_it_anyway() -> None:
    both = found("validation-collapse", task__labels__ban=["✨"], train__warmup=0.0)
    (one,) = cures([KNOWN_WARMUP, both], CONFIG, KNOWN)
    assert one.values == {"train.warmup": 0.0, "task.labels.ban": ["✨"]}


def test_a_cure_that_a_known_fault_asks_for_too_is_named_with_it() -> None:
    rate = found("learning-rate", train__learning_rate=3e-5)
    known = (*KNOWN, "learning-rate")
    first, second = cures([DIVERGED, rate, LONGER], CONFIG, known)
    (change,) = first.changes
    assert set(change.slugs) == {"learning-rate", "loss-spikes"}
    assert second.values == {"train.epochs": 9}


def test_what_to_change_now_and_what_to_try_later() -> None:
    now, later = reconciled([SLOWER, FASTER, LONGER, KNOWN_PRECISION], CONFIG, KNOWN)
    assert now.values == {"train.precision": "auto", "train.epochs": 9}
    assert [one.overrides for one in later] == [
        ["train.learning_rate=1.0e-05"],
        ["train.learning_rate=0.001"],
    ]


def test_findings_without_a_change_are_no_cures() -> None:
    assert cures([found("few-rows"), found("small-test")], CONFIG, KNOWN) == []
    assert cures([found("same", train__epochs=3)], CONFIG, KNOWN) == []
