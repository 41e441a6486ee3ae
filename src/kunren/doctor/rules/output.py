"""What the scores tell: against the untuned model, against something trivial, and how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scipy import stats

from kunren.doctor.evidence import Finding, Missing, Severity
from kunren.doctor.rules.wording import joined
from kunren.evaluation.told import (
    best_baseline,
    find_pair,
    gap,
    judged_p,
    metric_name,
    number,
    primary,
    system_name,
    unit,
)
from kunren.messages import text

CONSTANT = ("majority", "constant")
"""Baselines that answer the same to everything."""

WIDE = 10.0
"""Half width of the interval, in points: half of the 20 points that good
fine-tuning gains on few rows (accuracy 0.62 to 0.78 in seed 004), so that it could be missed."""

FEW_ROWS = 20
"""Below this many rows one row moves the accuracy by more than 5 points."""

POWER = 0.8
"""Usual chance of finding a difference that is there (Cohen 1988)."""


def not_better_than_base(metrics: Mapping[str, Any], settings: Mapping[str, Any]) -> Finding | None:
    """Not better than before training.

    学習前より良くなっていない。

    何を見るか:
        テストデータでの主な指標を、学習前のモデルと学習後のモデルで
        行ごとに対応させて比べます。5 % 水準 (比較の数を Holm 法で補正)
        で「改善」と言えなければ知らせ、「悪化」なら重大とします。

    なぜ問題か:
        学習が効いたと確かめられない限り、学習前のモデルを使うほうが
        安く、確かです。見かけの差は、行の入れ替わりだけでも生じます。

    例:
        テスト 40 件で正解率が 30 % から 40 % になった場合、差は +10
        ポイントですが、偶然でも起こる大きさです。

    対処:
        「差は不明」なら、テストデータか学習データを増やしてから判断します。
        「悪化」なら、その結果は使わず、学習率、ラベルや回答の書き方、
        データの質を見直してください。

    What it sees:
        The primary metric of the untuned and the tuned model, paired row by row on the test rows.
        It fires unless the tuned one is better at 5 % (corrected after Holm for the number of
        comparisons), and is critical where it is worse.

    Why it matters:
        As long as training is not known to have worked, the untuned model is cheaper and safer.
        Which rows were drawn makes differences too.

    For example:
        From 30 % to 40 % accuracy on 40 test rows is +10 points, which chance can make.

    What to do:
        Where the difference is not known: more test rows, or more training data. Where the model
        became worse: do not use it; look at the learning rate, the way labels or answers are
        written, and the quality of the data.
    """
    pair = _pair(metrics, "base")
    if pair["verdict"] == "better":
        return None
    worse = pair["verdict"] == "worse"
    kind = pair["verdict"] if worse or pair["verdict"] == "identical" else "same"
    parts = [text(f"doctor.not-better-than-base-{kind}", **_said(metrics, pair))]
    needed = _rows_needed(pair, metrics["rows"])
    if needed is not None and needed > metrics["rows"]:
        parts += [text("rules_output.rows-needed", needed=needed), *_cross_validation(settings)]
    elif not worse:
        parts.append(text("rules_output.more-data"))
    return Finding("critical" if worse else "warning", joined(parts), _numbers(metrics, pair))


def below_trivial(metrics: Mapping[str, Any]) -> Finding | None:
    """Not better than a trivial baseline.

    単純な手法を超えていない。

    何を見るか:
        学習後のモデルを、単純な手法 (最頻ラベル、最近傍、TF-IDF と
        ロジスティック回帰など) のうち最も良いものと比べます。明らかに
        下回れば重大、区別できなければ警告です。上回っていても差が確か
        めきれず、相手が本物の分類器なら、参考とします。

    なぜ問題か:
        1 秒で作れる手法に及ばないモデルを使う理由はありません。

    例:
        ある絵文字の実験では、すべてに ✨ と答えるだけで Jaccard が
        0.17 になり、後の「改善」の多くはそれ以下でした。単純な手法を
        測っていなかったため、長く気付かれませんでした。

    対処:
        データを増やす、より大きいモデルを使う、またはその単純な手法を
        そのまま使います。区別できないだけなら、テストデータを増やします。

    What it sees:
        The tuned model against the best of the trivial baselines (majority, nearest neighbour,
        TF-IDF with logistic regression, …). Critical where it is worse beyond doubt, a warning
        where the two cannot be told apart, and a note where it is ahead of a real classifier but
        not beyond doubt.

    Why it matters:
        There is no reason to use a model that something made in a second beats.

    For example:
        In one experiment with emoji, answering ✨ to everything gave a Jaccard of 0.17, above most
        later "improvements"; nobody had computed the trivial baseline.

    What to do:
        Add data, use a larger model, or use that baseline itself. Where they merely cannot be told
        apart: more test rows.
    """
    baseline = best_baseline(metrics)
    if baseline is None:
        raise Missing("baselines")
    pair = _pair(metrics, baseline)
    if pair["verdict"] == "better":
        return None
    severity: Severity = "warning"
    kind = "identical" if pair["verdict"] == "identical" else "same"
    if pair["verdict"] == "worse":
        severity, kind = "critical", "worse"
    elif pair["difference"] > 0 and baseline not in CONSTANT:
        severity, kind = "info", "ahead"
    said = text(f"doctor.below-trivial-{kind}", **_said(metrics, pair))
    return Finding(severity, said, _numbers(metrics, pair))


def small_evaluation(
    metrics: Mapping[str, Any],
    settings: Mapping[str, Any],
    *,
    wide: float = WIDE,
    few_rows: float = FEW_ROWS,
) -> Finding | None:
    """Too few test rows.

    テストデータが少なすぎる。

    何を見るか:
        学習前との差が出ているのに確かめられないとき、何件あれば確かめ
        られるかを示します (検出力 80 %)。テストが 20 件未満のときと、
        95 % 信頼区間が広いときも知らせます。

    なぜ問題か:
        少ない行では、良い変更も悪い変更も区別できません。1 件の違いが
        20 件では 5 ポイントになります。

    例:
        テスト 20 件で 62 % から 78 % になっても、95 % 信頼区間は
        およそ ±20 ポイントです。

    対処:
        データを増やして test の割合を大きくするか、evaluate.cv で
        交差検証を使い、すべての行をテストに使ってください。

    What it sees:
        Where a difference to the untuned model was seen but is not certain: how many rows would
        make it so (power 80 %). Also fewer than 20 test rows, and a wide 95 % interval.

    Why it matters:
        Few rows cannot tell a good change from a bad one. One row in 20 is 5 points.

    For example:
        From 62 % to 78 % on 20 test rows, the 95 % interval is about ±20 points.

    What to do:
        Add data and give test a larger share, or let evaluate.cv test every row.
    """
    by = primary(metrics)
    score = metrics["systems"].get("tuned", {}).get(by)
    if score is None or score["value"] is None or score.get("ci95") is None:
        raise Missing("tuned")
    rows, of = metrics["rows"], unit(metrics, by)
    half = (score["ci95"][1] - score["ci95"][0]) / 2
    evidence = {"rows": rows, "ci95": list(score["ci95"])}
    pair = find_pair(metrics, "base")
    needed = None if pair is None else _rows_needed(pair, rows)
    if pair is not None and needed is not None and needed > rows:
        difference = gap(pair["difference"], of)
        parts = [
            text("doctor.small-evaluation-unsure", rows=_rows(metrics), gap=difference),
            text("rules_output.rows-needed", needed=needed),
            *_cross_validation(settings),
        ]
        evidence |= {"difference": pair["difference"], "rows_needed": needed}
        return Finding("warning", joined(parts), evidence)
    points = half if of == "points" else 100 * half
    if rows >= few_rows and points < wide:
        return None
    said = {"rows": _rows(metrics), "half": points, "metric": metric_name(by), "step": 100 / rows}
    # Where all rows agree the interval may have no width to speak of.
    kind = "doctor.small-evaluation-wide" if round(points) else "doctor.small-evaluation-step"
    parts = [text(kind, **said), *_cross_validation(settings)]
    return Finding("warning" if rows < few_rows else "info", joined(parts), evidence)


def _cross_validation(settings: Mapping[str, Any]) -> list[str]:
    """That every row could be a test row, where that is not so already and can be had."""
    if settings.get("evaluate", {}).get("cv") or settings.get("data", {}).get("test"):
        return []
    return [text("rules_output.small-evaluation-cv")]


def _rows(metrics: Mapping[str, Any]) -> str:
    """How many rows were tested; of chats also how many answers they have."""
    rows, answers = metrics["rows"], metrics.get("items", metrics["rows"])
    kind = "rows" if answers == rows else "chats"
    return text(f"rules_output.tested-{kind}", rows=rows, answers=answers)


def _rows_needed(pair: Mapping[str, Any], rows: int) -> int | None:
    """Rows that would confirm the difference of a pair; None where it is confirmed, or none.

    As the record has it; of one made before it had it, by the same normal formula
    ((z.975 + z.8) sigma / difference)^2 with sigma from the width of the interval.
    """
    if pair["verdict"] != "indistinguishable" or not pair["difference"]:
        return None
    if "rows_needed" in pair:
        recorded: int | None = pair["rows_needed"]
        return recorded
    edge, power = (float(stats.norm.ppf(q)) for q in (0.975, POWER))
    error = float(pair["ci95"][1] - pair["ci95"][0]) / 2 / edge
    difference = float(pair["difference"])
    return math.ceil(rows * ((edge + power) * error / difference) ** 2)


def _pair(metrics: Mapping[str, Any], other: str) -> dict[str, Any]:
    pair = find_pair(metrics, other)
    if pair is None:
        raise Missing("pair", name=system_name(other))
    return pair


def _values(metrics: Mapping[str, Any], pair: Mapping[str, Any]) -> tuple[float, float]:
    systems, by = metrics["systems"], pair["metric"]
    return systems["tuned"][by]["value"], systems[pair["b"]][by]["value"]


def _said(metrics: Mapping[str, Any], pair: Mapping[str, Any]) -> dict[str, object]:
    of = unit(metrics, pair["metric"])
    tuned, other = _values(metrics, pair)
    low, high = pair["ci95"]
    return {
        "rows": _rows(metrics),
        "low": gap(low, of),
        "high": gap(high, of),
        "metric": metric_name(pair["metric"]),
        "tuned": number(tuned, of),
        "other": number(other, of),
        "name": system_name(pair["b"], metrics),
        "gap": gap(pair["difference"], of),
        "p": judged_p(pair),
    }


def _numbers(metrics: Mapping[str, Any], pair: Mapping[str, Any]) -> dict[str, Any]:
    tuned, other = _values(metrics, pair)
    return {
        "rows": metrics["rows"],
        "metric": pair["metric"],
        "tuned": tuned,
        pair["b"]: other,
        "difference": pair["difference"],
        "ci95": list(pair["ci95"]),
        "p": pair["p"],
        "p_holm": pair.get("p_holm"),
        "verdict": pair["verdict"],
    }
