"""Whether the weights that are left are the best of the run."""

from __future__ import annotations

import math

from kunren.doctor.course import Course, Point, lower
from kunren.doctor.curve import chance, jitter, noise
from kunren.doctor.evidence import Finding
from kunren.doctor.rules.training_evidence import (
    evaluations,
    metric,
    named,
    place,
    supervised,
    worth,
)
from kunren.messages import text


def best_not_kept(course: Course) -> Finding | None:
    """The last weights are worse than earlier ones, and nothing kept those.

    途中のほうが良かったのに、最良の重みが残されていない。

    何を見るか:
        正解率や F1 (なければ検証損失) の最良値と最後の値の差が、
        検証データの数から見た偶然の揺れより大きく、最良のチェックポイントが記録されていないか。

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
    if course.ours:
        return None  # kunren keeps the best; of a training that goes on there is none yet
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
    # The best of n is high by chance alone: the largest of n normal values by sqrt(2 ln n).
    spread = noise([p.value for p in points]) or 0.0
    if gap <= 1.5 * bar + spread * math.sqrt(2 * math.log(len(points))):
        return None
    return Finding(
        "warning",
        text(
            "rules_training.best-not-kept",
            name=text("doctor.by-loss") if name == "loss" else named(name),
            best=worth(name, best.value), at=place(best), last=worth(name, last.value),
            end=place(last),
        ),
        {"metric": name, "best": best.value, "best_step": int(best.step), "last": last.value},
    )  # fmt: skip
