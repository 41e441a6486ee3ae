"""What the baselines' scores tell of the task itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.output import CONSTANT, FEW_ROWS
from kunren.evaluation.told import is_baseline, metric_name, number, primary, system_name, unit
from kunren.messages import text

SOLVED = 0.99
"""Share that a trivial baseline gets right, from which on no real task is known where it does."""

_SHARES = ("accuracy", "jaccard")


def solved_by_baseline(metrics: Mapping[str, Any], *, solved: float = SOLVED) -> Finding | None:
    """A trivial baseline solves the task.

    単純な手法だけで、ほぼすべて当たる。

    何を見るか:
        TF-IDF や最近傍などの単純な手法のテストの値 (正解率か Jaccard 係数、自由な文では
        完全一致率) が 99 % 以上か。テストが 20 件未満のときと、いつも同じ答えを返す手法は
        除きます。

    なぜ問題か:
        意味を読まない手法で満点なら、答えは文にある単語か、ほぼ同じ学習データだけで決まっています。
        モデルの値が高くても、課題が解けたことにはなりません。

    例:
        2 文の関係を答えるデータで片方しか読んでいないのに、TF-IDF が 100 % だった。仮説の
        文ごとに答えが決まっていたためで、もう片方を読むモデルの力は測れていません。

    対処:
        文に残った答えの手がかり、学習とテストにある同じ型の文、読んでいない列を調べます。
        どれでもなければ、その単純な手法をそのまま使えます。

    What it sees:
        Test scores of trivial methods such as TF-IDF or the nearest row (accuracy or Jaccard, exact
        match of free text): 99 % or more. Not with fewer than 20 test rows, and not of methods that
        answer the same to everything.

    Why it matters:
        If a method that reads no meaning is perfect, single words or nearly the same training rows
        decide the answer. A high score of the model does not show that it can do the task.

    For example:
        Of pairs of sentences only one was read, and TF-IDF was right in 100 %: each hypothesis had
        its own answer. What a model makes of the other sentence was never measured.

    What to do:
        Look for hints at the answer in the texts, for sentences from one pattern in training and
        test rows, and for columns that are not read. If there are none, use the trivial method.
    """
    name = primary(metrics)
    name = name if name in _SHARES else "exact_match"
    values = {
        system: score["value"]
        for system, scores in metrics["systems"].items()
        if is_baseline(system)
        and system not in CONSTANT
        and (score := scores.get(name) or {}).get("value") is not None
        and score.get("n_scored", 0) >= FEW_ROWS
    }
    if not values:
        counts = [
            score.get("n_scored", 0)
            for system, scores in metrics["systems"].items()
            if is_baseline(system)
            and system not in CONSTANT
            and (score := scores.get(name) or {}).get("value") is not None
        ]
        if counts:
            raise Missing("scored-rows", count=max(counts), needed=FEW_ROWS)
        raise Missing("baselines")
    best = max(values, key=lambda system: values[system])
    if values[best] < solved:
        return None
    rows = metrics["systems"][best][name]["n_scored"]
    said = text(
        "doctor.solved-by-baseline",
        name=system_name(best, metrics),
        metric=metric_name(name),
        value=number(values[best], unit(metrics, name)),
        rows=rows,
    )
    evidence = {"system": best, "metric": name, "value": values[best], "rows": rows}
    return Finding("warning", said, evidence)
