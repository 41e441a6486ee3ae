"""Whether the logged training loss is on the scale of the evaluation loss."""

from __future__ import annotations

import math
from bisect import bisect_right
from statistics import fmean, geometric_mean, median

import numpy as np

from kunren.doctor.course import Course, Evaluation, lower
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.training_evidence import MIN_EVALUATIONS, supervised
from kunren.messages import text

FACTOR = 1.8
"""Ratio of training to evaluation loss from which on no dropout or augmentation explains it."""

LEAST = 0.05
"""Below this evaluation loss a ratio is one of single rows."""

MEMORISED = 1.35
"""So many times lower may the ratio be for what was memorised up to the third evaluation."""

ALONE = 3.0
"""Ratio from which on a single evaluation tells, if the training loss is level by then …"""

ALONE_LEVEL = 1.3
"""… that is, its last logged values are within this of one another."""

LARGEST = 262144
"""Tokens of the largest vocabulary in use (Gemma): no guess costs more than ln of it, 12.5."""

NO_LOSS_A_TOKEN = 500.0
"""Above this a loss is no sum of a few token losses, but that of a regression or of speech."""

WITHIN_USE = 1.1 * math.log(LARGEST)
"""A training loss above this is none of one token, whatever the vocabulary: 13.7."""

ANY_FACTOR = 4.0
"""Ratio from which on it need not be a power of two, if it is the same at several evaluations."""

NO_SINGLE_ROWS = 0.3
"""Evaluation loss from which on a mean over an epoch does not lag so far behind it."""

ALIKE = 1.07
"""Ratios within this of one another, and of a whole number, are that number."""

STEADY = 1.25
"""A scale is the same at every evaluation; ratios with another cause drift apart further."""


def loss_scaling(course: Course, *, factor: float = FACTOR, steady: float = STEADY,
                 ) -> Finding | None:  # fmt: skip
    """The logged training loss is scaled by gradient accumulation.

    学習損失が勾配累積の回数だけ拡大・縮小されている。

    何を見るか:
        学習損失が、最初からずっと検証損失の k 倍 (または k 分の 1) になっていないか。4 倍以上で
        比がそろっていれば、k が累積回数らしい数でなくても鳴ります。
        評価がないときは、学習損失が語彙全体から均等に選ぶときの値 (ln 語彙数。語彙数が
        分からなければ 12.5) を超えたままか。

    なぜ問題か:
        勾配累積で割り忘れる、または 2 回割る不具合があると (transformers 4.46〜4.48 など)、
        損失を読み違えるだけでなく、勾配の大きさが変わって学習率を k 倍、k 分の 1 にしたのと
        同じことになります。

    例:
        勾配累積 8 回で、学習損失 16.2 に対して検証損失 2.0。割ると 2.03 で一致します。

    対処:
        transformers を 4.49 以上にするか、独自の compute_loss で num_items_in_batch を使って
        割ります。直したあとは学習率を選び直してください。

    What it sees:
        A training loss that is k times (or one k-th of) the evaluation loss from the start to the
        end; from four times on by any k, if it is the same each time. Without evaluations: one that
        stays above ln(vocabulary), which guessing gives (12.5 where the vocabulary is not known).

    Why it matters:
        Where accumulated losses are not divided, or divided twice (transformers 4.46 to 4.48 had
        both), gradients are scaled too: as if the learning rate were k times as high or low.

    For example:
        With 8 accumulation steps the training loss is 16.2 and the evaluation loss 2.0; divided it
        is 2.03.

    What to do:
        Use transformers 4.49 or later, or divide by num_items_in_batch in your own compute_loss;
        then choose the learning rate anew.
    """
    supervised(course)
    if not course.finite_loss:
        raise Missing("losses")
    ratios = _ratios(course)
    known = course.settings.get("train.gradient_accumulation")
    if not ratios:
        if any(_fresh(one) for one in course.evaluated) or len(course.evaluated) > 1:
            return None  # neither always above the evaluation loss nor below it from the start
        return _above_guessing(course, known)
    middle = float(np.median(ratios))
    size = max(middle, 1 / middle) if middle > 0 else math.inf
    if size < factor or not _steady(ratios, steady):
        return None
    if middle < 1 and any(course.settings.get(f"train.loss.{n}") for n in ("focal_gamma",)):
        return None
    beyond = middle >= ALONE and _beyond(course)
    if len(ratios) < 2 and known is None and not (size >= ALONE and (_level(course) or beyond)):
        return None
    steps = _accumulated(size, known, ratios) if math.isfinite(size) else None
    if steps is None and known is None and (beyond or _multiple(course, middle, ratios)):
        steps = size
    if steps is None:
        return None
    return Finding(
        "warning",
        text(
            f"rules_training.loss-scaling-{'up' if middle > 1 else 'down'}",
            ratio=f"{size:.1f}", steps=round(steps),
            known=text(f"rules_training.loss-scaling-{'known' if known else 'guess'}"),
        ),
        {"ratio": middle, "accumulation": known, "ratios": [round(r, 3) for r in ratios]},
    )  # fmt: skip


