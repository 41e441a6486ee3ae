"""Whether training was watched: how often it was evaluated."""

from __future__ import annotations

from kunren.doctor.course import Course
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.training_evidence import MIN_EVALUATIONS, supervised
from kunren.messages import text


def no_evaluation(course: Course) -> Finding | None:
    """Nothing was evaluated during training.

    学習中に一度も評価していない。

    何を見るか:
        評価の記録 (eval_loss など) が 1 つもないか。

    なぜ問題か:
        学習損失は、過学習していても下がります。評価がなければ、良くなったのか、どのエポックが最良か
        は誰にも分かりません。

    例:
        3 エポックで学習損失が 2.64 から 1.28 になった。検証データがなく、2
        エポックで止めるべきだったかどうかは分かりません。

    対処:
        1〜2 割の行 (数百行あれば十分) を検証用に分け、エポックごとに評価します
        (eval_strategy="epoch")。

    What it sees:
        A log without a single evaluation (no eval_loss or the like).

    Why it matters:
        A training loss falls while a model overfits, too. Without evaluations nobody can tell
        whether it became better, or which epoch was best.

    For example:
        The training loss went from 2.64 to 1.28 in three epochs. Whether two would have been
        better, nothing tells.

    What to do:
        Set a tenth or two of the rows aside (a few hundred do) and evaluate each epoch
        (eval_strategy="epoch").
    """
    supervised(course)
    if course.evaluations:
        return None
    if course.ours and (course.last_epoch or 0.0) < 1:
        raise Missing("evaluations")  # it ended before the first one
    return Finding(
        "warning",
        text("rules_training.no-evaluation"),
        {"evaluations": 0, "steps": int(course.last_step), "epochs": course.last_epoch},
    )


def few_evaluations(course: Course, *, least: float = MIN_EVALUATIONS) -> Finding | None:
    """Too few evaluations to see a course.

    評価の回数が少なく、傾向が分からない。

    何を見るか:
        学習中の評価が 1〜2 回しかないか。

    なぜ問題か:
        2 点では、上がっているのか揺れているのかを区別できません。過学習も学習不足も
        見つけられません。

    例:
        3 エポックの学習で、評価は 2 エポック目と 3 エポック目だけ (0.481、0.477)。

    対処:
        1 エポックに 2〜4 回評価します (eval_strategy="steps"、eval_steps は全ステップの 10 分の 1
        ほど)。

    What it sees:
        One or two evaluations in the whole run.

    Why it matters:
        Two points cannot tell a rise from scatter: neither overfitting nor too short a training can
        be seen.

    For example:
        Three epochs with evaluations after the second and third alone (0.481, 0.477).

    What to do:
        Evaluate two to four times an epoch (eval_strategy="steps", eval_steps about a tenth of all
        steps).
    """
    supervised(course)
    count = len(course.evaluations)
    if not count:
        raise Missing("evaluations")
    if count >= least:
        return None
    long = (course.last_epoch or 0.0) > 1.5
    return Finding(
        "warning" if count == 1 and long else "info",
        text(f"rules_training.few-evaluations{'-ours' if course.ours else ''}", count=count),
        {"evaluations": count, "epochs": course.last_epoch},
    )
