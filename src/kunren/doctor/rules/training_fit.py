"""Whether the model learnt the task or its training rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kunren.doctor.course import Course, Evaluation, Point, lower
from kunren.doctor.curve import jitter, noise, smooth
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.training_evidence import (
    MIN_EVALUATIONS,
    before_particle,
    epoch_of,
    evaluations,
    named,
    place,
    supervised,
    worth,
)
from kunren.evaluation.told import metric_name, percent
from kunren.messages import text

RISE = 0.05
"""Rise of the evaluation loss over its minimum, as a share of it, that counts as overfitting."""

LEAST_RISE = 0.01
"""The same in nats: of a loss near 0 a large share is nothing."""

ALONE = 0.25
"""The same of two evaluations, which show no noise of their own."""

STAYS = 0.8
"""Share of the evaluations after the best that must be above it: a rise that comes back is none."""

ZERO = 0.05
"""A training loss below this is that of rows known by heart, in labels and in tokens."""

FALLEN = 0.10
"""The same as a share of the loss at the beginning."""

BY_HEART = 0.20
"""Rise of the evaluation loss that counts where the training loss meanwhile went to that of rows
known by heart: then even a curve that jumps from one evaluation to the next did not do so by
chance, as long as none of them comes back to the lowest."""

LEARNT = 0.8
"""An evaluation loss below this share of its first value has come down with the training loss."""

EPOCHS = 10
"""More epochs than this without one evaluation are a run that nobody watched."""

PERFECT = 0.999
"""From this value on a metric is one of a leak, or of a task that needed no model."""

NO_LOSS = 1e-3
"""The same of an evaluation loss: a mean probability of 99.9 % on the right answer."""

WRITTEN = 0.1
"""The same of a loss a token of text that is written freely; natural text is far from it."""

LATE = 0.10
"""Errors at the first evaluation from which on a perfect end was learnt on the way …"""

SOON = 2.0
"""… unless it was reached within so many epochs …"""

FEW = 3 / LATE
"""… or judged on fewer rows than this: none wrong of n rows leaves up to 3/n wrong elsewhere (the
rule of three, at 95 %), which here is more than ``LATE``."""


def overfitting(course: Course, *, rise: float = RISE, least: float = LEAST_RISE,
                stays: float = STAYS) -> Finding | None:  # fmt: skip
    """The evaluation loss rises while the training loss goes on falling.

    過学習: 検証損失が最小になったあと、上がり続けている。

    何を見るか:
        検証損失の最小値と終わりの値の差。曲線そのものの揺れ (2 階差分から見積もります)、
        検証データの少なさによる揺れ、下がる途中の跳ねのどれよりも大きく、
        そのあと戻らないときだけ鳴ります。評価が 3〜5 回の短い学習でも、
        数百回の長い学習でも使えます。評価が 2 回だけのときは、
        25 % 以上上がった場合に限ります。学習損失がほぼ 0 まで下がる間に検証損失が 2 割以上上がり、
        一度も戻らなければ、揺れの大きい曲線でも過学習とみなします。

    なぜ問題か:
        モデルが課題ではなく学習データを覚え始めています。最後の重みは、途中の重みより悪い可能性が
        高くなります。

    例:
        学習損失が 1.86 から 0.32 まで下がる間に、検証損失は 1.22、1.24、1.71 と上がった。
        2 エポック目より後の学習は害でした。

    対処:
        最良のエポックの重みを使います。次はエポック数を減らすか、早期終了を付けるか、
        行を増やします。

    What it sees:
        The gap between the lowest evaluation loss and the last ones. It must be larger than the
        curve's own noise (from its second differences), than what so few evaluation rows give, and
        than the jumps on the way down, and must not come back. Works for 3 to 5 evaluations and for
        hundreds; of two evaluations only where the second is 25 % above the first. Where the
        training loss goes to nearly 0 meanwhile and the evaluation loss rises by a fifth and never
        comes back, even a curve that jumps is one of overfitting.

    Why it matters:
        The model learns its rows rather than the task, and the last weights are likely worse than
        earlier ones.

    For example:
        While the training loss fell from 1.86 to 0.32 the evaluation loss went 1.22, 1.24, 1.71:
        all training after the second epoch did harm.

    What to do:
        Use the weights of the best epoch; next time train fewer epochs, stop early, or add rows.
    """
    found = evaluations(course, 2)
    values = [one.loss for one in found]
    if len(values) < MIN_EVALUATIONS and not (
        _clear(course, values) or _worse_by_heart(course, found, found[0], values[1])
    ):
        raise Missing("curve", count=len(values), needed=MIN_EVALUATIONS)
    curve = smooth(values)
    best = int(curve.argmin())
    low = float(curve[best])
    # The point itself, not the smoothed one: that is the weights that can be used, and a median
    # puts the lowest point up to two places too early.
    at = min(range(max(0, best - 2), min(len(values), best + 3)), key=lambda n: values[n])
    after = curve[at + 1 :]
    if not len(after) or values[at] <= 0:
        return None
    high = float(np.mean(after[-max(1, min(3, len(after) // 3)):]))  # fmt: skip
    jumps = [max(0.0, float(curve[n + 1] - curve[n])) for n in range(best)]
    bar = max(
        2 * (noise(values) or 0.0),
        max(jumps, default=0.0) if len(values) < 8 else 0.0,
        jitter(low, course.judged_size),
        least,
        rise * low,
    )
    above = float(np.mean(after > low))
    if _worse_by_heart(course, found, found[at], high):
        return _overfitting(course, found, found[at], high)
    if high - low <= bar or above < stays or not _still_learning(course, found[at]):
        return None
    return _overfitting(course, found, found[at], high)


def _worse_by_heart(
    course: Course, found: Sequence[Evaluation], best: Evaluation, high: float
) -> bool:
    """Whether the rows were learnt by heart after the best evaluation, and no other came near it.

    Args:
        course: the run.
        found: all evaluations.
        best: the lowest of them.
        high: where the evaluation loss ended.
    """
    then = course.loss_between(-math.inf, best.step)
    last = found[-1].step
    now = course.loss_between((best.step + last) / 2, last)
    if then is None or now is None or now >= ZERO or now > FALLEN * then:
        return False
    rise = max(BY_HEART * best.loss, LEAST_RISE, jitter(best.loss, course.judged_size))
    later = [one.loss for one in found if one.step > best.step]
    return high - best.loss > rise and min(later) > (1 + RISE) * best.loss


def _clear(course: Course, values: Sequence[float]) -> bool:
    """Whether the second of two evaluations is worse by more than four standard errors."""
    least = max(ALONE * values[0], 2 * jitter(values[0], course.judged_size))
    return course.evaluation_rows is not None and values[1] - values[0] > least


def _overfitting(
    course: Course, found: Sequence[Evaluation], at: Evaluation, high: float
) -> Finding:
    kept = next((one for one in found if one.step == course.kept_step), None)
    kind = "lost" if kept is None else "kept" if kept.step == at.step else "other"
    if kept is None and course.best_step == at.step:
        kind = "checkpoint"
    elif kind == "lost" and course.ours:
        kind = "lost-ours"
    by = course.judged_by
    if by in (None, "loss"):
        by = text("doctor.by-loss")
    elif course.ours:
        by = before_particle(metric_name(by))
    else:
        by = named(by)
    number = epoch_of(at)
    # Fewer epochs would end a training before the weights that its own metric liked best.
    mendable = course.ours and kind != "other" and number and number > 1
    grown = 100 * (high / at.loss - 1)
    # Which weights another tool kept is inferred, and why it did is not known.
    unsure = kind == "other" and not course.ours
    return Finding(
        "warning" if kept is None or unsure else "info",
        text(
            f"rules_training.overfitting-{kind}",
            at=place(at), low=at.loss, last=place(found[-1]), high=high, rise=grown,
            kept="" if kept is None else place(kept), metric=by, step=round(at.step),
        ),
        {
            "best_epoch": number,
            "best_step": int(at.step),
            "eval_loss": [one.loss for one in found[:: max(1, len(found) // 50)]],
            "rise": high / at.loss - 1,
            "kept_epoch": None if kept is None else epoch_of(kept),
        },
        {"set": {"train.epochs": number}} if mendable else None,
    )  # fmt: skip


def _still_learning(course: Course, best: Evaluation) -> bool:
    """Whether the training loss fell between the best evaluation and the end, or is not known."""
    last = course.evaluated[-1].step
    then = course.loss_between(best.step - (last - best.step), best.step)
    now = course.loss_between((best.step + last) / 2, last)
    # Known by heart it can fall no further.
    return then is None or now is None or now <= then or now < ZERO


def memorisation(course: Course, *, zero: float = ZERO, fallen: float = FALLEN,
                 epochs: float = EPOCHS) -> Finding | None:  # fmt: skip
    """The training rows are known by heart, and nothing shows what else is.

    学習データを丸暗記している (またはそう疑われる) のに、評価で確かめられない。

    何を見るか:
        評価が 1 回もないまま、学習損失がほぼ 0 または初めの 10 分の 1 以下になったか、10 エポック
        以上繰り返したか。評価が 1〜2 回しかないときは、学習損失がほぼ 0 なのに検証損失が高い
        ままか。

    なぜ問題か:
        損失が小さいことは、学習データを覚えた証拠にしかなりません。未知の入力に答えられるかは
        分からないままです。

    例:
        3 行を 100 エポック繰り返し、評価なし。学習した文はそのまま出てきますが、ほかの質問には
        答えられません。

    対処:
        1〜2 割の行を検証用に分け、エポックごとに評価します。行が少ないなら 3 エポック前後から
        始めます。

    What it sees:
        No evaluation at all, and a training loss near 0 or down to a tenth of where it began, or
        more than 10 epochs. With one or two evaluations: a training loss near 0 beside an
        evaluation loss that is not.

    Why it matters:
        A low training loss proves no more than that the rows were learnt by heart.

    For example:
        Three rows, 100 epochs, no evaluation: it repeats those rows, and can answer nothing else.

    What to do:
        Set a tenth or two of the rows aside and evaluate each epoch; with few rows begin with about
        3 epochs.
    """
    supervised(course)
    values = [p.value for p in course.finite_loss]
    if not values and course.mean_loss is None:
        raise Missing("losses")
    if len(values) < len(course.loss) or len(course.evaluated) < len(course.evaluations):
        return None  # of a run with NaN a loss of 0 is no memory
    size = max(1, len(values) // 10)
    start = float(np.median(values[:3])) if values else None
    end = float(np.median(values[-size:])) if values else None
    passed = round(course.last_epoch or 0.0, 1)
    evidence = {"epochs": passed or None, "start": start, "end": end, "rows": course.rows}
    rows = text("rules_training.rows", rows=round(course.rows)) if course.rows else ""
    if not course.evaluations:
        gone = start is not None and end is not None and len(values) >= 3 and (
            end < zero or end <= fallen * start
        )  # fmt: skip
        if not (gone and passed >= 1.5) and passed < epochs:
            return None
        shown = {"start": start or 0.0, "end": end or 0.0}
        kind = "unwatched" if gone else "epochs"
        return Finding(
            "warning",
            text(f"rules_training.memorisation-{kind}", epochs=passed, rows=rows, **shown),
            evidence,
        )
    held = [one.loss for one in course.evaluated]
    if not held or end is None or end >= zero or held[-1] < max(10 * end, 5 * zero):
        return None
    if len(held) >= 3 and (held[-1] > 1.05 * min(held) or held[-1] < LEARNT * held[0]):
        return None  # overfitting says it, or what was learnt holds for the held-out rows too
    return Finding(
        "warning",
        text("rules_training.memorisation-gap", end=end, held=held[-1], epochs=passed, rows=rows),
        evidence | {"eval_loss": held[-1]},
    )


def too_perfect(course: Course, *, perfect: float = PERFECT, no_loss: float = NO_LOSS,
                written: float = WRITTEN) -> Finding | None:  # fmt: skip
    """The evaluation is too good to be true.

    評価が良すぎる (漏れ、または自明な課題の疑い)。

    何を見るか:
        早いうちに正解率や F1 が 1.0、または検証損失がほぼ 0 になったか。自由に書く課題では、
        検証損失が 1 トークンあたり 0.1 以下で、しかも学習損失と変わらないか。
        最初の評価では間違いが 1 割以上あり、2 エポックより後で学んだものは数えません。ただし、
        検証データが 30 行未満のときは、満点でもほとんど何も分からないので鳴ります。

    なぜ問題か:
        本物のデータで誤りが 1 件もないことは、
        ほとんどありません。検証データが学習データに入っている、入力に答えが書いてある、
        ラベルが 1 種類しかない、のどれかをまず疑います。

    例:
        1 エポックの途中で学習損失が 0.0001、検証損失が 0.00002。ラベルがすべて同じ値でした。

    対処:
        学習データと検証データの重複を調べ、
        検証データのラベルの内訳を見ます。入力からラベルの手がかり(ID、絵文字、定型句)
        を取り除いて評価し直します。

    What it sees:
        Accuracy or F1 of 1.0, or an evaluation loss of about 0, early on. Of text that is written
        freely: an evaluation loss below 0.1 a token that is no higher than the training loss. Not
        where a tenth of the answers was wrong at the first evaluation and the rest was learnt after
        the second epoch; but always where fewer than 30 rows were evaluated, of which a perfect
        score says next to nothing.

    Why it matters:
        Real data are hardly ever answered without an error. Evaluation rows may be among the
        training rows, the answer may stand in the input, or there may be one label only.

    For example:
        In the middle of the first epoch the training loss was 0.0001 and the evaluation loss
        0.00002: all labels were the same.

    What to do:
        Look for rows that are in both splits, and count the labels of the evaluation rows. Take
        hints at the label (ids, emoji, phrases) out of the input and evaluate again.
    """
    supervised(course)
    if not course.evaluations:
        raise Missing("evaluations")
    name = course.metric()
    points = course.of_metric(name) if name and not lower(name) else []
    last = course.evaluations[-1]
    if points and points[-1].value < 0.99:
        return None
    solved = next((p for p in points if p.value >= perfect), None)
    if solved is not None and points[-1].value >= perfect and (course.evaluation_rows or FEW) < FEW:
        return _on_few(course, name or "", solved)
    if points and points[0].value < 1 - LATE and not _soon(solved):
        return None
    easy = next((one for one in course.evaluated if one.loss <= no_loss), None)
    at = solved or easy
    if at is not None:
        if solved is not None:
            told = {"name": named(name or ""), "value": worth(name or "", solved.value)}
            shown = text("rules_training.metric-is", **told)
        else:
            shown = text("rules_training.loss-is", value=f"{last.loss:.2g}")
        return Finding(
            "warning",
            text("rules_training.too-perfect", what=shown, at=place(at), rows=_judged_rows(course)),
            {"metric": name, "value": points[-1].value if points else None,
             "eval_loss": last.loss if math.isfinite(last.loss) else None, "step": int(at.step)},
        )  # fmt: skip
    return None if name else _too_easy(course, last, written)


def _on_few(course: Course, name: str, solved: Point) -> Finding:
    rows = course.evaluation_rows or 1.0
    return Finding(
        "warning",
        text(
            "rules_training.too-perfect-few",
            name=named(name), at=place(solved), rows=round(rows), most=percent(min(1.0, 3 / rows)),
        ),
        {"metric": name, "value": solved.value, "rows": rows, "step": int(solved.step)},
    )  # fmt: skip


def _soon(solved: Point | None) -> bool:
    """Whether a task was solved within two epochs."""
    return solved is not None and solved.epoch is not None and solved.epoch <= SOON


def _too_easy(course: Course, last: Evaluation, written: float) -> Finding | None:
    """Text that is written as easily where it is held out as where it was trained."""
    train = course.loss_between(last.step * 0.8, last.step)
    if train is None or not last.loss < written or last.loss > 1.05 * train:
        return None
    if course.evaluations[0].loss > 3 * last.loss or (last.epoch or math.inf) > 3:
        return None  # learnt on the way
    return Finding(
        "warning",
        text("rules_training.too-perfect-written", held=last.loss, train=train, at=place(last)),
        {"eval_loss": last.loss, "loss": train, "step": int(last.step)},
    )


def _judged_rows(course: Course) -> str:
    if not course.evaluation_rows:
        return ""
    return text("rules_training.of-rows", rows=round(course.evaluation_rows))
