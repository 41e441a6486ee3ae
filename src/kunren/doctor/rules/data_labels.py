"""What the data tells: labels that contradict, dominate, are too even, or are written two ways."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

from kunren.data import audit
from kunren.data.emoji import is_emoji, merge_skin_tones
from kunren.data.normalize import normalize
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.wording import SHOWN, counted, ids, quoted, share
from kunren.messages import text
from kunren.textfile import excerpt
from kunren.types import Item

Items = Mapping[str, Sequence[Item]]

CONFLICTS = 0.05
"""Share of items that no model can answer right, from which on it costs more than most settings
gain."""

RATIO = 3.0
"""First label over second. Natural frequencies fall as 1, 1/2, 1/3, … (Zipf 1949), so 2 is usual;
in seed 001 it was 4.5, and every training ended in that one label."""

ZIPF = 2.0
"""What the ratio must exceed beyond chance (one-sided 95 % bound of the log ratio)."""

LIFT = 3.0
"""The first label's share as a multiple of an even one, 1 / number of labels."""

DOMINANT = 0.10
"""The first label's share of all labels, below which answering it always gains little."""

MAJORITY = 0.80
"""Share of items from which on answering the first label always looks like a good result."""

TOO_EVEN = 0.001
"""Chance of counts as even as this, were every label equally frequent, from which on somebody has
made them so."""

FEW = 5
"""Rows a label, below which labels that came by chance are all about as rare."""

_KATAKANA = {n: n - 0x60 for n in range(ord("ァ"), ord("ヶ") + 1)}
_AROUND = re.compile(
    r"^[\s。、．，.,!！?？:：;；「」『』\"'()（）【】\[\]]+|[\s。、．，.,!！?？:：;；「」『』\"'()（）【】\[\]]+$"
)
_SPACE = re.compile(r"\s+")


def conflicting_labels(items: Items, answers: str, *, many: float = CONFLICTS) -> Finding | None:
    """The same text has different labels.

    同じ文に、違うラベルが付いています。

    何を見るか:
        文 (会話ではそれまでのやり取りも) が同じで、ラベルが違うものを数えます。
        ラベルの集合では、共通のラベルが 1 つもないものだけを数えます。

    なぜ問題か:
        どちらを答えても片方は外れます。学習は両方に引かれ、正解率はどのモデルでも
        100 % になりません。

    例:
        「まじか」が 😲 に 3 件、😭 に 2 件なら、この 5 件で当てられるのは 3 件までです。

    対処:
        どちらが正しいか決めてそろえてください。どちらも正しいなら、`task.kind: tag` で
        両方を答えにするか、文に状況を書き足してください。

    What it sees:
        Items whose text (in a chat, with all that was said before) is the same and whose labels
        differ. Sets count only where they have no label in common.

    Why it matters:
        Whatever is answered, one of them is wrong. Training is pulled both ways, and no model
        reaches 100 %.

    For example:
        If "まじか" is 😲 three times and 😭 twice, at most 3 of these 5 can be right.

    What to do:
        Decide which is right. Where both are, make both the answer (`task.kind: tag`), or write
        into the text what tells them apart.
    """
    if answers == "text":
        raise Missing("labels")
    asked: dict[tuple[str, ...], list[Item]] = {}
    for item in audit.all_items(items):
        asked.setdefault(audit.asked(item.context), []).append(item)
    groups = [group for group in asked.values() if len(group) > 1 and _conflict(group)]
    if not groups:
        return None
    total = sum(map(len, asked.values()))
    wrong = sum(len(group) - _most(group) for group in groups)
    groups.sort(key=len, reverse=True)
    said = text(
        f"rules_data.conflicting-labels-{answers}",
        count=sum(map(len, groups)),
        texts=len(groups),
        total=total,
        best=share(1 - wrong / total),
        examples=" / ".join(
            f"{quoted([group[0].text])} → {counted(_said(group).most_common())}"
            for group in groups[:SHOWN]
        ),
        ids=ids(groups[0]),
    )
    evidence = {"texts": len(groups), "items": sum(map(len, groups)), "unreachable": wrong / total}
    return Finding("warning" if wrong / total >= many else "info", said, evidence)


def _said(group: Sequence[Item]) -> Counter[str]:
    return Counter("".join(item.labels) or text("doctor.none") for item in group)


def _most(group: Sequence[Item]) -> int:
    """How many of them one answer can satisfy: in sets, by the label that most of them have."""
    return max(Counter(la for item in group for la in set(item.labels) or {""}).values())


def _conflict(group: Sequence[Item]) -> bool:
    first, *others = (set(item.labels) for item in group)
    return any(one != first for one in others) and not first.intersection(*others)


