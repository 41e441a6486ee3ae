"""What the metrics tell that were logged during training."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kunren.doctor.course import Course, Evaluation, accuracy, lower, macro_f1
from kunren.doctor.curve import chance, jitter, noise
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.training_evidence import (
    MIN_EVALUATIONS,
    evaluations,
    metric,
    named,
    place,
    supervised,
    worth,
)
from kunren.evaluation.told import percent
from kunren.messages import text
from kunren.textfile import excerpt

TRAP_GAP = 0.2
"""Accuracy minus F1 from which on rare labels are being given up."""

SAME = 0.005
"""How near an accuracy and a macro-F1 are to those of one answer to everything; logs round to four
digits, and macro-F1 over k labels is a k-th of one label's F1 exactly then."""

RISE = 0.05
"""Change of the evaluation loss, as a share of its best, that is one."""

MUCH = 0.20
"""Change from which on probabilities can no longer be used as they are."""

_MOST_LABELS = 200


def loss_metric_disagreement(course: Course, *, rise: float = RISE,
                             much: float = MUCH) -> Finding | None:  # fmt: skip
    """Evaluation loss and task metric go different ways.

    検証損失と課題の指標 (正解率など) が逆に動いている。

    何を見るか:
        検証損失が最良から 5 % 以上悪くなったのに、その間に正解率や F1 が良くなったか。
        逆に、

        損失は下がったのに指標が悪くなったか。どちらも検証データの数から見た偶然を超えるときだけ鳴ります。

    なぜ問題か:
        どちらで最良のエポックを選ぶかで、残るモデルが変わります。分類で損失だけが上がるのは、
        外した行に強い自信を持つようになったためで、答えは良くなっていることがよくあります。

    例:
        3 エポック目から 10 エポック目までに、検証損失は 1.33 から 1.49 に上がり、マクロ F1 は 0.18
        から 0.23 に上がった。

    対処:
        答えの正しさが目的なら指標で選びます (metric_for_best_model)。確率を使うなら損失が最小の
        重みを選ぶか、温度で補正します。逆の場合は、損失が課題を表していません。ラベルの偏りと
        損失マスクを確かめます。

    What it sees:
        An evaluation loss 5 % or more above its best while accuracy or F1 improved over the same
        steps; or the reverse. Only beyond the chance of so many rows.

    Why it matters:
        Which of them chooses the best epoch decides which model is left. Where only the loss rises
        the model has grown sure of its errors, and its answers may well be better.

    For example:
        From epoch 3 to 10 the evaluation loss rose from 1.33 to 1.49, and macro-F1 from 0.18 to
        0.23.

    What to do:
        Choose by the metric if right answers matter (metric_for_best_model); by the loss, or with a
        temperature, if probabilities do. In the reverse case the loss is not the task: look at the
        balance of labels and at the loss mask.
    """
    supervised(course)
    name = course.metric()
    if name is None:
        raise Missing("logged-metric")
    found = [one for one in evaluations(course) if math.isfinite(one.values.get(name, math.nan))]
    if len(found) < MIN_EVALUATIONS:
        raise Missing("curve", count=len(found), needed=MIN_EVALUATIONS)
    sign = -1.0 if lower(name) else 1.0
    spread = noise([one.loss for one in found]) or 0.0
    last = found[-1]
    low = min(found, key=lambda one: one.loss)
    lost = last.loss - low.loss
    gain = sign * (last.values[name] - low.values[name])
    bar = _bar(name, low.values[name], course)
    grown = lost / low.loss if low.loss > 0 else 0.0
    wide = max(2 * spread, jitter(low.loss, course.judged_size), 0.01)
    numbers = {
        "loss": [low.loss, last.loss],
        "metric": name,
        "value": [low.values[name], last.values[name]],
        "steps": [int(low.step), int(last.step)],
    }
    said = {
        "at": place(low),
        "end": place(last),
        "low": low.loss,
        "high": last.loss,
        "name": named(name),
        "before": worth(name, low.values[name]),
        "after": worth(name, last.values[name]),
        "rise": 100 * grown,
    }
    if grown >= rise and lost > wide and gain > bar:
        return Finding(
            "warning" if grown >= much else "info",
            text("rules_training.loss-metric-disagreement-sure", kept=_kept(course, found), **said),
            numbers | {"answers": "better"},
        )
    best = max(found, key=lambda one: sign * one.values[name])
    worse = sign * (best.values[name] - last.values[name])
    better = best.loss - last.loss
    if worse > 2 * _bar(name, best.values[name], course) and better > max(wide, rise * best.loss):
        said |= {"at": place(best), "low": best.loss, "before": worth(name, best.values[name])}
        return Finding(
            "warning",
            text("rules_training.loss-metric-disagreement-blind", **said),
            numbers | {"answers": "worse", "value": [best.values[name], last.values[name]]},
        )
    return None


