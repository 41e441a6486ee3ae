"""Numbers that cannot be right: not finite, zero, or off the curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np

from kunren.doctor.course import Course, Point
from kunren.doctor.curve import running_median
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.divergence import diverged_by, worse
from kunren.doctor.rules.patches import slower
from kunren.doctor.rules.training_evidence import losses, place
from kunren.doctor.rules.wording import joined
from kunren.evaluation.told import percent
from kunren.messages import text
from kunren.records.folder import State

_STOPS = ("non-finite", "fp16-overflow")
"""Parts of the codes of the guards that stop a run for its numbers."""

STREAK = 3
"""So many non-finite gradients in a row are more than the scaler of fp16 finding its scale."""

OFTEN = 0.2
"""Share of non-finite gradients above which many steps were lost; the scaler loses about one in
2000 (its growth interval in torch)."""

HIGH_RATE = 1e-3
"""Above this learning rate a full fine-tuning diverges with nearly every model."""

SPIKE = 8.0
"""Standard deviations off the local level: by chance less than once in 10 ** 14 normal values, and
once in thousands where single batches are as heavy-tailed as they are in practice."""

HEIGHT = 3.0
"""Times the local level. Batches of one or two rows reach twice their level all the time."""

LEAST_SPIKE = 0.5
"""In nats: one row that is answered wrongly and surely (a loss of about 4) in a batch of eight."""

TENTH, THIRD = 10.0, 3.0
"""What the learning rate is divided by after a loss that was not finite, and after jumps."""

DIVERGED = 2.0
"""The loss ends at this many times its lowest level."""


def non_finite(course: Course, state: State, *, streak: float = STREAK,
               often: float = OFTEN) -> Finding | None:  # fmt: skip
    """A loss or gradient that is not a finite number.

    損失または勾配が有限な値でなくなった。

    何を見るか:
        学習損失と検証損失の NaN・無限大、続けて起きた勾配の NaN・無限大、異常を見て止めた記録。
        fp16 では勾配が 1 回だけ無限大になり、その回が飛ばされるのは正常な動作なので、数えません。

    なぜ問題か:
        一度 NaN が重みに入ると、それ以降の数値はすべて意味を失います。

    例:
        埋め込みを追加したモデルを fp16 で学習し、最初のステップから勾配が NaN になった
        (eval_loss NaN、grad_norm NaN)。fp32 にすると正常に学習できました。

    対処:
        精度を fp32 (または bf16) にし、学習率を 10 分の 1 に下げます。最初のステップから起きる
        なら、パディングを損失から除いているか、ラベルがすべて -100 になっていないかを確かめます。

    What it sees:
        NaN or infinity in the training or evaluation loss, in several gradients in a row, or a
        guard that stopped the run for it. A single infinite gradient norm that the scaler of fp16
        skipped is no fault.

    Why it matters:
        Once a NaN has reached the weights, no number after it means anything.

    For example:
        New embeddings trained in fp16: eval_loss NaN and grad_norm NaN from the first step on. In
        fp32 the same run trained.

    What to do:
        Train in fp32 (or bf16) with a tenth of the learning rate. If it happens from the first step
        on, see whether padding is masked in the loss and whether any label is left.
    """
    stopped = any(kind in code for code in state.codes for kind in _STOPS)
    if not stopped and not course.loss and not course.evaluations and not course.gradient:
        raise Missing("log" if course.ours else "losses")
    lost = [p for p in course.loss if not math.isfinite(p.value)]
    lost += [
        Point(one.step, one.epoch, one.loss)
        for one in course.evaluations
        if "loss" in one.values and not math.isfinite(one.loss)
    ]
    bad = [p for p in course.gradient if not math.isfinite(p.value)]
    row = _longest(course.gradient)
    to_the_end = len(row) >= max(streak, 1) and row[-1] is course.gradient[-1]
    fatal = stopped or bool(lost) or to_the_end
    share = len(bad) / len(course.gradient) if course.gradient else 0.0
    if not fatal and (share < often or len(bad) < streak):
        return None
    first = min(lost or row or bad, key=lambda point: point.step, default=None)
    said = text("doctor.non-finite-at", step=int(first.step)) if first else state.error
    kind = "non-finite" if fatal else "non-finite-gradients"
    cause = text(f"rules_training.non-finite-{_cause(course, first)}")
    patch = _patch(course)
    better = patch.get("train.learning_rate")
    lower_rate = text(
        f"rules_training.rate-{'tenth' if better is None else 'is'}",
        rate="" if better is None else f"{better:g}",
    )
    return Finding(
        "critical" if fatal else "warning",
        text(f"rules_training.{kind}", since=joined(filter(None, (said, cause))),
             share=percent(share), rate=lower_rate),
        {
            "step": None if first is None else int(first.step),
            "stopped_by_guard": stopped,
            "error": state.error,
            "non_finite_gradients": len(bad),
        },
        {"set": patch} if patch and course.ours else None,
    )  # fmt: skip


def _longest(points: Sequence[Point]) -> list[Point]:
    """The last run of points that are not finite."""
    found: list[Point] = []
    held: list[Point] = []
    for point in points:
        held = [] if math.isfinite(point.value) else [*held, point]
        found = held if len(held) >= len(found) and held else found
    return found


def _cause(course: Course, first: Point | None) -> str:
    """What the settings and the moment make likely."""
    rate = course.settings.get("train.learning_rate") or max(
        (p.value for p in course.rate if math.isfinite(p.value)), default=0.0
    )
    if course.settings.get("train.precision") == "fp16":
        return "fp16-tokens" if course.settings.get("model.add_tokens") else "fp16"
    if _too_high(course, rate):
        return "rate"
    healthy = [p for p in course.finite_loss if first is not None and p.step < first.step]
    return "late" if any(p.value > 0 for p in healthy) else "early"


def _too_high(course: Course, rate: float) -> bool:
    full = course.settings.get("tuning.kind") != "lora"
    return rate > (HIGH_RATE if full else 10 * HIGH_RATE)


def _patch(course: Course) -> dict[str, Any]:
    """fp32, and a lower rate unless fp16 explains it alone."""
    precision, rate = (course.settings.get(f"train.{k}") for k in ("precision", "learning_rate"))
    patch: dict[str, Any] = {} if precision == "fp32" else {"train.precision": "fp32"}
    lower = slower(course, TENTH)
    if lower is not None and rate is not None and (precision != "fp16" or _too_high(course, rate)):
        patch["train.learning_rate"] = lower
    return patch


def zero_loss(course: Course, *, streak: float = STREAK) -> Finding | None:
    """The training loss is exactly zero.

    学習損失がちょうど 0 になっている。

    何を見るか:
        学習損失が最初から 0.0 のまま、または途中で急に 0.0 になって戻らないか。
        学習できて 0 に近づいたもの (0.0001 など) とは区別します。

    なぜ問題か:
        損失がちょうど 0 になることは、普通はありません。ラベルがすべて無視されているか、NaN が
        ログで 0 に置き換えられています (Hugging Face の logging_nan_inf_filter の動作です)。

    例:
        loss 0.0、eval_loss NaN、grad_norm NaN。実際には最初のステップから NaN で、
        パディングが損失に入っていました。

    対処:
        1 バッチを取り出し、ラベルのうち -100 でないものが残っているかを確かめます。
        勾配が NaN なら fp32 で学習します。

    What it sees:
        A training loss of 0.0 from the start, or one that falls to 0.0 at once and stays there. One
        that was learnt down to 0.0001 is another thing.

    Why it matters:
        A loss is not exactly zero by itself: all labels are ignored, or NaN is written as 0 (as the
        Trainer's logging_nan_inf_filter does).

    For example:
        loss 0.0, eval_loss NaN, grad_norm NaN: it was NaN from the first step on, and padding was
        counted in the loss.

    What to do:
        Take one batch and see whether any label is not -100. If gradients are NaN, train in fp32.
    """
    found = losses(course, 1)
    zeros = list(takewhile(lambda p: p.value == 0.0, reversed(found)))
    if len(zeros) < min(streak, len(found)):
        return None
    before = found[: len(found) - len(zeros)]
    level = float(np.median([p.value for p in before[-5:]])) if before else None
    if level is not None and level < 0.05:
        return None  # learnt down to it: a matter for too-perfect and memorisation
    if not before and _learnt(course):
        return None
    nan = any(not math.isfinite(p.value) for p in course.gradient) or any(
        "loss" in one.values and not math.isfinite(one.loss) for one in course.evaluations
    )
    since = zeros[-1]
    kind = "nan" if nan else "masked"
    return Finding(
        "critical",
        text(f"rules_training.zero-loss-{kind}", since=place(since), count=len(zeros)),
        {"step": int(since.step), "zeros": len(zeros), "logged": len(found), "nan": nan},
    )


def _learnt(course: Course) -> bool:
    """Whether an evaluation shows that the task is solved, so that a loss of 0 is a rounded one."""
    name = course.metric()
    return name is not None and any(p.value >= 0.99 for p in course.of_metric(name))


def loss_spikes(course: Course, *, deviations: float = SPIKE, height: float = HEIGHT,
                diverged: float = DIVERGED) -> Finding | None:  # fmt: skip
    """The training loss jumps, or does not come down again.

    学習損失が跳ね上がっている、または発散している。

    何を見るか:
        まわりの水準から大きく外れた学習損失 (ばらつきの 8 倍かつ 3 倍以上の高さ) と、
        いったん下がった損失が初めの値に戻り、最後まで高いままになる発散。検証損失と学習損失が
        そろって上がり、戻らない場合も含みます。ウォームアップ中と、小さいバッチの
        普通のばらつきは数えません。

    なぜ問題か:
        発散したあとの重みは使えません。ときどき跳ねるだけでも、その直後の学習は無駄になりがちです。

    例:
        損失が 2.1 から 1.2 まで下がったあと 7.4 に上がり、そのまま終わった。

    対処:
        学習率を下げ、ウォームアップを入れ、勾配クリッピング (max_grad_norm 1.0) を確かめます。
        同じ場所で毎回跳ねるなら、その付近のデータに極端に長い行や壊れた行がないかを見ます。

    What it sees:
        Training losses far off their neighbours (8 deviations and 3 times the level), and a loss
        that had come down and ends where it began, or rises together with the evaluation loss and
        stays up. Warm-up and the usual scatter of small batches
        do not count.

    Why it matters:
        Weights after a divergence are of no use, and after each jump some training is lost.

    For example:
        The loss fell from 2.1 to 1.2, rose to 7.4 and stayed there.

    What to do:
        Lower the learning rate, warm up, and clip gradients (max_grad_norm 1.0). If it jumps at the
        same place every time, look at the rows there.
    """
    found = losses(course, 10)
    values = np.array([p.value for p in found])
    level = running_median(values, 7)
    begin = max(1, len(values) // 10)
    start = float(np.median(values[:begin]))
    fix, advice = _slower(course)
    if (apart := diverged_by(course, values, diverged)) is not None:
        low_at = int(level.argmin())
        return Finding(
            "critical" if apart else "warning",
            text(
                "rules_training.loss-spikes-diverged",
                low=float(level.min()), at=place(found[low_at]),
                high=float(np.median(values[-begin:])), advice=advice,
            ),
            {
                "lowest": float(level.min()),
                "last": float(np.median(values[-begin:])),
                "step": int(found[low_at].step),
            },
            fix,
        )  # fmt: skip
    if (harmed := worse(course)) is not None:
        at, after, rates = harmed
        return Finding(
            "warning",
            text(
                "rules_training.loss-spikes-worse",
                at=place(at), low=at.loss, high=after, then=rates[0], now=rates[1],
                advice=advice,
            ),
            {"step": int(at.step), "eval_loss": [at.loss, after], "loss": list(rates)},
            fix,
        )  # fmt: skip
    off = values - level
    spread = 1.4826 * float(np.median(np.abs(off))) or math.inf
    high = (off > max(deviations * spread, LEAST_SPIKE)) & (values > height * level)
    high &= values > 0.5 * start
    high[:begin] = False
    where = [found[n] for n in np.flatnonzero(high)]
    if not where:
        return None
    worst = max(where, key=lambda p: p.value)
    return Finding(
        "warning" if len(where) > 1 else "info",
        text(
            "rules_training.loss-spikes", count=len(where), worst=worst.value, at=place(worst),
            advice=advice,
        ),
        {"count": len(where), "steps": [int(p.step) for p in where[:20]], "worst": worst.value},
        fix if len(where) > 1 else None,
    )  # fmt: skip


def _slower(course: Course) -> tuple[Mapping[str, Any] | None, str]:
    rate = slower(course, THIRD)
    if rate is None:
        return None, text("rules_training.slower-third")
    return {"set": {"train.learning_rate": rate}}, text("rules_training.slower", rate=f"{rate:g}")
