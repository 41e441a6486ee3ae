"""What the data tells: whether there are enough rows, of each label, and to test on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from kunren.data import audit
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.wording import counted, joined, share
from kunren.messages import text
from kunren.tasks.filters import Filtered
from kunren.textfile import excerpt
from kunren.types import Item

Items = Mapping[str, Sequence[Item]]

ROWS = {"label": (10, 20), "set": (25, 40)}
"""Rows a label: below the first a warning, below the second a note. Of sets by seed 000's table:
6, 15, 22, 27 and 42 rows an emoji gave a Jaccard of 0.045, 0.066, 0.058, 0.165 and 0.120. Of single
labels seed 002 had 10 and was useful only when stopped in time; seed 004 had 100 rows in all."""

RARE = 5
"""A label with fewer training rows than this is hardly learnt, whatever the average is."""

FEW_ROWS = 100
SOME_ROWS = 200
"""Training rows: kunren is made for 100 and more; up to twice that, what is drawn for training
still makes a visible difference."""

WIDE = 15.0
ROUGH = 10.0
"""Half-width of the 95 % interval of an accuracy near 50 %, in points: with 42 test rows a gain of
15 points, as seed 004's 62 % to 78 %, may be chance; and with 96 rows one of 10 points."""

FOLDS = 5

FILTERED = 0.20
FILTERED_SOME = 0.50
"""Share of rows that label filters leave. In seed 000 21.2 % were left of the 100 most frequent
emoji, and 6.7 % of the 50, a third of what had been expected."""

_GAIN = 0.10
_DISCORDANT = 0.20
"""A gain of 10 points where the systems differ on one row in five: what one hopes to confirm."""


def low_density(
    items: Items, answers: str, config: Mapping[str, Any], *, scale: float = 1.0
) -> Finding | None:
    """There are few rows for each label.

    ラベルの種類に対して、行が足りません。

    何を見るか:
        行数をラベルの種類数で割った数 (件/ラベル)。1 つのラベルを答える課題では 10 件未満で
        warning、20 件未満で info、集合を答える課題では 25 件未満で warning、40 件未満で
        info です。しきい値 `scale` は、これらに掛ける数です。

    なぜ問題か:
        数件しか見たことのないラベルは、覚えられても使い分けられません。件数の多いラベルに
        答えが寄り、種類を増やすほど当たらなくなります。

    例:
        絵文字 1〜5 個の課題での実際の記録です。

        | データ | 件/絵文字 | Jaccard |
        |---|---|---|
        | 5,000 件 | 6 | 0.045 |
        | 20,000 件、1,300 種 | 15 | 0.066 |
        | 2,187 件、100 種 | 22 | 0.058 |
        | 1,337 件、50 種 | 27 | 0.165 |
        | 4,237 件、100 種 | 42 | 0.120 |

        20,000 件のまま学習するより、種類を絞った 1,337 件の方が 2 倍以上よい結果でした。
        種類を絞ると問題もやさしくなるので、差のすべてが件数の効果ではありません。

    対処:
        `task.labels.top` で種類を絞るか、少ないラベルの行を集めてください。絞れば届くときは、
        何種にすればよいかを修正案に書きます。

    What it sees:
        Rows divided by labels. Below 10 (single labels) or 25 (sets) it is a warning, below 20 or
        40 a note; the threshold `scale` multiplies these.

    Why it matters:
        A label seen a few times may be remembered, but not told from others. Answers lean to the
        frequent labels, and each further label makes it worse.

    For example:
        Records of one task, one to five emoji a text: 6 rows an emoji gave a Jaccard of 0.045, 15
        gave 0.066, 22 gave 0.058, 27 gave 0.165 and 42 gave 0.120. The 1,337 rows of the 50 most
        frequent emoji did better than all 20,000 rows with 1,300. Part of that is an easier
        question: fewer labels to choose among.

    What to do:
        Keep fewer labels (`task.labels.top`) or collect rows of the rare ones. Where fewer labels
        would do, the fix says how many.
    """
    if answers == "text":
        raise Missing("labels")
    everything = audit.all_items(items)
    counts = audit.label_counts(everything)
    few, some = (scale * limit for limit in ROWS[answers])
    if not counts or (density := len(everything) / len(counts)) >= some:
        return None
    trained = dict(audit.label_counts(items.get("train", ())))
    rare = [(label, trained.get(label, 0)) for label, _ in counts if trained.get(label, 0) < RARE]
    patch = _narrower(items, config, some)
    said = text(
        f"rules_data.low-density-{answers}",
        rows=len(everything),
        labels=len(counts),
        density=f"{density:.1f}",
        rare=len(rare),
        least=RARE,
    )
    advice = (
        text("rules_data.low-density-collect", top=counted(counts[::-1], 3))
        if patch is None
        else text("rules_data.low-density-top", **patch)
    )
    evidence = {
        "rows": len(everything), "labels": len(counts), "density": density, "rare": len(rare),
    }  # fmt: skip
    fix = None if patch is None else {"set": {"task.labels.top": patch["top"]}}
    return Finding("warning" if density < few else "info", joined((said, advice)), evidence, fix)