def _kept(course: Course, found: Sequence[Evaluation]) -> str:
    """Which weights are left, where that is known."""
    kept = next((one for one in found if one.step == course.kept_step), None)
    return "" if kept is None else text("rules_training.weights-kept", at=place(kept))


def _bar(name: str, value: float, course: Course) -> float:
    """Change of a metric that the chance of so many rows can make.

    The rows are the same at both evaluations, so that half of two standard errors is left of it.
    """
    if lower(name) or not 0 <= value <= 1:
        return 0.01 * abs(value)
    return max(0.5 * chance(value, course.evaluation_rows), 0.005)


def majority_trap(course: Course, *, gap: float = TRAP_GAP, same: float = SAME) -> Finding | None:
    """Accuracy looks good because one label dominates, as the logged metrics tell.

    正解率は高いのに、学習中に記録された F1 が低い。

    何を見るか:
        最後の評価 (最良が残されていればその評価) の正解率と、マクロ F1 (なければ F1) の差。
        すべてに同じ答えを返したときの値とちょうど一致するか。

    なぜ問題か:
        多いラベルだけを答えても、正解率は高くなります。

    例:
        正解率 90 %、マクロ F1 0.19。5 クラスすべてに同じ答えを返したときの値と一致します。

    対処:
        マクロ F1 で最良のエポックを選び、少ないラベルの行を増やすか、クラスに重みを付けます。

    What it sees:
        Accuracy beside macro-F1 (else F1) at the last evaluation, or the one that was kept; and
        whether both are exactly those of one answer to everything.

    Why it matters:
        Answering the commonest label alone gives a high accuracy.

    For example:
        An accuracy of 90 % with a macro-F1 of 0.19: that of one answer to all of five classes.

    What to do:
        Choose the best epoch by macro-F1, and add rows of rare labels or weight the classes.
    """
    supervised(course)
    names = {name for one in course.evaluations for name in one.values}
    share = accuracy(names)
    macro = macro_f1(names) or next((n for n in ("f1", "balanced_accuracy") if n in names), None)
    if share is None or macro is None:
        raise Missing("accuracy-and-f1")
    both = [one for one in course.evaluations if {share, macro} <= set(one.values)]
    if not both:
        raise Missing("accuracy-and-f1")
    best = [one for one in both if one.step == (course.kept_step or course.best_step)]
    at = best[0] if best else both[-1]
    right, found = at.values[share], at.values[macro]
    if not (math.isfinite(right) and math.isfinite(found)):
        raise Missing("accuracy-and-f1")
    labels = _constant(right, found, macro, same)
    if labels is None and right - found < gap:
        return None
    kind = "some" if labels is None else "zero" if labels == 0 else "all"
    return Finding(
        "warning" if labels is None else "critical",
        text(
            f"rules_training.majority-trap-{kind}", accuracy=percent(right), macro=f"{found:.3f}",
            name=named(macro), at=place(at), labels=labels,
        ),
        {"accuracy": right, macro: found, "step": int(at.step), "constant": labels is not None},
    )  # fmt: skip


MOST = 0.5
"""Share of one label from which on answering it alone looks like a good accuracy."""


def _constant(right: float, found: float, macro: str, same: float) -> int | None:
    """The number of labels with which one answer to everything gives these values.

    0 where the F1 of the rarer of two labels is 0; None where no number does. The one label that is
    answered has precision a (its share, the accuracy) and recall 1, so an F1 of 2a / (1 + a); all
    others have 0.
    """
    if not MOST < right < 1:
        return None
    if macro == "f1" and found == 0:
        return 0
    if macro == "f1" or found <= 0:
        return None
    one = right if macro == "balanced_accuracy" else 2 * right / (1 + right)
    if macro == "balanced_accuracy":
        return None if abs(1 / found - round(1 / found)) > 1e-3 else round(1 / found)
    labels = round(one / found)
    near = 2 <= labels <= _MOST_LABELS and abs(found * labels / one - 1) <= same / labels
    return labels if near else None


