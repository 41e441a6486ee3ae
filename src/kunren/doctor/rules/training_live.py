"""What was seen on the validation rows while training ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from kunren.config.schema import sign
from kunren.doctor.course import Course
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.patches import WARM, WARMUP, warmup_for
from kunren.doctor.rules.wording import joined
from kunren.evaluation.score import KINDS
from kunren.evaluation.told import metric_name, percent
from kunren.messages import text
from kunren.tasks import Answers
from kunren.textfile import excerpt

ALL = 0.8
"""One answer has this share of all answers: the model has nothing else to say."""

DOMINANT = 2.0
"""A label is taken out where it has this many times the training rows of the second: seed 001 had
4.5 times, the shipped example sets 1.1."""

FALLING = 0.05
"""The training loss of the last third is lower than that of the middle one by more than this."""

LEARNT = 0.1
"""Below this share of where it began, the training rows are learnt: more epochs change nothing."""

LONGER = 3
"""Times the epochs. A small T5 from scratch on 92 rows answered the same to everything until epoch
5, and no longer from epoch 6 on; early stopping had ended it there."""


def validation_collapse(
    leanings: Sequence[Mapping[str, Any]],
    training: Mapping[str, Any],
    trained_labels: Mapping[str, int],
    config: Mapping[str, Any],
    course: Course,
    *,
    dominant: float = DOMINANT,
) -> Finding | None:
    """The answers to the validation rows lean on one.

    検証データへの答えが 1 つに偏っている。

    何を見るか:
        採用した重みで検証データに答えさせたとき、1 つの答え (または 1 つのラベル)
        が全体の半分以上で、正解での割合の 2 倍以上あり、偶然では 1,000 回に 1
        回も起こらないときに出ます。テストデータは見ません。いつから続いているかも示します。

    なぜ問題か:
        何を入力しても同じ答えが返るモデルは、学習していないのと同じです。検証データで分かるので、
        テストデータを使う前に直せます。

    例:
        ✨ が学習ラベルの 18.6 % (2 位の 4.5 倍) を占めるデータでは、設定を 5 回変えて学習しても
        ほぼすべての入力に ✨ が返りました。

    対処:
        多すぎるラベルを `task.labels.ban` で除きます。偏りがないのに起こるときは、
        ウォームアップが学習の半分を超えていないか、学習率とエポック数が足りているかを見ます。
        学習損失がまだ下がっているところで終わっていれば、エポック数を 3 倍にします。

    What it sees:
        With the weights that were kept, one answer (or one label) makes up half of all answers to
        the validation rows and twice its share in gold, which chance would not do once in a
        thousand times. No test row is looked at. It says since when it has been so.

    Why it matters:
        A model that answers the same to everything has learned nothing. The validation rows show
        it, so that it can be mended before the test rows are used.

    For example:
        Where ✨ was 18.6 % of the training labels (4.5 times the second), five trainings with
        different settings all answered ✨ to nearly everything.

    What to do:
        Take a dominating label out with `task.labels.ban`. Where none dominates, see whether the
        warm-up takes more than half of the training, and whether the learning rate and the epochs
        are enough. Where training ended while its loss still fell, train three times as long.
    """
    kept = training.get("best_epoch") or leanings[-1]["epoch"]
    at = min(range(len(leanings)), key=lambda n: abs(leanings[n]["epoch"] - kept))
    found = leanings[at]
    if not found["collapsed"]:
        return None
    since = at
    while since and leanings[since - 1]["collapsed"]:
        since -= 1
    patch, advice = _patch(training, trained_labels, config, dominant)
    if not patch and _still_learning(course):
        patch, advice = _longer(config, course)
    evidence = {k: found[k] for k in ("label", "share", "gold_share", "distinct", "gold_distinct")}
    said = text(
        "rules_live.validation-collapse",
        since=leanings[since]["epoch"],
        label=excerpt(found["label"]) or text("doctor.empty"),
        share=percent(found["share"]),
        gold=percent(found["gold_share"]),
        kinds=found["distinct"],
        labels=found["gold_distinct"],
        advice=advice,
    )
    return Finding(
        "critical" if found["share"] >= ALL else "warning",
        said,
        evidence | {"since_epoch": leanings[since]["epoch"]},
        {"set": patch} if patch else None,
    )


def validation_trivial(
    training: Mapping[str, Any], course: Course, config: Mapping[str, Any], answers: Answers
) -> Finding | None:
    """On the validation rows, one answer to everything does as well.

    検証データで、いつも同じ回答に勝てていない。

    何を見るか:
        採用した重みの検証データでの値を、学習データから選んだ「いつも同じ回答」の値と、
        実験記録の結論に使う指標 (ラベル 1 つなら正解率、集合なら Jaccard 係数)
        で比べます。テストデータは見ません。その回答が検証データすべてで当たるときは言いません
        (untested-labels)。

    なぜ問題か:


        何も読まずに返せる答えに勝てないモデルを使う理由はありません。テストデータを使う前に分かれば、学習をやり直せます。

    例:
        50 種の絵文字を 92 行で 10 エポック学習した LoRA は、マクロ F1 では 0.02 から 0.16 に
        なったのに、Jaccard 係数は 0.106 で、いつも「😭」と答えるときの 0.125 に届きません。

    対処:
        学習損失がまだ下がっているところで終わっていれば、エポック数を 3 倍にします。下がり切って
        いるなら、行を増やすか、ラベルの種類を減らすか、別のモデルを試します。

    What it sees:
        The validation rows' value of the weights that were kept, beside that of the best constant
        answer taken from the training rows, in the metric that the record's verdict rests on (the
        accuracy of single labels, the Jaccard coefficient of sets). No test row is looked at, and
        nothing is said where that answer is right in all rows (see untested-labels).

    Why it matters:
        There is no reason to use a model that does not do better than an answer given without
        reading. Known before the test rows are used, it can be trained again.

    For example:
        A LoRA on 92 rows with 50 emoji, after ten epochs: macro F1 went from 0.02 to 0.16, but the
        Jaccard coefficient is 0.106, and answering 😭 to everything gets 0.125.

    What to do:
        Where training ended while its loss still fell, three times the epochs. Otherwise more rows,
        fewer labels, or another model.
    """
    name = KINDS[answers].primary
    trivial = (training.get("trivial") or {}).get(name)
    kept = training.get("best_epoch")
    values = [(e.epoch, e.values[name]) for e in course.evaluations if name in e.values]
    if trivial is None or kept is None or not values:
        raise Missing("validation-metric", metric=metric_name(name))
    _, value = min(values, key=lambda pair: abs((pair[0] or 0.0) - kept))
    # Rows of one label alone: nothing can do better there, and untested-labels tells of it.
    perfect = answers != "text" and trivial >= 1
    if sign(name) * (value - trivial) > 0 or perfect:
        return None
    patch, advice = (
        _longer(config, course)
        if _still_learning(course)
        else ({}, text("rules_live.trivial-more"))
    )
    said = text(
        "rules_live.validation-trivial",
        metric=metric_name(name), value=value, trivial=trivial, epoch=kept, advice=advice,
    )  # fmt: skip
    evidence = {"metric": name, "value": value, "trivial": trivial, "epoch": kept}
    return Finding("warning", said, evidence, {"set": patch} if patch else None)


def _patch(
    training: Mapping[str, Any],
    trained: Mapping[str, int],
    config: Mapping[str, Any],
    dominant: float,
) -> tuple[dict[str, Any], str]:
    """What to change, and how to say it."""
    patch: dict[str, Any] = {}
    advice = []
    ranked = sorted(trained.items(), key=lambda pair: -pair[1])
    sets = config.get("task", {}).get("kind") == "tag"
    if sets and len(ranked) > 2 and ranked[0][1] >= dominant * ranked[1][1]:
        first, second = ranked[0], ranked[1]
        patch["task.labels.ban"] = [first[0]]
        said = {"label": first[0], "rows": first[1], "second": second[0], "others": second[1]}
        advice.append(text("rules_live.ban", **said))
    warmup, steps = config.get("train", {}).get("warmup", 0.0), training.get("steps")
    share = warmup if warmup < 1 else warmup / steps if steps else 0.0
    if share > WARM:
        better = warmup_for(steps) if steps else WARMUP
        patch["train.warmup"] = better
        advice.append(text("rules_live.warmup", share=min(100.0, 100 * share), warmup=better))
    return patch, joined(advice) or text("rules_live.look")


def _still_learning(course: Course) -> bool:
    """Whether the training loss still fell when training ended, and had not all been learnt."""
    values = [point.value for point in course.finite_loss]
    third = len(values) // 3
    if third < 2:
        return False
    first, middle, last = (median(values[n * third : (n + 1) * third]) for n in range(3))
    begun = max(first, median(values[:3]))
    blown_up = last > 1.1 * begun
    return LEARNT * first < last < (1 - FALLING) * middle and not blown_up


def _longer(config: Mapping[str, Any], course: Course) -> tuple[dict[str, Any], str]:
    epochs = config.get("train", {}).get("epochs")
    if not epochs:
        return {}, text("rules_live.look")
    more = LONGER * epochs
    patch = {"train.epochs": more}
    if course.stopped_early:
        patch["train.early_stopping.patience"] = max(3, more // 4)
    kind = "stopped" if course.stopped_early else "ended"
    return patch, text(f"rules_live.longer-{kind}", epochs=epochs, more=more)
