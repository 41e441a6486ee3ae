"""What the answers tell."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import pstdev
from typing import Any

import emoji
from scipy import stats

from kunren.doctor.evidence import LONG_CHAT, Evaluated, Finding, Missing, Severity
from kunren.evaluation.metric import answer_key
from kunren.evaluation.score import (
    best_baseline,
    find_pair,
    gap,
    metric_name,
    number,
    p_value,
    percent,
    primary,
    system_name,
    unit,
)
from kunren.messages import text
from kunren.textfile import excerpt

CONSTANT = ("majority", "constant")
"""Baselines that answer the same to everything."""

WIDE = 10.0
"""Half width of the primary metric's interval, in points, from which on it is worth a word."""

FEW_ROWS = 20
"""Below this many rows one row moves the accuracy by more than 5 points."""

FEW_TURNS = 5
"""Fewer turns than this show no habit."""

OUT_OF_SET = 0.05
OUT_OF_SET_MUCH = 0.30
"""Shares of free generations outside the label set: worth knowing, and worth a look."""

COLLAPSE_SHARE = 0.5
COLLAPSE_ALL = 0.8
COLLAPSE_RATIO = 2.0
COLLAPSE_CHANCE = 0.001
"""One answer has this share of all, this many times that in gold, by less than this chance."""

TRAP_GAP = 0.2
"""Accuracy minus macro-F1 from which on rare labels are being given up."""

POWER = 0.8


def not_better_than_base(metrics: Mapping[str, Any]) -> Finding | None:
    """The tuned model is not better than the untuned one on the test rows (at the 5 % level)."""
    pair = _pair(metrics, "base")
    if pair["verdict"] == "better":
        return None
    worse = pair["verdict"] == "worse"
    return Finding(
        "critical" if worse else "warning",
        text(f"doctor.not-better-than-base-{'worse' if worse else 'same'}", **_said(metrics, pair)),
        _numbers(metrics, pair),
    )


def below_trivial(metrics: Mapping[str, Any]) -> Finding | None:
    """The tuned model does not beat the best trivial baseline.

    Critical where it is worse beyond doubt. Where the two cannot be told apart: a warning, or a
    note if the model is at least ahead and the baseline is a real classifier, not a constant.
    """
    baseline = best_baseline(metrics)
    if baseline is None:
        raise Missing("baselines")
    pair = _pair(metrics, baseline)
    if pair["verdict"] == "better":
        return None
    severity: Severity = "warning"
    kind = "same"
    if pair["verdict"] == "worse":
        severity, kind = "critical", "worse"
    elif pair["difference"] > 0 and baseline not in CONSTANT:
        severity, kind = "info", "ahead"
    said = text(f"doctor.below-trivial-{kind}", **_said(metrics, pair))
    return Finding(severity, said, _numbers(metrics, pair))


def small_evaluation(metrics: Mapping[str, Any], tuned: Sequence[Evaluated]) -> Finding | None:
    """Too few test rows for what one would like to say of them.

    A warning where a difference to the untuned model was seen but cannot be confirmed (with the
    number of rows that would confirm it at 80 % power), or below 20 rows; a note where the interval
    is merely wide.
    """
    by = primary(metrics)
    score = metrics["systems"].get("tuned", {}).get(by)
    if score is None or score["value"] is None or score["ci95"] is None:
        raise Missing("tuned")
    rows, of = metrics["rows"], unit(metrics, by)
    half = (score["ci95"][1] - score["ci95"][0]) / 2
    evidence = {"rows": rows, "ci95": list(score["ci95"])}
    pair = find_pair(metrics, "base")
    unsure = pair is not None and pair["verdict"] == "indistinguishable"
    if pair is not None and unsure and pair["difference"] != 0:
        needed = _rows_needed(pair["difference"], tuned, single=by == "accuracy")
        if needed > rows:
            difference = gap(pair["difference"], of)
            said = text("doctor.small-evaluation-unsure", rows=rows, gap=difference, needed=needed)
            evidence |= {"difference": pair["difference"], "rows_needed": needed}
            return Finding("warning", said, evidence)
    points = half if of == "points" else 100 * half
    if rows >= FEW_ROWS and points < WIDE:
        return None
    said = text("doctor.small-evaluation-wide", rows=rows, half=points, metric=metric_name(by))
    return Finding("warning" if rows < FEW_ROWS else "info", said, evidence)


