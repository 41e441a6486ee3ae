"""Whether training moved at all, whether it was done when it ended, and whether it ended late."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from kunren.doctor.course import Course, Evaluation, accuracy, lower
from kunren.doctor.curve import chance, ends, jitter, noise
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.patches import faster
from kunren.doctor.rules.training_evidence import (
    MIN_EVALUATIONS,
    epoch_of,
    evaluations,
    named,
    place,
    supervised,
)
from kunren.messages import text

NEAR_UNIFORM = 0.05
"""Share of ln k within which a loss is that of guessing among k labels: the accuracy of such a
model is a few points off 1/k at most."""

NEAR_UNKNOWN = 0.015
"""The same where k is guessed from the loss itself: ln 19 and ln 20 are 1.7 % apart."""

STILL = 0.02
"""Share of its start by which a loss must have come down to have moved."""

MAY_FALL = 0.10
"""Where a curve scatters so much that it may have fallen by this share, it is not called flat."""

WHOLE_VOCABULARY = 9.9
"""ln 20,000: a loss from here on is that of guessing among the tokens of a vocabulary, where no
pretrained model begins that reads its input aright."""

GAIN = 0.03
"""Fall of the evaluation loss over the last epoch, as a share of it, that counts as improving."""

LARGE_GAIN = 0.10
"""Fall over the last epoch above which the run was clearly cut short."""

LEAST_GAIN = 0.01
"""The same in nats: of a loss near 0 a large share is nothing."""

EXACTLY = 0.005
"""Share of ln k within which an evaluation loss is at it where no metric tells of labels."""

NEAR_FEW = 0.03
"""Share of ln k within which a loss is at it where k is two or three: their ln lie far apart."""

FEW_LABELS = 3
"""Labels up to which that is enough: with more, the values of ln k lie too close together."""

FEW_SPACED = 20
"""Labels above which the loss is near some ln k anyway, and only an accuracy of 1/k tells."""

UNSURE = 0.05
"""How far an accuracy may be above 1/k by chance where the number of rows is not known."""

FAR_ABOVE = 2.5
"""A loss a token from here on is far above that of fine-tuned text (12 tokens to choose from)."""

STALL_FALL = 0.15
"""Share of its start by which a loss that stalls has come down at most."""

STALL_POINTS = 6

_MOST_LABELS = 200


def not_learning(course: Course, *, near: float = NEAR_UNIFORM,
                 still: float = STILL) -> Finding | None:  # fmt: skip
    """The loss stays where it began.

    損失が最初から最後まで下がっていない。

    何を見るか:
        学習の初めと終わりの損失の差が、ばらつきの範囲を出ないか。分類では、損失が ln(ラベル数)、
        つまり当てずっぽうの値のままではないか (2 種なら 0.693、3 種なら 1.099)。
        ラベルが偏っていると損失はもっと低い値で止まるので、正解率が最後の桁まで変わらず、
        検証損失も動かないことでも判断します。正解率などが上がっていれば、鳴りません。
        検証がない学習では、損失が少し下がっただけで高い値 (2.5 以上) に止まっていないかも見ます。

    なぜ問題か:
        モデルは何も学んでいません。以後の評価はすべて、学習前のモデルか当てずっぽうの評価です。

    例:
        3 クラス分類で、学習損失が 1.10 から 1.09、検証損失も 1.10 のまま。正解率は 34 %。

    対処:
        学習率を 10 倍にして試します。すでに普通の値よりずっと高いときは、逆に下げます。
        ウォームアップが学習の大半を占めるときは、まずそれを 1 割にします。
        それでも動かなければ、学習される重みがあるか (LoRA の対象、凍結)、ラベルと入力の対応が
        ずれていないか、損失マスクが空でないかを確かめます。
        10 行だけを繰り返し学習して損失が 0 に近づくかを見るのが、早い切り分けです。

    What it sees:
        A loss whose beginning and end differ by no more than its scatter; in classification one
        that stays at ln(number of labels), the value of guessing (0.693 for two, 1.099 for three).
        Where labels are skewed the loss stops lower; there an accuracy that is the same to the last
        digit beside an evaluation loss that stays tells. Quiet where a metric has improved. Without
        evaluations also a loss that came down a little and stays high (2.5 and more).

    Why it matters:
        Nothing was learnt. Every evaluation is one of the untuned model, or of guesses.

    For example:
        Three classes; the training loss went from 1.10 to 1.09, the evaluation loss stayed at 1.10,
        and the accuracy is 34 %.

    What to do:
        Try ten times the learning rate; where it is far above the usual one already, lower it.
        Where the warm-up is most of the training, make that a tenth first. If nothing moves, see
        whether any weight is trained (targets of LoRA, frozen layers), whether texts and labels
        still belong together, and whether the loss mask is empty. Ten rows trained again and again
        must go to a loss of 0.
    """
    supervised(course)
    curve = course.finite_loss
    judged = course.evaluated
    if len(judged) == 1 and (guess := _guessed_once(course, judged[0])) is not None:
        start = curve[0].value if curve else judged[0].loss
        return _guessing(course, guess, course.labels is not None, start, judged[0].loss)
    if len(curve) < 2 and len(judged) < 2:
        raise Missing("loss-curve", count=max(len(curve), len(judged)), needed=2)
    values = [p.value for p in curve] if len(curve) >= 2 else [one.loss for one in judged]
    start, end, error = ends(values)
    held = [one.loss for one in judged]
    level = held[-1] if held else end
    improved = _improved(course)
    if improved or level < 0.05 or (values and end < 0.05):
        return None
    guess, known = _uniform(course, level)
    close = near if known else NEAR_FEW if (guess or 9) <= FEW_LABELS else NEAR_UNKNOWN
    at_guess = guess is not None and abs(level - math.log(guess)) <= close * math.log(guess)
    if known and at_guess and guess is not None and end >= (1 - 2 * near) * level:
        # What came back to guessing from above learnt as little as what stayed there.
        unmoved = not _fell(course, [min(loss, math.log(guess)) for loss in held], still)
        if unmoved and _began_at(guess, start, values[0] if known else start, close):
            return _guessing(course, guess, known, start, level)
    fell = start - end > max(still * start, 2 * error) or _fell_at_once(values, end, still)
    fell_held = _fell(course, held, still)
    begun = start <= (1 + 2 * close) * math.log(guess) if guess else False
    if at_guess and begun and abs(end - level) <= 2 * near * level and not fell_held:
        assert guess is not None  # noqa: S101  (at_guess)
        return _guessing(course, guess, known, start, level)
    least = (1 - MAY_FALL) * level - jitter(level, course.evaluation_rows)
    if (once := _one_answer(course)) is not None and not fell_held and end > least:
        name, value = once
        fix, _ = faster(course)
        return Finding(
            "warning",
            text(
                "rules_training.not-learning-prior", name=named(name), value=f"{value:.4g}",
                count=len(course.of_metric(name)), loss=level,
            ),
            {"start": start, "end": end, "metric": name, "value": value},
            fix,
        )  # fmt: skip
    if (stalled := _stalled(course, values)) is not None:
        return stalled
    unsure = abs(start - end) + 2 * error > MAY_FALL * start
    fell = fell or _fell_between(values)
    moved = bool(held) and max(held) > (1 + MAY_FALL) * min(held)
    flat = not (fell or fell_held or moved or unsure)
    if not flat or len(values) < 4 or not _long_enough(course, len(values), end):
        return None
    fix, advice = faster(course)
    return Finding(
        "warning",
        text("rules_training.not-learning-flat", start=start, end=end, advice=advice),
        {"start": start, "end": end, "standard_error": error},
        fix,
    )


def _fell(course: Course, held: Sequence[float], still: float) -> bool:
    """Whether an evaluation loss came down from where it began, by more than its rows' chance."""
    return len(held) >= 2 and held[0] - min(held[1:]) > max(
        still * held[0] / 2, jitter(held[0], course.judged_size)
    )


