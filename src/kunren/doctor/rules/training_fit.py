"""Whether the model learnt the task or its training rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kunren.doctor.course import Course, Evaluation, Point, lower
from kunren.doctor.curve import chance, jitter, noise, smooth
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.training_evidence import (
    epoch_of,
    evaluations,
    metric,
    named,
    place,
    supervised,
)
from kunren.evaluation.told import metric_name
from kunren.messages import text

RISE = 0.05
"""Rise of the evaluation loss over its minimum, as a share of it, that counts as overfitting."""

LEAST_RISE = 0.01
"""The same in nats: of a loss near 0 a large share is nothing."""

STAYS = 0.8
"""Share of the evaluations after the best that must be above it: a rise that comes back is none."""

ZERO = 0.05
"""A training loss below this is that of rows known by heart, in labels and in tokens."""

FALLEN = 0.10
"""The same as a share of the loss at the beginning."""

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
"""… unless it was reached within so many epochs."""


def overfitting(course: Course, *, rise: float = RISE, least: float = LEAST_RISE,
                stays: float = STAYS) -> Finding | None:  # fmt: skip
    """The evaluation loss rises while the training loss goes on falling.

    過学習: 検証損失が最小になったあと、上がり続けている。

    何を見るか:
        検証損失の最小値と終わりの値の差。曲線そのものの揺れ (2 階差分から見積もります)、評価行の
        少なさによる揺れ、下がる途中の跳ねのどれよりも大きく、そのあと戻らないときだけ鳴ります。
        評価が 3〜5 回の短い学習でも、数百回の長い学習でも使えます。

    なぜ問題か:
        モデルが課題ではなく学習行を覚え始めています。最後の重みは、途中の重みより悪い可能性が
        高くなります。

    例:
        学習損失が 1.86 から 0.32 まで下がる間に、検証損失は 1.22、1.24、1.71 と上がった。
        2 エポック目より後の学習は害でした。

    対処:
        最良のエポックの重みを使います。次はエポック数を減らすか、早期終了を付けるか、行を増やします。

    What it sees:
        The gap between the lowest evaluation loss and the last ones. It must be larger than the
        curve's own noise (from its second differences), than what so few evaluation rows give, and
        than the jumps on the way down, and must not come back. Works for 3 to 5 evaluations and for
        hundreds.

    Why it matters:
        The model learns its rows rather than the task, and the last weights are likely worse than
        earlier ones.

    For example:
        While the training loss fell from 1.86 to 0.32 the evaluation loss went 1.22, 1.24, 1.71:
        all training after the second epoch did harm.

    What to do:
        Use the weights of the best epoch; next time train fewer epochs, stop early, or add rows.
    """
    found = evaluations(course)
    values = [one.loss for one in found]
    curve = smooth(values)
    best = int(curve.argmin())
    if best == len(curve) - 1:
        return None
    after = curve[best + 1 :]
    low = float(curve[best])
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
    if high - low <= bar or above < stays or not _still_learning(course, found[best]):
        return None
    # The point itself, not the smoothed one: that is the weights that can be used.
    at = min(found[max(0, best - 2) : best + 3], key=lambda one: one.loss)
    return _overfitting(course, found, at, high)


def _overfitting(
    course: Course, found: Sequence[Evaluation], at: Evaluation, high: float
) -> Finding:
    kept = next((one for one in found if one.step == course.kept_step), None)
    kind = "lost" if kept is None else "kept" if kept.step == at.step else "other"
    if kept is None and course.best_step == at.step:
        kind = "checkpoint"
    by = course.judged_by
    if by in (None, "loss"):
        by = text("doctor.by-loss")
    elif course.ours:
        by = metric_name(by)
    number = epoch_of(at)
    # Fewer epochs would end a training before the weights that its own metric liked best.
    mendable = course.ours and kind != "other" and number and number > 1
    grown = 100 * (high / at.loss - 1)
    return Finding(
        "warning" if kept is None else "info",
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

    学習行を丸暗記している (またはそう疑われる) のに、評価で確かめられない。

    何を見るか:
        評価が 1 回もないまま、学習損失がほぼ 0 または初めの 10 分の 1 以下になったか、10 エポック
        以上繰り返したか。評価が 1〜2 回しかないときは、学習損失がほぼ 0 なのに評価損失が高い
        ままか。

    なぜ問題か:
        損失が小さいことは、学習行を覚えた証拠にしかなりません。未知の入力に答えられるかは
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
    if len(held) >= 3 and held[-1] > 1.05 * min(held):
        return None  # overfitting says it
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
        早いうちに正解率や F1 が 1.0、または評価損失がほぼ 0 になったか。自由に書く課題では、
        評価損失が 1 トークンあたり 0.1 以下で、しかも学習損失と変わらないか。
        最初の評価では間違いが 1 割以上あり、2 エポックより後で学んだものは数えません。

    なぜ問題か:
        本物のデータで誤りが 1 件もないことは、ほとんどありません。評価行が学習行に入っている、
        入力に答えが書いてある、ラベルが 1 種類しかない、のどれかをまず疑います。

    例:
        1 エポックの途中で学習損失が 0.0001、評価損失が 0.00002。ラベルがすべて同じ値でした。

    対処:
        学習行と評価行の重複を調べ、評価行のラベルの内訳を見ます。入力からラベルの手がかり
        (ID、絵文字、定型句) を取り除いて評価し直します。

    What it sees:
        Accuracy or F1 of 1.0, or an evaluation loss of about 0, early on. Of text that is written
        freely: an evaluation loss below 0.1 a token that is no higher than the training loss. Not
        where a tenth of the answers was wrong at the first evaluation and the rest was learnt after
        the second epoch.

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
    if points and points[0].value < 1 - LATE and not _soon(solved):
        return None
    easy = next((one for one in course.evaluated if one.loss <= no_loss), None)
    at = solved or easy
    if at is not None:
        if solved is not None:
            shown = text(
                "rules_training.metric-is", name=named(name or ""), value=f"{solved.value:.4g}"
            )
        else:
            shown = text("rules_training.loss-is", value=f"{last.loss:.2g}")
        return Finding(
            "warning",
            text("rules_training.too-perfect", what=shown, at=place(at), rows=_judged_rows(course)),
            {"metric": name, "value": points[-1].value if points else None,
             "eval_loss": last.loss if math.isfinite(last.loss) else None, "step": int(at.step)},
        )  # fmt: skip
    return None if name else _too_easy(course, last, written)


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


def best_not_kept(course: Course) -> Finding | None:
    """The last weights are worse than earlier ones, and nothing kept those.

    途中のほうが良かったのに、最良の重みが残されていない。

    何を見るか:
        正解率や F1 (なければ検証損失) の最良値と最後の値の差が、評価行の数から見た偶然の揺れより
        大きく、最良のチェックポイントが記録されていないか。

    なぜ問題か:
        手元に残っているのは、その学習で最良のモデルではありません。

    例:
        正解率は 3 エポック目の 84 % が最高で、10 エポック目は 76 %。load_best_model_at_end が
        指定されておらず、残ったのは 76 % のモデルでした。

    対処:
        load_best_model_at_end=True と metric_for_best_model を指定し、評価と同じ間隔で保存します。
        checkpoint が残っていれば、最良のものを使います。

    What it sees:
        A best accuracy or F1 (else evaluation loss) that is better than the last by more than the
        chance of so many rows, with no best checkpoint on record.

    Why it matters:
        What you hold is not the best model of this run.

    For example:
        The accuracy was 84 % after epoch 3 and 76 % after epoch 10; without load_best_model_at_end
        the model of 76 % was left.

    What to do:
        Set load_best_model_at_end=True and metric_for_best_model, and save as often as you
        evaluate. If the checkpoint is still there, use it.
    """
    supervised(course)
    name = course.metric()
    if name is None or len(course.of_metric(name)) < 3:
        found = evaluations(course)
        name, points = "loss", [Point(one.step, one.epoch, one.loss) for one in found]
    else:
        name, points = metric(course, 3)
    if course.kept_step is not None or course.best_step is not None:
        return None
    sign = -1.0 if lower(name) else 1.0
    best = max(points, key=lambda p: sign * p.value)
    last = points[-1]
    gap = sign * (best.value - last.value)
    if name == "loss" or lower(name):
        bar = max(0.05 * best.value, jitter(best.value, course.judged_size))
    else:
        bar = max(chance(best.value, course.evaluation_rows), 0.01)
    # The best of several is high by chance alone: about one more standard error of so many.
    if gap <= 1.5 * bar + (noise([p.value for p in points]) or 0.0):
        return None
    return Finding(
        "warning",
        text(
            "rules_training.best-not-kept",
            name=text("doctor.by-loss") if name == "loss" else named(name),
            best=f"{best.value:.4g}", at=place(best), last=f"{last.value:.4g}", end=place(last),
        ),
        {"metric": name, "best": best.value, "best_step": int(best.step), "last": last.value},
    )  # fmt: skip