def out_of_set(
    metrics: Mapping[str, Any], generated: Sequence[Evaluated], answers: str
) -> Finding | None:
    """Free generations outside the label set, such as emoji that were never trained.

    Of one label every answer counts that is not exactly one of the set; closed-set prediction
    (``kunren predict``) cannot leave the set and is not touched by this. Of sets every piece counts
    that is no label.
    """
    if answers == "set":
        outside = Counter(piece for e in generated for piece in e.answer.invalid)
        total = outside.total() + sum(len(e.answer.labels or ()) for e in generated)
    else:
        labels = {answer_key(label) for label in metrics["labels"]}
        outside = Counter(
            said for e in generated if answer_key(said := e.answer.generated or "") not in labels
        )
        total = len(generated)
    count = outside.total()
    rate = count / total if total else 0.0
    if rate < OUT_OF_SET:
        return None
    top = outside.most_common(5)
    new_emoji = sum(n for said, n in outside.items() if emoji.is_emoji(said.strip()))
    named = "、".join(f"{excerpt(said) or text('doctor.empty')} ({n})" for said, n in top)
    return Finding(
        "warning" if rate >= OUT_OF_SET_MUCH else "info",
        text(
            f"doctor.out-of-set-{'pieces' if answers == 'set' else 'answers'}",
            rate=percent(rate),
            count=count,
            total=total,
            top=named,
            emoji=new_emoji,
        ),
        {"rate": rate, "n": total, "top": [list(t) for t in top], "new_emoji": new_emoji},
    )


def mode_collapse(tuned: Sequence[Evaluated], answers: str) -> Finding | None:
    """One answer is given to (nearly) everything, far beyond its share in gold.

    An answer is a label, a whole set, or a text; of sets also one label that makes up most of all
    that is predicted, as where ✨ was the answer to everything. Called so only if it is no accident
    of few rows: were the model to answer as often as gold does, so many of one answer would come by
    chance in less than one of a thousand runs.
    """
    whole = _collapsed(
        Counter("、".join(e.said) for e in tuned), Counter("、".join(e.gold) for e in tuned)
    )
    kind: str = answers
    if answers == "set":
        one = _collapsed(
            Counter(label for e in tuned for label in e.said),
            Counter(label for e in tuned for label in e.gold),
        )
        if one is not None and (whole is None or one["share"] > whole["share"]):
            whole, kind = one, "set-label"
    if whole is None:
        return None
    return Finding(
        "critical" if whole["share"] >= COLLAPSE_ALL else "warning",
        text(
            f"doctor.mode-collapse-{kind}",
            label=excerpt(whole["label"]) or text("doctor.empty"),
            share=percent(whole["share"]),
            count=whole["count"],
            total=whole["total"],
            gold=percent(whole["gold_share"]),
            kinds=whole["distinct"],
            labels=whole["gold_distinct"],
        ),
        {name: whole[name] for name in ("label", "share", "gold_share", "distinct")},
    )


def _collapsed(answers: Counter[str], gold: Counter[str]) -> dict[str, Any] | None:
    """The commonest of ``answers``, if nearly all are it and gold does not account for that."""
    total = answers.total()
    if not total:
        return None
    label, count = answers.most_common(1)[0]
    share, gold_share = count / total, gold[label] / gold.total()
    expected = (gold[label] + 1) / (gold.total() + len(gold.keys() | answers.keys()))
    chance = float(stats.binom.sf(count - 1, total, expected))
    if share < COLLAPSE_SHARE or share < COLLAPSE_RATIO * gold_share or chance >= COLLAPSE_CHANCE:
        return None
    return {
        "label": label,
        "share": share,
        "count": count,
        "total": total,
        "gold_share": gold_share,
        "distinct": len(answers),
        "gold_distinct": len(gold),
    }


