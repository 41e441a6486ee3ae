"""Whether the last part of training did anything."""

from __future__ import annotations

import math

from kunren.doctor.course import Course, Point
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.training_evidence import place, supervised
from kunren.messages import text

DEAD_RATE = 1e-3
"""Share of its highest value below which a learning rate moves nothing."""

DEAD_STEPS = 0.10
"""Share of the run that may be spent so; a cosine ends with 2 % of its steps below 0.1 %."""

FLAT = 0.005
"""Change of the evaluation loss over the last third of a run that is none."""


def dead_tail(course: Course, *, rate: float = DEAD_RATE, share: float = DEAD_STEPS,
              flat: float = FLAT) -> Finding | None:  # fmt: skip
    """The last part of training changed nothing.

    学習の終わりの部分が何も変えていない。

    何を見るか:
        学習率がほぼ 0 (最大値の 0.1 % 以下) のまま進んだ区間が全体の 10 % 以上あるか。
        または、最後の 3 分の 1 で検証損失がまったく動いていないか。

    なぜ問題か:
        その時間は無駄になっています。学習率の予定と実際のステップ数が合っていないしるしでもあり、
        本当は途中で止まった学習かもしれません。

    例:
        1,000 ステップの予定で学習率を組み、1,400 ステップ学習した。最後の 400 ステップは学習率 0。

    対処:
        max_steps と num_train_epochs のどちらか一方だけを指定します。途中から再開したときは、
        学習率の予定も作り直します。平らなだけなら、次はエポック数を減らせます。

    What it sees:
        A learning rate of about 0 (0.1 % of its highest) for 10 % of the steps or more; or an
        evaluation loss that did not move at all in the last third.

    Why it matters:
        The time is lost, and the schedule does not fit the steps: what was meant to train did not.

    For example:
        A schedule of 1,000 steps in a run of 1,400: the last 400 had a learning rate of 0.

    What to do:
        Give max_steps or num_train_epochs, not both, and make the schedule anew when you resume. If
        the curve is merely flat, fewer epochs will do next time.
    """
    supervised(course)
    rates = [p for p in course.rate if math.isfinite(p.value)]
    if len(rates) < 10 and len(course.evaluated) < 6:
        raise Missing("rates")
    if (dead := _dead(rates, rate)) and course.last_step > 0:
        lost = (course.last_step - dead[0].step) / course.last_step
        if lost >= share and len(dead) >= 3:
            return Finding(
                "warning",
                text("rules_training.dead-tail-rate", since=place(dead[0]), share=100 * lost),
                {"step": int(dead[0].step), "share": lost},
            )
    return _flat(course, flat)


def _dead(rates: list[Point], share: float) -> list[Point]:
    top = max((p.value for p in rates), default=0.0)
    if top <= 0:
        return []
    alive = [n for n, p in enumerate(rates) if p.value > share * top]
    return rates[alive[-1] + 1 :]


def _flat(course: Course, flat: float) -> Finding | None:
    found = course.evaluated
    if len(found) < 6 or (course.last_epoch or 0.0) < 2:
        return None
    part = [one.loss for one in found[-max(3, len(found) // 3) :]]
    lowest, highest = min(part), max(part)
    if highest - lowest > flat * lowest or part[0] > 0.9 * found[0].loss:
        return None
    since = found[-len(part)]
    return Finding(
        "info",
        text("rules_training.dead-tail-flat", since=place(since), low=lowest, high=highest),
        {"step": int(since.step), "lowest": lowest, "highest": highest},
    )