def dominant_label(
    items: Items,
    answers: str,
    config: Mapping[str, Any],
    *,
    ratio: float = RATIO,
    lift: float = LIFT,
    least: float = DOMINANT,
    majority: float = MAJORITY,
) -> Finding | None:
    """One label dominates the training rows.

    1 つのラベルに偏っています。

    何を見るか:
        学習データで最も多いラベルの割合と、2 番目に多いラベルとの比。自然な偏りでも
        2 倍ほどにはなる (Zipf の法則) ので、件数からみて 2 倍を確実に超え、かつ 3 倍以上で、
        均等なときの 3 倍以上の割合を占めるときに知らせます。2、3 種しかないときは、常に
        それを答えても 8 割当たる場合です。

    なぜ問題か:
        いつもそのラベルを答えるのが、損失を下げる一番の近道になります。学習率や
        エポック数を変えても直りません。

    例:
        1,000 件、296 種の絵文字のうち ✨ が 18.6 % で、2 位の 📚 (4.1 %) の 4.5 倍。
        5 回学習し直しても、どの文にも ✨ を返すモデルになりました (Jaccard 0.17)。

    対処:
        集合の課題では `task.labels.ban` で除きます。ラベルが 1 つの課題では
        `train.loss.class_weights: balanced` で、多いラベルの重みを下げます。少ないラベルの
        行を増やすのが一番です。

    What it sees:
        The share of the commonest label of the training rows, and its ratio to the second. As a
        ratio of 2 is natural (Zipf's law), it is told where the ratio is above 2 beyond chance and
        at least 3, and the share three times an even one. With two or three labels: where
        answering the commonest always is right in 8 of 10.

    Why it matters:
        Answering that label always is the shortest way to a low loss. Neither the learning rate nor
        more epochs change that.

    For example:
        1,000 rows with 296 emoji, of which ✨ is 18.6 %, 4.5 times as many as the second. After
        five trainings the model still answered ✨ to everything (Jaccard 0.17).

    What to do:
        Of sets, take it out with `task.labels.ban`. Of single labels, let it count less with
        `train.loss.class_weights: balanced`. Best are more rows of the other labels.
    """
    if answers == "text":
        raise Missing("labels")
    train = items.get("train", ())
    counts = audit.label_counts(train)
    if len(counts) < 2:
        return None
    limits = (ratio, lift, least, majority)
    heavy = _dominating(counts, len(train), limits)
    if not heavy or _weighted(config, answers):
        return None
    (label, first), (_, second) = counts[:2]
    part = first / sum(count for _, count in counts)
    banned = [*(config.get("task", {}).get("labels", {}).get("ban") or ()), *heavy]
    single = answers == "label"
    change: dict[str, object] = (
        {"train.loss.class_weights": "balanced"} if single else {"task.labels.ban": banned}
    )
    said = text(
        f"rules_data.dominant-label-{answers}",
        label=excerpt(label),
        share=share(part),
        rows=share(first / len(train)),
        ratio=f"{first / second:.1f}",
        labels=len(counts),
        even=share(1 / len(counts)),
        top=counted(counts),
    )
    evidence = {
        "label": label, "count": first, "share": part, "share_of_rows": first / len(train),
        "ratio": first / second, "labels": len(counts), "rows": len(train),
    }  # fmt: skip
    return Finding("warning", said, evidence, {"set": change})


def _dominating(
    counts: Sequence[tuple[str, int]], rows: int, limits: tuple[float, float, float, float]
) -> list[str]:
    """The first label if it dominates, and each that would dominate without those before it."""
    ratio, lift, least, majority = limits
    found: list[str] = []
    while len(counts) >= 2:
        (label, first), (_, second) = counts[:2]
        part = first / sum(count for _, count in counts)
        surely = math.log(first / second) - 1.645 * math.sqrt(1 / first + 1 / second)
        heavy = part >= max(least, lift / len(counts)) or first / rows >= majority
        if first / second < ratio or surely <= math.log(ZIPF) or not heavy:
            break
        found.append(label)
        counts = counts[1:]
    return found


def _weighted(config: Mapping[str, Any], answers: str) -> bool:
    """Whether the loss already counts a frequent label less."""
    weights = config.get("train", {}).get("loss", {}).get("class_weights")
    return answers == "label" and weights is not None