def _accumulated(size: float, known: float | None, ratios: list[float]) -> float | None:
    """The accumulation steps that a ratio tells; None where it fits none.

    Where they are not known, powers of two, which nearly everybody sets; others only where three
    ratios or more agree on one.
    """
    if known is not None:
        return known if known != 1 and abs(math.log(size / known)) < math.log(1.3) else None
    usual, whole = 2.0 ** round(math.log2(size)), float(round(size))
    agree = len(ratios) >= MIN_EVALUATIONS and max(ratios) < ALIKE * min(ratios)
    if agree and abs(math.log(size / whole)) < math.log(ALIKE):
        return whole
    near = -math.log(MEMORISED) < math.log(size / usual) < math.log(1.15)
    return usual if near else None


def _beyond(course: Course) -> bool:
    """Whether the training loss is above that of any guess, and no regression's either."""
    values = [point.value for point in course.finite_loss]
    name = course.metric()
    judged = name is not None and lower(name)
    return not judged and min(values) > WITHIN_USE and max(values) <= NO_LOSS_A_TOKEN


def _multiple(course: Course, middle: float, ratios: list[float]) -> bool:
    """Whether the training loss is so many times the evaluation loss, each time, by any factor."""
    least = min(one.loss for one in course.evaluated)
    return middle >= ANY_FACTOR and len(ratios) >= 2 and least >= NO_SINGLE_ROWS


def _steady(ratios: list[float], steady: float) -> bool:
    """Whether ratios are the same from beginning to end, but for the scatter of batches."""
    if len(ratios) <= MIN_EVALUATIONS + 1:
        return max(ratios) <= steady * min(ratios)
    half = len(ratios) // 2
    first, last = median(ratios[:half]), median(ratios[half:])
    low, high = np.quantile(ratios, (0.1, 0.9))
    return max(first, last) <= steady * min(first, last) and bool(high <= steady**2 * low)


def _ratios(course: Course) -> list[float]:
    """Training over evaluation loss, within the first epoch where that has evaluations enough.

    There the model sees each row for the first time: later a training loss falls below the
    evaluation loss by memorising, whatever its scale. Else the first ones, where it has memorised
    least.
    """
    found = _spans(course)
    # Before the first evaluation the loss falls so fast that a mean over some steps lags behind.
    found = found[1:] if len(found) >= MIN_EVALUATIONS else found
    first = [ratio for one, ratio in found if _fresh(one)]
    if first and (float(np.median(first)) < 1 or len(first) >= MIN_EVALUATIONS):
        return first
    early = [ratio for _, ratio in found[:MIN_EVALUATIONS]]
    return early if all(ratio > 1 for ratio in early) else []


def _spans(course: Course) -> list[tuple[Evaluation, float]]:
    """For each evaluation after which the training loss was logged anew, their ratio.

    Both are means over the same steps: a logged loss is one over all steps since the log before,
    and falls on the way. Of the steps before the first evaluation only the last ones count.
    """
    logged = sorted(course.finite_loss, key=lambda point: point.step)
    steps = [point.step for point in logged]
    found: list[tuple[Evaluation, float]] = []
    begin, since = 0, list[float]()
    for one in course.evaluated:
        end = bisect_right(steps, one.step)
        if one.loss <= LEAST:
            return found
        since.append(one.loss)
        if end == begin:
            continue
        points = logged[begin:end] if found or begin else logged[max(0, end - 4) : end]
        value = fmean(point.value for point in points)
        if value > 0:
            found.append((one, value / geometric_mean(since)))
        begin, since = end, [one.loss]
    return found


def _fresh(one: Evaluation) -> bool:
    return one.epoch is not None and one.epoch <= 1.01


def _level(course: Course) -> bool:
    """Whether the last logged losses hardly differ, so that their mean does not lag behind."""
    last = [point.value for point in course.finite_loss[-4:]]
    return len(last) == 4 and max(last) < ALONE_LEVEL * min(last)


def _above_guessing(course: Course, known: float | None) -> Finding | None:
    """A loss that stays above that of guessing among the tokens of a vocabulary.

    Raises:
        Missing: the vocabulary is not known, and the loss is not above that of any in use.
    """
    values = [p.value for p in course.finite_loss]
    start, end = float(np.median(values[:3])), float(np.median(values[-3:]))
    if course.vocabulary is not None:
        guess, factor = math.log(course.vocabulary), 1.5
    else:
        guess, factor = math.log(LARGEST), 1.1
        if not factor * guess <= start <= NO_LOSS_A_TOKEN:
            raise Missing("comparable")
    if start < factor * guess or end < 0.5 * guess or known == 1:
        return None
    return Finding(
        "warning",
        text("rules_training.loss-scaling-guess-level", start=start, guess=guess),
        {"start": start, "ln_vocabulary": guess, "accumulation": known},
    )