def _began_at(guess: int, start: float, first: float, close: float) -> bool:
    """Whether the training loss began no higher than guessing, in its first part or its first."""
    level = math.log(guess)
    return start <= (1 + 2 * close) * level or abs(first - level) <= 2 * close * level


def _fell_at_once(values: Sequence[float], end: float, still: float) -> bool:
    """Whether the first entries are above the end, though the first third as a whole is not.

    A pretrained model often learns the form of its answers in the first steps, and then the batches
    scatter by more than what it still learns.
    """
    size = max(1, min(6, len(values) // 10))
    spread = noise(values)
    if spread is None:
        return False
    fall = sum(values[:size]) / size - end
    return fall > max(2 * still * end, 3 * spread / math.sqrt(size))


def _fell_between(values: Sequence[float]) -> bool:
    """Whether some tenth of the curve is well below the first: it came down, and is up again."""
    size, spread = max(3, len(values) // 10), noise(values)
    parts = [fmean(values[n : n + size]) for n in range(0, len(values) - size + 1, size)]
    if spread is None or len(parts) < 3:
        return False
    least = max(MAY_FALL * parts[0], 5 * spread * math.sqrt(2 / size))
    return parts[0] - min(parts) > least


def _one_answer(course: Course) -> tuple[str, float] | None:
    """A share that is the same to the last digit at every evaluation: one answer to everything.

    The loss may have fallen at once then, to that of the shares of the labels.
    """
    name = course.metric()
    points = [] if name is None or lower(name) else course.of_metric(name)
    only = {p.value for p in points}
    if name is None or len(points) < MIN_EVALUATIONS or len(only) > 1 or not 0 < min(only) < 1:
        return None
    return name, min(only)


def _guessing(course: Course, labels: int, known: bool, start: float, end: float) -> Finding:
    which = text(f"rules_training.labels-{'known' if known else 'guessed'}")
    guess = math.log(labels)
    fix, advice = faster(course)
    said = {"start": start, "end": end, "labels": labels, "guess": guess, "which": which}
    return Finding(
        "critical" if known else "warning",
        text("rules_training.not-learning-guess", **said, advice=advice),
        {"start": start, "end": end, "labels": labels, "ln_labels": guess},
        fix,
    )


def _improved(course: Course) -> bool:
    """Whether a metric became better than where it began, beyond the chance of the rows."""
    name = course.metric()
    if name is None:
        return False
    points = [p.value for p in course.of_metric(name)]
    if len(points) < 2:
        # A single value far above guessing was learnt too.
        return bool(points) and not lower(name) and course.labels is not None and (
            points[0] > 1 / course.labels + 2 * chance(1 / course.labels, course.evaluation_rows)
        )  # fmt: skip
    sign = -1 if lower(name) else 1
    gain = sign * (points[-1] - points[0])
    return gain > max(2 * chance(points[0], course.evaluation_rows), 0.02)


def _uniform(course: Course, level: float) -> tuple[int | None, bool]:
    """The number of labels, and whether it is known.

    Where it is not, and the run is a classification, the number whose ln the loss is at.
    """
    if course.labels is not None:
        return course.labels, True
    name = course.metric()
    near = _near(level)
    if near is None or (name is not None and lower(name)):
        return None, False
    if name is None:
        # Such a loss by chance is rare, and two or three labels are common.
        sure = near <= FEW_LABELS and _all_at(course, near)
        return (near if sure else None), False
    points = [p.value for p in course.of_metric(name)]
    most = 0.1 if near <= FEW_SPACED else chance(1 / near, course.evaluation_rows)
    low = not points or points[-1] <= 1 / near + most or len(set(points)) == 1
    return (near if low else None), False


def _guessed_once(course: Course, only: Evaluation) -> int | None:
    """The number of labels among which a single evaluation shows nothing but guessing.

    Its loss alone would prove little; but its accuracy is that of guessing as well, and every row
    has been trained on once.
    """
    name = accuracy(only.values)
    labels = course.labels or _near(only.loss)
    if labels is None or (only.epoch or 0.0) < 0.99 or any(map(lower, set(only.values) - {"loss"})):
        return None
    if name is None:
        few = labels <= FEW_LABELS and set(only.values) == {"loss"}
        return labels if few and course.finite_loss and _all_at(course, labels) else None
    close = NEAR_FEW if labels <= FEW_LABELS and _all_at(course, labels) else NEAR_UNKNOWN
    if abs(only.loss / math.log(labels) - 1) > close:
        return None
    error = chance(1 / labels, course.evaluation_rows) if course.evaluation_rows else UNSURE
    return labels if only.values[name] <= 1 / labels + error else None


def _all_at(course: Course, labels: int, close: float = NEAR_FEW) -> bool:
    """Whether both losses are at that of guessing from beginning to end, one batch's chance apart.

    A log that begins above it, as new heads do, must have come down to it at once.
    """
    guess = math.log(labels)
    values = [point.value for point in course.finite_loss]
    held = [one.loss for one in course.evaluated]
    if not held or any(abs(loss / guess - 1) > close for loss in held):
        return False
    later = values[1:] if len(values) > 3 else values
    return not later or abs(fmean(later) / guess - 1) <= close


def _stalled(course: Course, values: Sequence[float]) -> Finding | None:
    """A loss of written text that came down a little at first, and then stays far above.

    Without evaluations nothing else tells of it. In the second epoch at the latest a model that
    learns sees its rows again, and its loss falls.
    """
    if course.evaluated or course.labels is not None or len(values) < STALL_POINTS:
        return None
    half = values[len(values) // 2 :]
    parts = half[: len(half) // 2], half[len(half) // 2 :]
    before, after = (fmean(part) for part in parts)
    start, spread = max(values[0], fmean(values[: max(1, len(values) // 10)])), noise(half) or 0.0
    error = 2 * spread * math.sqrt(2 / len(parts[0]))
    fall = 1 - after / start
    level = before - after <= max(STILL * before, min(error, 2 * STILL * before))
    long = (course.last_epoch or 0.0) >= 2
    if after < FAR_ABOVE or not 0 <= fall <= STALL_FALL or not level or not (
        long or len(values) >= 20
    ):  # fmt: skip
        return None
    fix, advice = faster(course)
    return Finding(
        "warning" if long else "info",
        text(
            "rules_training.not-learning-stalled",
            start=start, end=after, fall=f"{100 * fall:.0f}", advice=advice,
        ),
        {"start": start, "end": after, "fall": fall, "logged": len(values)},
        fix,
    )  # fmt: skip


def _near(level: float) -> int | None:
    """The number of labels whose ln is nearest to a loss; None if those are too many to tell."""
    labels = max(2, round(math.exp(min(level, math.log(_MOST_LABELS) + 1))))
    return labels if labels <= _MOST_LABELS else None


def _long_enough(course: Course, points: int, level: float) -> bool:
    """A few noisy batches of an epoch of a model that is good already are no standstill."""
    known = course.labels is not None or level >= WHOLE_VOCABULARY
    return points >= 20 or (course.last_epoch or 0.0) >= 2 or known


def still_improving(course: Course, *, gain: float = GAIN, large: float = LARGE_GAIN,
                    least: float = LEAST_GAIN) -> Finding | None:  # fmt: skip
    """The evaluation loss still falls when training ends.

    検証損失が最後まで下がり続けている。

    何を見るか:
        最後の 1 エポックで検証損失がどれだけ下がったか (3 % 以上で鳴り、10 % 以上で警告)。
        最小値が最後の評価でないときと、早期終了したときは鳴りません。

    なぜ問題か:
        学習が足りないまま終わった可能性があります。エポック数を増やすだけで良くなるなら、
        もっとも安い改善です。

    例:
        検証損失が 1.60、1.20、1.00、0.80 と下がって 4 エポックで終わった。

    対処:
        エポック数を 2 倍にし、早期終了を付けて試します。

    What it sees:
        How far the evaluation loss fell over the last epoch (from 3 % on; a warning from 10 % on).
        Quiet where the lowest value is not the last, or early stopping ended the run.

    Why it matters:
        Training may have ended too soon, and more epochs are the cheapest improvement there is.

    For example:
        1.60, 1.20, 1.00, 0.80, and then the four epochs were over.

    What to do:
        Try twice the epochs, with early stopping.
    """
    found = evaluations(course)
    last, values = found[-1], [one.loss for one in found]
    if course.stopped_early or last.loss > min(values) or not course.finished:
        return None
    before = _epoch_before(found)
    lost = before.loss - last.loss
    fall = lost / before.loss if before.loss > 0 else 0.0
    spread = max(2 * (noise(values) or 0.0), jitter(last.loss, course.judged_size))
    steadily = all(then > now for then, now in pairwise(values))
    planned = course.settings.get("train.epochs") if course.ours else None
    done = epoch_of(last)
    if fall < gain or lost < least or not (lost > spread or steadily):
        return None
    if planned and done and done < planned:
        return None
    more = None if done is None else 2 * done
    fix = {"set": {"train.epochs": more}} if course.ours and more else None
    return Finding(
        "warning" if fall >= large and not _slowing(found, lost) else "info",
        text(
            f"rules_training.still-improving{'' if more else '-steps'}",
            since=place(before), at=place(last), before=before.loss, after=last.loss,
            gain=100 * fall, more=more,
        ),
        {"epochs": done, "eval_loss": values, "last_gain": fall},
        fix,
    )  # fmt: skip


def _epoch_before(found: Sequence[Evaluation]) -> Evaluation:
    """The best evaluation up to an epoch before the last; of unknown epochs, up to two thirds."""
    last = found[-1].epoch
    known = [one for one in found if one.epoch is not None and last is not None
             and one.epoch <= last - 0.99]  # fmt: skip
    return min(known or found[: max(1, len(found) * 2 // 3)], key=lambda one: one.loss)


def _slowing(found: Sequence[Evaluation], lost: float) -> bool:
    """Whether the epoch before brought more than twice as much as the last one."""
    at = found.index(_epoch_before(found))
    if at < 1:
        return False
    earlier = _epoch_before(found[: at + 1])
    return earlier.loss - found[at].loss > 2 * lost
