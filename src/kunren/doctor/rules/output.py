"""What the answers tell."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import emoji
from scipy import stats

from kunren.doctor.evidence import Evaluated, Finding, Missing, Severity
from kunren.evaluation.labels import answer_key
from kunren.evaluation.score import best_baseline, find_pair, p_value, percent, system_name
from kunren.messages import text
from kunren.textfile import excerpt

WIDE = 0.10
"""Half width of the accuracy's interval from which on it is worth a word."""

FEW_ROWS = 20
"""Below this many rows one row moves the accuracy by more than 5 points."""

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
    """The tuned model is not better than the untuned one on the test rows (McNemar, 5 %)."""
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
    elif pair["difference"] > 0 and baseline != "majority":
        severity, kind = "info", "ahead"
    said = _said(metrics, pair) | {"name": system_name(baseline)}
    return Finding(severity, text(f"doctor.below-trivial-{kind}", **said), _numbers(metrics, pair))


def small_evaluation(metrics: Mapping[str, Any], tuned: Sequence[Evaluated]) -> Finding | None:
    """Too few test rows for what one would like to say of them.

    A warning where a difference to the untuned model was seen but cannot be confirmed (with the
    number of rows that would confirm it, Connor 1987, 80 % power), or below 20 rows; a note where
    the interval is merely wide.
    """
    score = metrics["systems"].get("tuned", {}).get("accuracy")
    if score is None or score["value"] is None or score["ci95"] is None:
        raise Missing("tuned")
    rows = metrics["rows"]
    half = (score["ci95"][1] - score["ci95"][0]) / 2
    evidence = {"rows": rows, "ci95": list(score["ci95"])}
    pair = find_pair(metrics, "base")
    unsure = pair is not None and pair["verdict"] == "indistinguishable"
    if pair is not None and unsure and pair["difference"] != 0:
        needed = _rows_needed(pair["difference"], _discordance(tuned))
        if needed > rows:
            gap = f"{100 * pair['difference']:+.1f}"
            said = text("doctor.small-evaluation-unsure", rows=rows, gap=gap, needed=needed)
            evidence |= {"difference": pair["difference"], "rows_needed": needed}
            return Finding("warning", said, evidence)
    if rows >= FEW_ROWS and half < WIDE:
        return None
    said = text("doctor.small-evaluation-wide", rows=rows, half=100 * half)
    return Finding("warning" if rows < FEW_ROWS else "info", said, evidence)


def out_of_set(metrics: Mapping[str, Any], generated: Sequence[Evaluated]) -> Finding | None:
    """Free generations that are not one label of the set, such as emoji that were never trained.

    Closed-set prediction (``kunren predict``) cannot leave the set and is not touched by this.
    """
    labels = {answer_key(label) for label in metrics["labels"]}
    outside = Counter(
        said for e in generated if answer_key(said := e.answer.generated or "") not in labels
    )
    count = outside.total()
    rate = count / len(generated)
    if rate < OUT_OF_SET:
        return None
    top = outside.most_common(5)
    new_emoji = sum(n for said, n in outside.items() if emoji.is_emoji(said.strip()))
    named = "、".join(f"{excerpt(said) or text('doctor.empty')} ({n})" for said, n in top)
    return Finding(
        "warning" if rate >= OUT_OF_SET_MUCH else "info",
        text(
            "doctor.out-of-set",
            rate=percent(rate),
            count=count,
            total=len(generated),
            top=named,
            emoji=new_emoji,
        ),
        {"rate": rate, "n": len(generated), "top": [list(t) for t in top], "new_emoji": new_emoji},
    )


def mode_collapse(tuned: Sequence[Evaluated]) -> Finding | None:
    """One label is the answer to (nearly) everything, far beyond its share in gold.

    Called so only if it is no accident of few rows: were the model to answer as often as gold does,
    so many of one label would come by chance in less than one of a thousand runs.
    """
    total = len(tuned)
    answers = Counter(e.answer.label for e in tuned)
    gold = Counter(e.row.gold for e in tuned)
    label, count = answers.most_common(1)[0]
    share, gold_share = count / total, gold[label or ""] / total
    expected = (gold[label or ""] + 1) / (total + len(gold.keys() | answers.keys()))
    chance = float(stats.binom.sf(count - 1, total, expected))
    if share < COLLAPSE_SHARE or share < COLLAPSE_RATIO * gold_share or chance >= COLLAPSE_CHANCE:
        return None
    return Finding(
        "critical" if share >= COLLAPSE_ALL else "warning",
        text(
            "doctor.mode-collapse",
            label=excerpt(label or ""),
            share=percent(share),
            count=count,
            total=total,
            gold=percent(gold_share),
            kinds=len(answers),
            labels=len(gold),
        ),
        {"label": label, "share": share, "gold_share": gold_share, "distinct": len(answers)},
    )


def majority_trap(metrics: Mapping[str, Any], tuned: Sequence[Evaluated]) -> Finding | None:
    """Accuracy looks good because one label dominates; the others are hardly ever found.

    Fires where accuracy is at least 20 points above macro-F1 and most of gold is one label.
    Critical where the model is no better than answering that label always.
    """
    scores = metrics["systems"].get("tuned", {})
    accuracy, macro = (scores.get(name, {}).get("value") for name in ("accuracy", "macro_f1"))
    if accuracy is None or macro is None:
        raise Missing("tuned")
    gold = Counter(e.row.gold for e in tuned)
    label, count = gold.most_common(1)[0]
    share = count / len(tuned)
    if len(gold) < 2 or accuracy - macro < TRAP_GAP or share < 0.5:
        return None
    found = {e.row.gold for e in tuned if e.answer.correct}
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
    systems = metrics["systems"]
    return systems["tuned"]["accuracy"]["value"], systems[pair["b"]]["accuracy"]["value"]


def _said(metrics: Mapping[str, Any], pair: Mapping[str, Any]) -> dict[str, object]:
    tuned, other = _values(metrics, pair)
    return {
        "rows": metrics["rows"],
        "tuned": percent(tuned),
        "other": percent(other),
        "gap": f"{100 * pair['difference']:+.1f}",
        "p": p_value(pair["p"]),
    }


def _numbers(metrics: Mapping[str, Any], pair: Mapping[str, Any]) -> dict[str, Any]:
    tuned, other = _values(metrics, pair)
    return {
        "rows": metrics["rows"],
        "tuned": tuned,
        pair["b"]: other,
        "difference": pair["difference"],
        "ci95": list(pair["ci95"]),
        "p": pair["p"],
        "verdict": pair["verdict"],
    }


def _discordance(tuned: Sequence[Evaluated]) -> float:
    """Share of items that only one of tuned and base answers rightly."""
    both = [(e.answer, base) for e in tuned if (base := e.row.systems.get("base")) is not None]
    return sum(a.correct != b.correct for a, b in both) / len(both) if both else 1.0


def _rows_needed(difference: float, discordance: float) -> int:
    """Rows for McNemar at 5 % and 80 % power (Connor 1987, Biometrics 43:207)."""
    d, pi = abs(difference), max(discordance, abs(difference))
    alpha, power = stats.norm.ppf(0.975), stats.norm.ppf(POWER)
    needed = ((alpha * math.sqrt(pi) + power * math.sqrt(pi - d * d)) / d) ** 2
    return math.ceil(float(needed))