def _narrower(items: Items, config: Mapping[str, Any], needed: float) -> dict[str, Any] | None:
    """How many labels ``task.labels.top`` should keep; None where that would not do.

    The filter keeps rows whose labels are all among the most frequent, so what is left of each
    number can be counted. A fifth of the rows must be left, as in seed 000, and no label may stay
    that is rare all the same.
    """
    labels = config.get("task", {}).get("labels", {})
    if labels.get("top") or labels.get("allow") or (labels.get("min_rows") or 1) > 1:
        return None
    if any(config.get("data", {}).get(side) for side in ("validation", "test")):
        return None
    rows: dict[str, set[str]] = {}
    size: dict[str, int] = {}
    for item in audit.all_items(items):
        rows.setdefault(item.row_id, set()).update(item.labels)
        size[item.row_id] = size.get(item.row_id, 0) + 1
    frequent: dict[str, int] = {}
    for found in rows.values():
        for label in found:
            frequent[label] = frequent.get(label, 0) + 1
    order = sorted(frequent, key=lambda label: (-frequent[label], label))
    rank = {label: place for place, label in enumerate(order, start=1)}
    left = [0] * (len(order) + 1)
    for row, found in rows.items():
        left[max((rank[label] for label in found), default=0)] += size[row]
    total, kept, best = sum(size.values()), left[0], None
    for top in range(1, len(order)):
        kept += left[top]
        enough = kept >= max(needed * top, FILTERED * total)
        if top >= 2 and enough and frequent[order[top - 1]] >= RARE:
            best = {"top": top, "rows": kept, "share": share(kept / total),
                    "density": f"{kept / top:.0f}"}  # fmt: skip
    return best


def few_rows(items: Items, *, few: float = FEW_ROWS, some: float = SOME_ROWS) -> Finding | None:
    """There are few rows to train on.

    学習データが少なすぎます。

    何を見るか:
        学習に使う答えの数 (会話では 1 つの返答を 1 つと数えます)。

    なぜ問題か:
        少ないほど、どの行が学習に入ったかとシードで結果が変わります。1 回の学習の良し悪しは、
        設定の良し悪しとは言えません。

    例:
        133 件の社内 QA では 3 エポックでも事実を覚えられず、25 種の絵文字に 200 件では
        エポック 2 から過学習になりました。

    対処:
        行を増やしてください。増やせないときは `evaluate.seeds: [42, 43, 44]` で何回か学習し、
        エポックごとの検証で止め (既定)、`tuning.kind: lora` も試してください。

    What it sees:
        The number of training answers (in a chat, each turn of the assistant is one).

    Why it matters:
        The fewer there are, the more depends on which rows were drawn and on the seed: one
        training says little of a setting.

    For example:
        133 company questions did not teach the facts in three epochs; 200 rows for 25 emoji overfit
        from epoch 2 on.

    What to do:
        Add rows. Otherwise train several times (`evaluate.seeds: [42, 43, 44]`), keep early
        stopping (the default), and try `tuning.kind: lora`.
    """
    count = len(items.get("train", ()))
    if count >= some:
        return None
    kind = "few" if count < few else "some"
    said = text(f"rules_data.few-rows-{kind}", count=count)
    return Finding("warning" if kind == "few" else "info", said, {"train": count})


