"""What the metrics tell of themselves: where a number is no measure of quality."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kunren.doctor.evidence import Evaluated, Finding, Missing
from kunren.evaluation.metric import answer_key
from kunren.evaluation.told import percent
from kunren.messages import text
from kunren.textfile import excerpt

GAP = 0.2
"""Accuracy minus macro-F1 from which on rare labels are being given up: in a fair model of two
labels, 90 % and 10 %, with 95 % accuracy and 60 % of the rare rows found, it is 0.11."""

DOMINANT = 0.5
"""Share of the commonest gold label from which on accuracy can lean on it."""

FEW_ROWS = 20
"""Fewer rows may all be wrong by themselves."""

CHANCE = 0.001
"""A model as good as before training would be wrong on every row less often than this."""

ORDINARY = frozenset({
    "em", "subset_accuracy", "generated_accuracy", "fact_recall", "diversity", "entropy", "mcc",
    "matthews_correlation", "kappa", "cohen_kappa",
})  # fmt: skip
"""Metrics that are often zero, and rightly: by the whole answer, letter by letter; of variety; or
corrected for chance. So are all whose name begins with ``exact``."""

FALLING = frozenset({"loss", "rate", "perplexity", "ppl", "error", "wer", "cer"})
"""Words in the names of metrics that are better when lower."""


def majority_trap(
    metrics: Mapping[str, Any],
    single: Sequence[Evaluated],
    settings: Mapping[str, Any],
    *,
    gap: float = GAP,
    dominant: float = DOMINANT,
) -> Finding | None:
    """A good accuracy that one label accounts for.

    多いラベルに支えられた正解率。

    何を見るか:
        正解の半分以上が 1 つのラベルで、正解率がマクロ F1 より 0.2
        以上高いときに知らせます。正解率が、そのラベルだけを答えた場合
        を超えていなければ重大です。

    なぜ問題か:
        正解率だけを見ると良いモデルに見えますが、少ないラベルはほと
        んど当たりません。役に立つのは、たいてい少ないラベルのほうです。

    例:
        90 % が「問題なし」のデータで、すべてに「問題なし」と答えると
        正解率は 90 % ですが、マクロ F1 は 0.47 です。

    対処:
        少ないラベルの行を増やすか、train.loss.class_weights を
        balanced にして比べます。判断はマクロ F1 でしてください。

    What it sees:
        At least half of gold is one label, and accuracy is 0.2 or more above macro-F1. Critical
        where accuracy is no better than answering that label always.

    Why it matters:
        By its accuracy the model looks good, but the rare labels, which are mostly those one
        needs, are hardly ever found.

    For example:
        Where 90 % of the rows are "no problem", answering that always is 90 % accurate, with a
        macro-F1 of 0.47.

    What to do:
        Add rows of the rare labels, or compare with train.loss.class_weights: balanced, and judge
        by macro-F1.
    """
    scores = metrics["systems"].get("tuned", {})
    accuracy, macro = (scores.get(name, {}).get("value") for name in ("accuracy", "macro_f1"))
    if accuracy is None or macro is None:
        raise Missing("tuned")
    gold = Counter(e.row.gold for e in single)
    label, count = gold.most_common(1)[0]
    share = count / len(single)
    if len(gold) < 2 or accuracy - macro < gap or share < dominant:
        return None
    right = Counter(e.row.gold for e in single if e.answer.correct)
    never = [name for name, _ in gold.most_common() if not right[name]]
    worst = min(gold, key=lambda name: right[name] / gold[name])
    weighted = settings.get("train", {}).get("loss", {}).get("class_weights")
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
            worst=excerpt(worst),
            asked=gold[worst],
            found=right[worst],
        ),
        {"accuracy": accuracy, "macro_f1": macro, "top_share": share, "never_right": never},
        None if weighted else {"set": {"train.loss.class_weights": "balanced"}},
    )


def zero_scores(metrics: Mapping[str, Any], *, few_rows: float = FEW_ROWS) -> Finding | None:
    """A score that is exactly zero.

    ちょうど 0 の指標。

    何を見るか:
        すべての手法でちょうど 0 の指標 (完全一致や MCC のように 0 が
        珍しくないものは除きます) と、学習前には値があったのに学習後だけすべて 0 に
        なった、つまり「-100 %」の変化を知らせます。

    なぜ問題か:
        何十件もの回答で一部も一致しないことはまずありません。ちょうど
        0 は、品質ではなく、採点やモデルの読み込みの失敗を示します。

    例:
        日本語を分かち書きせずに英語用の設定で採点し、ROUGE と
        BERTScore が 0.0 になった記録があります。別の記録の「改善率
        -100 %」は、学習したモデルを読み込めていなかっただけでした。

    対処:
        正解どうしを採点して満点になるかを確かめます。ならなければ、
        分かち書きの設定を日本語用に直します。学習後だけが 0 のときは、
        保存したモデルを読み込んで 1 件答えさせてみてください。

    What it sees:
        A metric that is exactly zero for every system (but for those that often are, such as exact
        match and MCC), and values that training turned into zero throughout: a change of "-100 %".

    Why it matters:
        That of dozens of answers not one agrees even in part does not happen. Exactly zero points
        to the scoring, or to a model that was not loaded, not to quality.

    For example:
        In one record ROUGE and BERTScore were 0.0 because Japanese had been scored by the settings
        for English; in it, an "improvement of -100 %" was an adapter that failed to load.

    What to do:
        Score gold against gold: if that is not the best value, set a tokenizer for Japanese. Where
        only the tuned model is zero, load what was saved and ask it one thing.
    """
    values = {n: dict(_values(scores, few_rows)) for n, scores in metrics["systems"].items()}
    names = list(dict.fromkeys(m for found in values.values() for m in found))
    if not names:
        raise _unscored(metrics["systems"].values(), few_rows)
    kept = [m for m in names if _should_rise(metrics, m)]
    dead = [m for m in kept if all(v[m] == 0 for v in values.values() if m in v)]
    base, tuned = values.get("base", {}), values.get("tuned", {})
    rows = metrics.get("rows")
    lost = [m for m in kept if tuned.get(m) == 0 and _sure(metrics, m, base.get(m, 0.0))]
    if lost and all(tuned[m] == 0 for m in kept if m in tuned):
        said = text(
            "rules_output.zero-scores-lost",
            metrics=text("record.list").join(lost),
            rows=rows or "?",
        )
        return Finding("critical", said, {"metrics": lost, "rows": rows, "base": base})
    if not dead:
        return None
    said = text(
        "rules_output.zero-scores-dead", metrics=text("record.list").join(dead), rows=rows or "?"
    )
    evidence = {"metrics": dead, "rows": rows, "systems": list(values)}
    return Finding("warning", said, evidence)


def _unscored(systems: Iterable[Mapping[str, Any]], needed: float) -> Missing:
    """Why there is no value to judge by: nothing was scored, or too few rows were."""
    counts = [
        score.get("n_scored") or 0
        for scores in systems
        for score in scores.values()
        if score.get("value") is not None
    ]
    if not counts:
        return Missing("tuned")
    return Missing("scored-rows", count=max(counts), needed=round(needed))


def _values(scores: Mapping[str, Any], few_rows: float) -> Iterator[tuple[str, float]]:
    """The values of a system's metrics that enough rows were scored for."""
    for name, score in scores.items():
        if score.get("value") is not None and (score.get("n_scored") or few_rows) >= few_rows:
            yield name, score["value"]