def even_labels(items: Items, answers: str, *, chance: float = TOO_EVEN) -> Finding | None:
    """All labels are equally frequent: the distribution is made.

    ラベルの件数がそろいすぎています。

    何を見るか:
        ラベルごとの件数 (学習、検証、テストの合計)。どのラベルも本当に同じ割合で現れると
        しても、集めただけでこれほどそろうことは 1,000 回に 1 回もないときに知らせます。

    なぜ問題か:
        学習には都合がよくても、実際の割合とは違います。テストも同じ割合なので、
        「正解率」は実際に使うときの正解率ではありません。実際に多いラベルの誤りが
        軽く、少ないラベルの誤りが重く数えられます。

    例:
        25 種の絵文字に 10 件ずつ、250 件。実際の投稿では 😂 が多く、🤢 はまれです。

    対処:
        使う場面で集めた、割合を整えていない行をテスト (`data.test`) にしてください。

    What it sees:
        How many rows each label has, over all sides. It is told where counts as even as these would
        come by in less than one of a thousand collections, even if every label were equally
        frequent.

    Why it matters:
        Good for training, but not how labels occur. The test rows are as even, so their accuracy is
        not the one you will see in use.

    For example:
        250 rows, ten for each of 25 emoji. In real posts 😂 is frequent and 🤢 rare.

    What to do:
        Test on rows as they occur in use (`data.test`), not evened out.
    """
    if answers != "label":
        raise Missing("single-label")
    counts = audit.label_counts(audit.all_items(items))
    numbers = [count for _, count in counts]
    if len(numbers) < 2 or _chance_of_even(numbers) >= chance:
        return None
    least, most = min(numbers), max(numbers)
    said = text(
        "rules_data.even-labels",
        labels=len(numbers),
        each=f"{least}" if least == most else f"{least}〜{most}",
        each_en=f"{least}" if least == most else f"{least} to {most}",
    )
    evidence = {"labels": len(numbers), "least": least, "most": most, "n": sum(numbers)}
    return Finding("info", said, evidence)


def _chance_of_even(counts: Sequence[int]) -> float:
    """How probable counts as even as these are if labels are drawn with equal chances.

    For counts that differ by one at most: the multinomial probability of all such outcomes. For
    others: Pearson's dispersion, by Wilson & Hilferty's (1931) normal form of chi-square, where
    there are labels enough for that.
    """
    n, k = sum(counts), len(counts)
    low, more = divmod(n, k)
    if low < FEW:
        return 1.0
    if max(counts) - min(counts) <= 1:
        log = math.lgamma(n + 1) - n * math.log(k) - sum(math.lgamma(c + 1) for c in counts)
        log += math.lgamma(k + 1) - math.lgamma(more + 1) - math.lgamma(k - more + 1)
        return math.exp(min(0.0, log))
    if k < 10:
        return 1.0
    spread = sum((c - n / k) ** 2 for c in counts) * k / n
    part = 2 / (9 * (k - 1))
    return NormalDist().cdf(((spread / (k - 1)) ** (1 / 3) - 1 + part) / math.sqrt(part))


def label_variants(items: Items, answers: str, config: Mapping[str, Any]) -> Finding | None:
    """One label is written in several ways.

    同じラベルが、いくつかの書き方で入っています。

    何を見るか:
        肌の色だけが違う絵文字 (👍 と 👍🏻)、空白や前後の記号、ひらがなとカタカナだけが
        違うラベル。意味の近い言葉 (「喜び」と「嬉しさ」) は見ません。

    なぜ問題か:
        モデルには別のラベルです。件数が分かれて学習が薄くなり、どちらで答えるかは
        くじ引きになります。

    例:
        「お問い合わせ」30 件と「お問い合わせ。」2 件。👏 40 件と 👏🏻 12 件。

    対処:
        1 つにそろえてください。肌の色は `task.labels.merge_skin_tones: true` でまとめられます。

    What it sees:
        Emoji that differ by skin tone alone (👍 and 👍🏻), and labels that differ only by spaces,
        punctuation around them, or hiragana and katakana. Synonyms are not looked for.

    Why it matters:
        To the model they are different labels: each has fewer rows, and which one it answers is a
        lottery.

    For example:
        "お問い合わせ" 30 times and "お問い合わせ。" twice; 👏 40 times and 👏🏻 12 times.

    What to do:
        Write each label one way. Skin tones are merged by `task.labels.merge_skin_tones: true`.
    """
    if answers == "text":
        raise Missing("labels")
    forms: dict[str, list[tuple[str, int]]] = {}
    for label, count in audit.label_counts(audit.all_items(items)):
        forms.setdefault(_label_form(label), []).append((label, count))
    groups = [group for group in forms.values() if len(group) > 1]
    if not groups:
        return None
    rare = sum(count for group in groups for _, count in group[1:])
    tones = all(is_emoji(label) for group in groups for label, _ in group)
    said = text(
        f"rules_data.label-variants-{'tones' if tones else 'written'}",
        groups=len(groups),
        rare=rare,
        examples=" / ".join(counted(group) for group in groups[:SHOWN]),
    )
    evidence = {"groups": [[label for label, _ in group] for group in groups], "rows": rare}
    emoji = config.get("task", {}).get("labels", {}).get("kind") == "emoji"
    fix = {"set": {"task.labels.merge_skin_tones": True}} if tones and emoji else None
    return Finding("warning", said, evidence, fix)


def _label_form(label: str) -> str:
    """What labels that are the same have in common."""
    if is_emoji(label):
        return merge_skin_tones(label)
    seen = unicodedata.normalize("NFKC", _SPACE.sub("", normalize(label)))
    return _AROUND.sub("", seen).translate(_KATAKANA) or label