def small_test(
    items: Items,
    answers: str,
    config: Mapping[str, Any],
    *,
    wide: float = WIDE,
    rough: float = ROUGH,
) -> Finding | None:
    """The test rows will not tell a small difference.

    テストの行が少なく、小さな差を確かめられません。

    何を見るか:
        テストの答えの数 n から決まる、正解率の 95 % 区間の幅。正解率 50 % で
        ±98/√n ポイントです。0 から 1 の値の平均 (Jaccard、chrF など) の区間も、これより広くは
        なりません。学習する前に分かります。

    なぜ問題か:
        区間より小さい改善は、あっても言えません。学習してから気づくと、全部やり直しです。

    例:
        テスト 25 件では ±20 ポイント、100 件で ±10、400 件で ±5。5 件に 1 件で答えが
        変わるとき、10 ポイントの改善を確かめるには 160 件ほど要ります。

    対処:
        `evaluate.cv: 5` にすると、5 回の学習ですべての行を 1 回ずつテストに使えます。
        学習を 1 回で済ませるなら、`data.split` でテストの割合を増やすか、`data.test` に
        行を足してください。

    What it sees:
        The 95 % interval of an accuracy on so many test answers: 98 / √n points either way at an
        accuracy of 50 %. That of any mean of values from 0 to 1 (Jaccard, chrF) is no wider. It is
        known before training.

    Why it matters:
        A gain smaller than that may be there and cannot be claimed. Noticed afterwards, everything
        has to be done again.

    For example:
        25 test rows: 20 points either way; 100: 10; 400: 5. To confirm a gain of 10 points where
        one answer in five changes takes some 160 rows.

    What to do:
        With `evaluate.cv: 5` five trainings test every row once. With one training: a larger test
        share (`data.split`), or more rows in `data.test`.
    """
    folds = config.get("evaluate", {}).get("cv")
    files = config.get("data", {})
    own = [side for side in ("validation", "test") if files.get(side) is not None]
    pooled = sum(len(found) for side, found in items.items() if side not in own)
    count = pooled if folds else len(items.get("test", ()))
    if not count:
        raise Missing("sides")
    half = 98 / math.sqrt(count)
    if half < rough:
        return None
    can = not folds and "test" not in own
    by_folds = 98 / math.sqrt(pooled)
    said = [
        text(
            f"rules_data.small-test-{answers}",
            rows=count,
            half=f"{half:.0f}",
            needed=_rows_needed(),
        ),
        text(
            f"rules_data.small-test-{'folds' if can else 'more'}",
            pooled=pooled,
            folds=FOLDS,
            half=f"{by_folds:.0f}",
        ),
    ]
    fix = {"set": {"evaluate.cv": FOLDS}} if can and by_folds < rough else None
    evidence = {"rows": count, "half_width": half / 100, "all_rows": pooled}
    return Finding("warning" if half >= wide else "info", joined(said), evidence, fix)


def _rows_needed() -> int:
    """Rows that confirm such a gain at 5 % with 80 % power: Connor 1987 (Biometrics 43:207)."""
    reach = 1.96 * math.sqrt(_DISCORDANT) + 0.8416 * math.sqrt(_DISCORDANT - _GAIN**2)
    return 10 * math.ceil((reach / _GAIN) ** 2 / 10)


def low_filter_rate(
    filtered: Filtered, *, few: float = FILTERED, some: float = FILTERED_SOME
) -> Finding | None:
    """The label filters leave few of the rows.

    ラベルの絞り込みで、ほとんどの行が捨てられています。

    何を見るか:
        `task.labels` の ban、allow、top、min_rows で残った行の割合と、一番多く捨てた条件。

    なぜ問題か:
        集めるのにかけた手間と費用の大半が使われていません。残った行は、よくあるラベルだけの
        やさしい行に偏ります。「精度が上がった」のは、問題がやさしくなったからかもしれません。

    例:
        20,000 件を上位 50 種の絵文字に絞ると 1,337 件 (6.7 %) になり、期待の 1/3 でした。
        1 行に 5 個ある絵文字の 1 つでも外れると、その行は使われません。

    対処:
        行を作り直せるなら、使うラベルだけで作ってください (教師モデルへの指示にラベルの
        一覧を書く)。1 つだけ多いラベルを除くには、top ではなく `task.labels.ban` を使います。
        集合の課題の ban は、行ではなくラベルだけを除きます。

    What it sees:
        The share of rows that ban, allow, top and min_rows in `task.labels` leave, and which of
        them takes most.

    Why it matters:
        Most of the work that went into the data is not used. What is left are the easy rows with
        frequent labels only: a better score may come from an easier question.

    For example:
        Of 20,000 rows 1,337 (6.7 %) were left with the 50 most frequent emoji, a third of what was
        expected: one rare emoji out of five takes the whole row.

    What to do:
        Where rows can be made again, ask for the labels you use (list them in the teacher's
        prompt). Against one label that is too frequent use `task.labels.ban`, which takes only the
        label out of a set, not the row.
    """
    if not filtered.steps or filtered.kept >= some:
        return None
    before = [filtered.before, *(step.rows for step in filtered.steps)]
    lost = [a - b for a, b in pairwise(before)]
    step = filtered.steps[max(range(len(lost)), key=lost.__getitem__)]
    setting = step.setting
    shown = " ".join(map(str, setting)) if isinstance(setting, list) else str(setting)
    said = text(
        "rules_data.low-filter-rate",
        before=filtered.before,
        rows=len(filtered.rows),
        kept=share(filtered.kept),
        labels_before=filtered.labels_before,
        labels=len(filtered.rows_per_label),
        filter=f"{step.name}: {excerpt(shown)}",
        lost=max(lost),
    )
    evidence = {"before": filtered.before, "rows": len(filtered.rows), "kept": filtered.kept}
    return Finding("warning" if filtered.kept < few else "info", said, evidence)
