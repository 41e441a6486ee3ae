"""Whether the answers still depend on what is asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from scipy import stats

from kunren.analysis.multiple import tarone_level
from kunren.data.emoji import split_emoji
from kunren.doctor.evidence import LONG_CHAT, Evaluated, Finding
from kunren.doctor.rules.wording import joined
from kunren.evaluation.metric import answer_key
from kunren.evaluation.told import percent
from kunren.messages import text
from kunren.textfile import excerpt

SHARE = 0.5
"""Share of all answers from which on one of them is called a collapse: more than all others."""

ALL = 0.8
"""Share from which on hardly anything else is said."""

RATIO = 2.0
"""Times its share in gold that a collapsed answer has."""

CHANCE = 0.001
"""So many of one answer would come by chance in fewer than one of a thousand runs."""

FEW_TURNS = 5
"""Fewer turns than this show no habit."""

OVER = 1.5
"""Times that a label is answered for each time it is right, from which on it is worth a word."""

OVER_CHANCE = 0.01
"""Chance of any false label among all that are named."""

MUCH = 0.2
"""Share of the answers with an over-generated label too many, from which on it is a warning."""

REPEATED = 0.05
"""Share of answers with a label written twice that a healthy model may have; gold has none."""

NAMED = 4
"""Labels named in a message."""

_BETWEEN = re.compile(r"[\s,，、､・;；/|\x1f]+")


def mode_collapse(
    tuned: Sequence[Evaluated],
    answers: str,
    settings: Mapping[str, Any],
    *,
    share: float = SHARE,
    ratio: float = RATIO,
) -> Finding | None:
    """One answer to everything.

    何を聞いても同じ回答。

    何を見るか:
        最も多い回答の割合を見ます。全体の半分以上を占め、正解での割合の
        2 倍以上で、正解と同じ頻度で答えた場合には 1,000 回に 1 回も起き
        ない多さなら知らせます。ラベルの集合では、1 つのラベルへの偏り
        も見ます。

    なぜ問題か:
        入力を見ずに答えているのと同じです。多い回答に合わせるだけでも
        指標はある程度上がるため、数字だけでは気付けません。

    例:
        正解の 18.6 % が ✨ のデータで学習すると、どの文にも ✨ と答える
        モデルになりました。気付くまでに 5 回の学習を要しました。

    対処:
        多すぎるラベルを task.labels.ban で除くか、行を増やして偏りを
        減らします。学習率とエポック数も見直してください。

    What it sees:
        The share of the commonest answer: at least half of all, twice its share in gold, and so
        many that a model answering as often as gold would give them in fewer than one of 1,000
        runs. Of sets also one label that most of what is predicted is.

    Why it matters:
        It is as if the input were not read. Going by the commonest answer raises the metrics
        somewhat, so that numbers alone do not show it.

    For example:
        Of rows of which 18.6 % of all labels were ✨, a model learned to answer ✨ to everything;
        it took five trainings to notice.

    What to do:
        Take out a dominating label (task.labels.ban) or add rows of the others, and look at the
        learning rate and the epochs.
    """
    whole = _collapsed(
        Counter("、".join(e.said) for e in tuned),
        Counter("、".join(e.gold) for e in tuned), share, ratio,
    )  # fmt: skip
    kind: str = answers
    if answers == "set":
        one = _collapsed(
            Counter(label for e in tuned for label in e.said),
            Counter(label for e in tuned for label in e.gold), share, ratio,
        )  # fmt: skip
        if one is not None and (whole is None or one["share"] > whole["share"]):
            whole, kind = one, "set-label"
    if whole is None:
        return None
    return Finding(
        "critical" if whole["share"] >= ALL else "warning",
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
        _without(whole["label"], tuned, settings) if answers == "set" else None,
    )


def _without(
    label: str, items: Sequence[Evaluated], settings: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The patch that takes a label out, where it dominates gold too and so taught the collapse."""
    gold = Counter(name for e in items for name in e.gold)
    others = [count for name, count in gold.items() if name != label]
    if len(others) < 2 or gold[label] < RATIO * max(others):
        return None
    banned = settings.get("task", {}).get("labels", {}).get("ban") or ()
    return {"set": {"task.labels.ban": [*banned, label]}}


def _collapsed(
    answers: Counter[str], gold: Counter[str], least: float, ratio: float
) -> dict[str, Any] | None:
    """The commonest of ``answers``, if nearly all are it and gold does not account for that."""
    total = answers.total()
    if not total or not gold:
        return None
    label, count = answers.most_common(1)[0]
    share, gold_share = count / total, gold[label] / gold.total()
    expected = (gold[label] + 1) / (gold.total() + len(gold.keys() | answers.keys()))
    chance = float(stats.binom.sf(count - 1, total, expected))
    if share < least or share < ratio * gold_share or chance >= CHANCE:
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