def below_chance(course: Course) -> Finding | None:
    """The accuracy is below that of guessing.

    正解率が当てずっぽうより低い。

    何を見るか:
        最後の評価の正解率が、1 ÷ ラベル数 を偶然の揺れ以上に下回っているか。

    なぜ問題か:
        当てずっぽうより悪いのは、学べていないのではなく、どこかが食い違っているときです。
        ラベルの番号が学習時と評価時でずれている、前処理が違う、などです。

    例:
        2 クラスで正解率 31 % (500 行)。評価用データだけラベルが 0 と 1 逆でした。

    対処:
        id2label と評価データのラベルの対応、学習時と評価時の前処理を見比べます。

    What it sees:
        An accuracy at the last evaluation below 1 over the number of labels by more than chance.

    Why it matters:
        Worse than guessing is not a lack of learning but a mismatch: of label numbers, or of
        preprocessing, between training and evaluation.

    For example:
        31 % with two classes (500 rows): in the evaluation rows 0 and 1 were swapped.

    What to do:
        Compare id2label with the labels of the evaluation rows, and the preprocessing of both.
    """
    supervised(course)
    if course.labels is None:
        raise Missing("one-label" if course.ours else "label-count")
    names = {name for one in course.evaluations for name in one.values}
    name = accuracy(names)
    others = sorted(names - {"loss"})
    if name is None and others:
        raise Missing("logged-accuracy", found=text("record.list").join(map(excerpt, others)))
    if name is None:
        raise Missing("logged-metric")
    last = course.of_metric(name)[-1]
    guess = 1 / course.labels
    if course.evaluation_rows is None:
        raise Missing("evaluation-rows")
    if guess - last.value <= 1.5 * chance(guess, course.evaluation_rows):
        return None
    return Finding(
        "critical",
        text("rules_training.below-chance", accuracy=percent(last.value), guess=percent(guess),
             labels=course.labels, rows=round(course.evaluation_rows)),
        {"accuracy": last.value, "chance": guess, "rows": course.evaluation_rows},
    )  # fmt: skip


def constant_metric(course: Course) -> Finding | None:
    """A metric is the same at every evaluation.

    指標がどの評価でもまったく同じ値になっている。

    何を見るか:
        3 回以上の評価で、正解率や F1 が最後の桁まで同じか
        (1.0 のままのものは too-perfect が見ます)。

    なぜ問題か:
        学習が進めば答えは少しは変わります。まったく変わらないのは、いつも同じ答えを返しているか、
        指標が予測を見ていないときです。0 のままなら、計算の誤りもよくあります (日本語を分かち書き
        せずに計算した BLEU・ROUGE など)。

    例:
        5 エポックとも正解率 0.6133。すべて同じラベルと答えていました。

    対処:
        予測の内訳を数えます。1 種類だけなら学習率とラベルの偏りを、そうでなければ指標の計算を
        見直します。正解を正解と比べて満点になるかを見るのが確実です。

    What it sees:
        Accuracy or F1 the same to the last digit at three or more evaluations (a constant 1.0 is a
        matter for too-perfect).

    Why it matters:
        Some answers change while a model learns. Where none does, it gives one answer to
        everything, or the metric does not look at the answers. A constant 0 is often a broken
        metric, such as BLEU or ROUGE on Japanese that was not tokenised.

    For example:
        An accuracy of 0.6133 after each of five epochs: all answers were the same label.

    What to do:
        Count the predictions. If there is one kind, look at learning rate and balance of labels;
        else at how the metric is computed: gold against gold must be perfect.
    """
    name, points = metric(course, MIN_EVALUATIONS)
    values = {p.value for p in points}
    only = points[0].value
    if len(values) > 1 or only == 1.0:
        return None
    kind = "zero" if only == 0.0 else "same"
    return Finding(
        "warning",
        text(
            f"rules_training.constant-metric-{kind}", name=named(name), value=f"{only:.4g}",
            count=len(points),
        ),
        {"metric": name, "value": only, "evaluations": len(points)},
    )  # fmt: skip