def _sure(metrics: Mapping[str, Any], metric: str, before: float) -> bool:
    """Whether a model that scored ``before`` on average would not score nothing by chance."""
    points = metrics.get("metrics", {}).get(metric, {}).get("unit") == "points" or before > 1
    wrong = 1 - min(1.0, before / 100 if points else before)
    return bool(wrong ** (metrics.get("rows") or FEW_ROWS) < CHANCE)


def _should_rise(metrics: Mapping[str, Any], metric: str) -> bool:
    """Whether a metric is better when higher, and rarely zero."""
    about = metrics.get("metrics", {}).get(metric, {})
    falls = bool(FALLING & set(metric.split("_")))
    rises = about.get("better", None if falls else "higher") == "higher"
    return rises and metric not in ORDINARY and not metric.startswith("exact")


def metric_fails_on_gold(metrics: Mapping[str, Any], tuned: Sequence[Evaluated]) -> Finding | None:
    """A metric that does not recognise a right answer.

    正解と同じ回答に点を付けない指標。

    何を見るか:
        正解と一字も違わない回答の点数が 0 になっていないかを見ます。
        また、完全に一致した回答があるのに 0 の指標がないかを見ます。
        一致した回答は満点のはずなので、そうした値はあり得ません。

    なぜ問題か:
        正解に点を付けない指標は、何も測っていません。その数字による
        比較は、すべて無意味です。

    例:
        完全一致が 20 % あるのに ROUGE-L が 0.0 なら、ROUGE-L は日本語
        を 1 語も読めていません。

    対処:
        採点の分かち書きと文字の正規化を確かめ、正解どうしで満点になる
        ことを確かめてから採点し直してください。kunren の評価は、これを
        採点の前に自動で確かめます。

    What it sees:
        Whether an answer that is gold letter by letter scored 0, and whether a metric is 0 although
        there are such answers, each of which it should give its best value.

    Why it matters:
        A metric that gives nothing for the right answer measures nothing, and no comparison by it
        means anything.

    For example:
        20 % exact matches beside a ROUGE-L of 0.0: ROUGE-L cannot read a word of Japanese.

    What to do:
        Look at the tokenizer and normalisation of the scoring, see that gold against gold is the
        best value, and score again. kunren's evaluation sees to that before it scores.
    """
    same = [e for e in tuned if e.answer.score is not None and _same(e)]
    zero = [e for e in same if e.answer.score == 0]
    scores = metrics["systems"].get("tuned", {})
    exact = scores.get("exact_match", {}).get("value")
    if not same and not exact:
        raise Missing("right-answers")
    low = [n for n, v in _values(scores, 1) if _should_rise(metrics, n) and v == 0 and exact]
    if zero:
        said = text(
            "rules_output.metric-fails-on-gold-row",
            count=len(zero),
            total=len(same),
            gold=excerpt(zero[0].row.gold),
        )
        return Finding("critical", said, {"zero": len(zero), "n": len(same)})
    if not low or exact is None:
        return None
    named = text("record.list").join(low)
    said = text("rules_output.metric-fails-on-gold-mean", exact=percent(exact), metrics=named)
    return Finding("critical", said, {"exact_match": exact, "metrics": low})


def _same(item: Evaluated) -> bool:
    """Whether the answer is gold, whatever the metric says."""
    if item.answer.labels is not None:
        return {answer_key(x) for x in item.said} == {answer_key(x) for x in item.gold}
    said, gold = (unicodedata.normalize("NFKC", s).strip() for s in (*item.said, item.row.gold))
    return said == gold != ""