def soft_collapse(
    labelled: Sequence[Evaluated],
    answers: str,
    *,
    over: float = OVER,
    repeated: float = REPEATED,
) -> Finding | None:
    """A few labels too often.

    いくつかのラベルの出しすぎ。

    何を見るか:
        ラベルごとに、正解でないのに答えた行と、正解なのに答えなかった行
        の数を比べます (対応のある検定、ラベル数で補正、1 % 水準)。正解の
        1.5 倍以上出ているラベルを挙げます。1 つの回答の中で同じラベルを
        繰り返していないかも見ます。

    なぜ問題か:
        完全に同じ回答ではないため mode-collapse より気付きにくく、指標も
        下がりにくいのですが、入力と関係のない回答が増えています。

    例:
        正解が 📚🌍🇯🇵😊🎓 の文に 📚📚🎵😊😊 と答え、ほかの文でも 😊 と 📚
        を出し続けた記録があります。

    対処:
        出しすぎのラベルの行を減らすか、ほかのラベルの行を増やします。
        繰り返しには evaluate.decoding.repetition_penalty: 1.2 が効く
        ことがあります。train.loss.class_weights: balanced も試せます。

    What it sees:
        For each label, the rows that it was answered for and is not right against those that it is
        right for and was not answered (a paired test at 1 %, corrected for the number of labels);
        those answered 1.5 times as often as they are right are named. Also whether one answer has
        the same label several times.

    Why it matters:
        It is harder to notice than one answer to everything, and costs less in the metrics, but
        answers that have nothing to do with the input grow.

    For example:
        📚📚🎵😊😊 where 📚🌍🇯🇵😊🎓 was right, and 😊 and 📚 for most other texts too.

    What to do:
        Have fewer rows of these labels, or more of the others. evaluate.decoding.repetition_penalty
        of 1.2 can mend repetitions; train.loss.class_weights: balanced is worth a try.
    """
    if mode_collapse(labelled, answers, {}) is not None:
        return None
    found = _over_generated(labelled, over)
    twice = _repeats(labelled) if answers == "set" else Counter()
    written = sum(e.answer.generated is not None for e in labelled)
    count = twice.pop("", 0)
    often = bool(stats.binom.sf(count - 1, written, repeated) < OVER_CHANCE) if count else False
    if not found and not often:
        return None
    parts = []
    between = text("record.list")
    if found:
        named = between.join(
            text("rules_output.soft-collapse-label", **{**f, "label": excerpt(f["label"])})
            for f in found[:NAMED]
        )
        kinds, n = len(found), len(labelled)
        parts.append(text("rules_output.soft-collapse-over", kinds=kinds, rows=n, named=named))
    if often:
        top = between.join(excerpt(label) for label, _ in twice.most_common(NAMED))
        fields = {"count": count, "total": written, "share": percent(count / written)}
        parts.append(text("rules_output.soft-collapse-repeated", named=top, **fields))
    if found:
        parts.append(text(f"rules_output.soft-collapse-advice-{answers}"))
    if often:
        parts.append(text("rules_output.soft-collapse-advice-repeated"))
    excess = sum(f["answered"] - f["right"] for f in found) / len(labelled)
    return Finding(
        "warning" if excess >= MUCH or often else "info",
        joined(parts),
        {"over": found, "repeated": count, "written": written, "rows": len(labelled)},
    )


def _over_generated(items: Sequence[Evaluated], over: float) -> list[dict[str, Any]]:
    """Labels answered more often than they are right, the most often first.

    McNemar's exact test, one-sided, of each label: were it answered as often as it is right, the
    rows where only one of the two holds would be of either kind with the same chance.
    """
    said = [{answer_key(label): label for label in e.said} for e in items]
    gold = [{answer_key(label): label for label in e.gold} for e in items]
    names = {key: label for one in (*gold, *said) for key, label in one.items()}
    only_said = Counter(key for s, g in zip(said, gold, strict=True) for key in s if key not in g)
    only_gold = Counter(key for s, g in zip(said, gold, strict=True) for key in g if key not in s)
    right = Counter(key for g in gold for key in g)
    limit = tarone_level([0.5 ** (only_said[k] + only_gold[k]) for k in names], OVER_CHANCE)
    found = []
    for key, label in names.items():
        more, less = only_said[key], only_gold[key]
        answered = right[key] - less + more
        p = float(stats.binom.sf(more - 1, more + less, 0.5)) if more else 1.0
        if p <= limit and answered >= over * right[key]:
            found.append({"label": label, "answered": answered, "right": right[key], "p": p})
    return sorted(found, key=lambda one: one["right"] - one["answered"])


def _repeats(items: Sequence[Evaluated]) -> Counter[str]:
    """Labels written more than once in one answer → in how many; under ``""`` all such answers."""
    found: Counter[str] = Counter()
    for e in items:
        known = {answer_key(label) for label in e.said}
        pieces = [
            answer_key(piece)
            for part in _BETWEEN.split(e.answer.generated or "")
            for piece in split_emoji(part)
        ]
        twice = [label for label, n in Counter(pieces).items() if n > 1 and label in known]
        found.update(twice)
        found[""] += bool(twice)
    return found


def turn_collapse(turns: Sequence[Sequence[Evaluated]]) -> Finding | None:
    """The same answer from the third turn on.

    3 ターン目から同じ回答。

    何を見るか:
        3 回以上答える会話で、3 ターン目以降、正解が前のターンと変わった
        のに前と同じ回答をした割合を見ます。最初のターンからほぼ同じ回答
        なら、それは mode-collapse なので、こちらでは知らせません。

    なぜ問題か:
        1 問ずつ試すと正しく動くので、会話で使うまで気付けません。

    例:
        1 ターンの行だけで学習した絵文字モデルは、会話の 3 ターン目から
        同じ絵文字しか返さなくなりました。

    対処:
        途中で答えが変わる会話を学習データに加えます。すぐに使うなら、
        履歴を渡さない (kunren chat --history 0) ようにします。

    What it sees:
        In chats with three or more answers: how often, from the third turn on, the last answer is
        given again although the right one has changed. Where the first turns are all alike too it
        is a mode collapse, which this rule leaves to its own.

    Why it matters:
        Asked one thing at a time the model works, so that only use in a chat shows it.

    For example:
        A model for emoji trained on single turns gave the same emoji from the third turn on.

    What to do:
        Add chats whose answers change to the training rows, or use the model without history
        (kunren chat --history 0).
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
    if first.most_common(1)[0][1] / len(turns) >= ALL:
        return None
    repeated = sum(before.said == now.said for before, now in changed)
    share = repeated / len(changed)
    if share < SHARE:
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