def turn_collapse(turns: Sequence[Sequence[Evaluated]]) -> Finding | None:
    """In longer chats the model repeats its last answer although the right one has changed.

    Counted are the answers from the third turn on whose gold differs from the turn before. Quiet
    where the model answers the same from the first turn on: that is a mode collapse.
    """
    changed = [
        (before, now)
        for chat in turns
        for before, now in pairwise(chat[LONG_CHAT - 2 :])
        if before.gold != now.gold
    ]
    if len(changed) < FEW_TURNS:
        return None
    first = Counter(chat[0].said for chat in turns)
    if first.most_common(1)[0][1] / len(turns) >= COLLAPSE_ALL:
        return None
    repeated = sum(before.said == now.said for before, now in changed)
    share = repeated / len(changed)
    if share < COLLAPSE_SHARE:
        return None
    return Finding(
        "warning",
        text(
            "doctor.turn-collapse",
            turn=LONG_CHAT,
            count=repeated,
            total=len(changed),
            share=percent(share),
        ),
        {"share": share, "n": len(changed), "chats": len(turns)},
    )


def majority_trap(metrics: Mapping[str, Any], single: Sequence[Evaluated]) -> Finding | None:
    """Accuracy looks good because one label dominates; the others are hardly ever found.

    Fires where accuracy is at least 20 points above macro-F1 and most of gold is one label.
    Critical where the model is no better than answering that label always.
    """
    scores = metrics["systems"].get("tuned", {})
    accuracy, macro = (scores.get(name, {}).get("value") for name in ("accuracy", "macro_f1"))
    if accuracy is None or macro is None:
        raise Missing("tuned")
    gold = Counter(e.row.gold for e in single)
    label, count = gold.most_common(1)[0]
    share = count / len(single)
    if len(gold) < 2 or accuracy - macro < TRAP_GAP or share < 0.5:
        return None
    found = {e.row.gold for e in single if e.answer.correct}
    never = [name for name, _ in gold.most_common() if name not in found]
    return Finding(
        "critical" if accuracy <= share else "warning",
        text(
            f"doctor.majority-trap-{'all' if accuracy <= share else 'some'}",
            accuracy=percent(accuracy),
            macro=f"{macro:.3f}",
            label=excerpt(label),
            share=percent(share),
            never=len(never),
            labels=len(gold),
        ),
        {"accuracy": accuracy, "macro_f1": macro, "top_share": share, "never_right": never},
    )


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
    return {
        "rows": metrics["rows"],
        "metric": metric_name(pair["metric"]),
        "tuned": number(tuned, of),
        "other": number(other, of),
        "name": system_name(pair["b"], metrics),
        "gap": gap(pair["difference"], of),
        "p": p_value(pair["p"]),
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
        "verdict": pair["verdict"],
    }


def _rows_needed(difference: float, tuned: Sequence[Evaluated], *, single: bool) -> int:
    """Rows that would confirm a difference at 5 % and 80 % power.

    For McNemar after Connor 1987 (Biometrics 43:207), for the mean of paired differences of scores
    after the normal approximation, n = ((z_alpha + z_power) * sd / difference) ** 2.
    """
    both = [
        (e.answer.score, base.score)
        for e in tuned
        if (base := e.row.systems.get("base")) is not None
        and e.answer.score is not None
        and base.score is not None
    ]
    alpha, power = stats.norm.ppf(0.975), stats.norm.ppf(POWER)
    if not both:
        return 0
    if single:
        discordance = sum(a != b for a, b in both) / len(both)
        d, pi = abs(difference), max(discordance, abs(difference))
        needed = ((alpha * math.sqrt(pi) + power * math.sqrt(pi - d * d)) / d) ** 2
    else:
        needed = ((alpha + power) * pstdev(a - b for a, b in both) / difference) ** 2
    return math.ceil(float(needed))
