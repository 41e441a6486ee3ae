from __future__ import annotations

from dataclasses import replace

from tests.rules.case import Case
from tests.rules.courses import FINISHED, HEALTHY, INF, NAN, course, falling, ours

from kunren.records.folder import State

STOPPED = State("stopped", "train", "", "", 1, "ステップ 7 で", ("train.non-finite",))


OVERFLOWN = replace(STOPPED, codes=("train.fp16-overflow",))


def fires() -> list[Case]:
    early = course([NAN] * 5, [NAN], gradient=[NAN] * 5)
    late = course([*falling(2.0, 1.0, 10), NAN, NAN])
    held = course(falling(2.0, 1.0), [1.2, NAN])
    grads = course(falling(2.0, 1.9, 12), gradient=[INF, 1.0, INF, 1.0, INF, *[1.0] * 7])
    stuck = course([2.0] * 12, gradient=[1.0, *[NAN] * 11])
    kunren = ours(course([1.0, NAN]), precision="fp16", learning_rate=1e-4)
    hot = ours(course([1.0, NAN]), precision="fp16", learning_rate=1e-2)
    return [
        Case("from the first step", {"course": early, "state": FINISHED}, "critical", ["最初から"]),
        Case(
            "after a sound start", {"course": late, "state": FINISHED}, "critical", ["学習率が高い"]
        ),
        Case("in an evaluation", {"course": held, "state": FINISHED}, "critical", ["ステップ"]),
        Case(
            "a quarter of the gradients",
            {"course": grads, "state": FINISHED},
            "warning",
            ["25.0 %"],
        ),
        Case("gradients to the end", {"course": stuck, "state": FINISHED}, "critical"),
        Case(
            "stopped by a guard", {"course": course(), "state": STOPPED}, "critical", ["ステップ 7"]
        ),
        Case(
            "our own, in fp16",
            {"course": kunren, "state": FINISHED},
            "critical",
            ["fp16 の範囲"],
            {"set": {"train.precision": "fp32"}},
        ),
        Case(
            "our own, in fp16 at a rate that would break fp32 too",
            {"course": hot, "state": FINISHED},
            "critical",
            ["fp16 の範囲"],
            {"set": {"train.learning_rate": 1e-3, "train.precision": "fp32"}},
        ),
        Case(
            "our own, stopped since fp16 overflowed at every step",
            {
                "course": ours(course([1.0] * 3), precision="fp16", learning_rate=1e-4),
                "state": OVERFLOWN,
            },
            "critical",
            ["fp16 の範囲"],
            {"set": {"train.precision": "fp32"}},
        ),
    ]


def quiet() -> list[Case]:
    scaler = course(falling(2.0, 1.0, 12), gradient=[INF, *[1.0] * 11])
    return [
        Case("healthy", {"course": HEALTHY, "state": FINISHED}),
        Case("the scaler of fp16 finds its scale", {"course": scaler, "state": FINISHED}),
    ]


def lacks() -> list[Case]:
    return [Case("nothing logged", {"course": course(), "state": FINISHED}), Case("no course", {})]
