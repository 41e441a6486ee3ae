"""What the data tells: training and test rows that are not of one kind."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from kunren.data import audit
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.wording import counted, joined, listed, share
from kunren.messages import text
from kunren.textfile import excerpt
from kunren.types import Item

Items = Mapping[str, Sequence[Item]]

APART = 0.10
"""Share of the labels that would have to change for the sides to be alike (total variation), beyond
what sampling gives: one label in ten is another question."""

LENGTHS = 0.20
"""Largest distance of the two cumulative distributions of lengths (Kolmogorov-Smirnov)."""

CHANCE = 0.001
"""A split by chance differs as much in less than one of a thousand."""

UNSEEN = 0.05
"""Share of test items that no prediction can get right."""

_DRAWS = 1999
_FEW = 20
_SEED = 0

_Counts = npt.NDArray[np.int64]


def split_shift(
    items: Items,
    answers: str,
    *,
    apart: float = APART,
    lengths: float = LENGTHS,
    chance: float = CHANCE,
) -> Finding | None:
    """Training and test rows are of different kinds.

    学習データとテストで、中身の傾向が違います。

    何を見るか:
        ラベルの割合の違い (テストを無作為に選び直したときにどれだけ違うかと比べる
        並べ替え検定) と、文の長さの違い (Kolmogorov-Smirnov 検定)。偶然では
        1,000 回に 1 回もなく、しかも違いが大きいときだけ知らせます。

    なぜ問題か:
        テストの値は、学習がうまくいったかと、傾向の違いへの強さの両方で決まり、
        分けて読めません。使う場面に近いのがテストの方なら、学習データの作り方の
        問題です。

    例:
        学習データは「国内」の見出しが 7 割、テストは「国際」が 6 割。学習は教師モデルが
        書いた 60 字の文、テストは人が書いた 15 字の文。

    対処:
        どちらが使う場面に近いかを確かめ、学習データをそれに合わせてください。意図した
        違いなら、似た傾向のテスト (`data.split`) の値も並べて読んでください。

    What it sees:
        Shares of labels, against what drawing the test rows at random would give (a permutation
        test), and lengths of texts (Kolmogorov-Smirnov). It is told only where chance gives less
        than one in a thousand and the difference is large.

    Why it matters:
        The test score then mixes how well training went with how well the model bears the change.
        If the test rows are as those in use, it is the training rows that are wrong.

    For example:
        70 % of the training headlines are domestic, 60 % of the test headlines foreign; or training
        texts of 60 characters were written by a teacher, test texts of 15 by people.

    What to do:
        See which of them is like the texts in use, and make the training rows like that. If it is
        meant so, look at a test of the same kind (`data.split`) as well.
    """
    train, test = items.get("train", ()), items.get("test", ())
    if not train or not test:
        raise Missing("sides")
    if min(len(train), len(test)) < _FEW:
        return None
    parts, evidence = [], dict[str, object]()
    if answers != "text" and (found := _labels_apart(train, test, apart, chance)) is not None:
        parts.append(text("rules_data.split-shift-labels", **found))
        evidence["labels"] = found["distance"]
    everything = audit.all_items(items)
    said = audit.inputs(everything)
    of_train = np.array([len(one) for one in said[: len(train)]])
    of_test = np.array([len(one) for one in said[len(said) - len(test) :]])
    distance, p, at = _ks(of_train, of_test)
    if distance >= lengths and p < chance:
        below = [float((one <= at).mean()) for one in (of_train, of_test)]
        shown = {"at": at, "train": share(below[0]), "test": share(below[1])}
        parts.append(text("rules_data.split-shift-lengths", **shown))
        medians = [int(np.median(one)) for one in (of_train, of_test)]
        evidence |= {"lengths": distance, "at": at, "median_lengths": medians}
    if not parts:
        return None
    message = text("rules_data.split-shift", found=joined(parts), test=len(test))
    return Finding("warning", message, evidence)


def _labels_apart(
    train: Sequence[Item], test: Sequence[Item], apart: float, chance: float
) -> dict[str, object] | None:
    """How far the labels of two sides are apart, if more than chance would have it.

    Rows are what is drawn, not the turns of a chat: these are not independent.
    """
    rows = [_by_row(side) for side in (train, test)]
    names = {label: n for n, label in enumerate(sorted({la for s in rows for r in s for la in r}))}
    owner = np.repeat(
        np.arange(sum(map(len, rows))), [len(labels) for side in rows for labels in side]
    )
    label = np.array([names[la] for side in rows for labels in side for la in labels])
    size, k, n_test = sum(map(len, rows)), len(names), len(rows[1])
    whole = np.bincount(label, minlength=k)

    def distance(tested: npt.NDArray[np.bool_]) -> float:
        of_test: _Counts = np.bincount(label[tested[owner]], minlength=k)
        of_train = whole - of_test
        return float(np.abs(of_test / of_test.sum() - of_train / of_train.sum()).sum() / 2)

    observed = distance(np.arange(size) >= size - n_test)
    if observed < apart:
        return None
    rng = np.random.default_rng(_SEED)
    draws = [distance(rng.permutation(size) >= size - n_test) for _ in range(_draws(len(label)))]
    expected = float(np.mean(draws))
    p = (1 + sum(one >= observed for one in draws)) / (1 + len(draws))
    # Where few draws are affordable, their spread has to tell.
    z = (observed - expected) / (float(np.std(draws)) or 1e-9)
    if observed - expected < apart or (p >= chance and z < 5):
        return None
    shares = [Counter(la for r in side for la in r) for side in rows]
    totals = [one.total() for one in shares]
    gap = {la: shares[1][la] / totals[1] - shares[0][la] / totals[0] for la in names}
    most = sorted(gap, key=lambda la: (-abs(gap[la]), la))[:3]
    shown = listed(
        f"{excerpt(la)} {share(shares[0][la] / totals[0])} → {share(shares[1][la] / totals[1])}"
        for la in most
    )
    return {
        "distance": observed,
        "part": share(observed),
        "expected": share(expected),
        "top": shown,
    }


def _by_row(items: Sequence[Item]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for item in items:
        found.setdefault(item.row_id, []).extend(item.labels or (text("doctor.none"),))
    return list(found.values())


def _draws(labels: int) -> int:
    """Fewer draws of many rows: there chance makes little difference."""
    return max(99, min(_DRAWS, 20_000_000 // max(1, labels)))


def _ks(a: _Counts, b: _Counts) -> tuple[float, float, int]:
    """The two-sample Kolmogorov-Smirnov distance, its p value (Stephens 1970), and where it is."""
    points = np.union1d(a, b)
    cdf = [np.searchsorted(np.sort(one), points, side="right") / len(one) for one in (a, b)]
    apart = np.abs(cdf[0] - cdf[1])
    distance, at = float(apart.max()), int(points[apart.argmax()])
    root = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    scaled = (root + 0.12 + 0.11 / root) * distance
    terms = [2 * (-1) ** (n - 1) * math.exp(-2 * (n * scaled) ** 2) for n in range(1, 101)]
    return distance, min(1.0, max(0.0, sum(terms))) if scaled > 0.2 else 1.0, at


def unseen_labels(
    items: Items, labels: Sequence[str], answers: str, *, many: float = UNSEEN
) -> Finding | None:
    """Test rows have labels that are not trained.

    学習データにないラベルが、テストや検証にあります。

    何を見るか:
        テストと検証の答えのうち、学習データに一度も出ないラベルがあるもの。

    なぜ問題か:
        モデルは学習データにあるラベルからしか選べないので、必ず外れます。その割合が、
        評価の上限を下げます。

    例:
        絵文字 200 種を 400 件から 8 : 1 : 1 に分けると、1、2 件しかない絵文字は
        どれかの側にしか入りません。

    対処:
        `task.labels.min_rows` でまれなラベルの行を除くか、その行を集めてください。
        ファイルを分けているときは、ラベルの書き方がそろっているかも確かめてください。

    What it sees:
        Test and validation answers with a label that no training row has.

    Why it matters:
        The model chooses among the labels that it was trained on, so these are always wrong, and
        the best possible score is that much lower.

    For example:
        Of 200 emoji in 400 rows, many come once or twice and are on one side of the split only.

    What to do:
        Leave rare labels out (`task.labels.min_rows`) or collect rows of them. With files of your
        own, see whether labels are written the same way in each.
    """
    if answers == "text":
        raise Missing("labels")
    held_out = {side: items[side] for side in ("test", "validation") if items.get(side)}
    if not held_out:
        raise Missing("sides")
    known = set(labels)
    missed = {
        side: [item for item in some if not known.issuperset(item.labels)]
        for side, some in held_out.items()
    }
    if not any(missed.values()):
        return None
    names = Counter(
        label for some in missed.values() for i in some for label in i.labels if label not in known
    )
    sides = [
        text(
            "rules_data.unseen-labels-side",
            side=text(f"rules_data.side-{side}"),
            count=len(missed[side]),
            total=len(some),
            share=share(len(missed[side]) / len(some)),
        )
        for side, some in held_out.items()
        if missed[side]
    ]
    said = text(
        f"rules_data.unseen-labels-{answers}",
        found=text("rules_data.between").join(sides),
        labels=len(names),
        top=counted(names.most_common()),
    )
    evidence = {
        side: {"items": len(held_out[side]), "unseen": len(missed[side])} for side in missed
    }
    severe = len(missed.get("test", ())) >= many * max(1, len(held_out.get("test", ())))
    return Finding("warning" if severe and missed.get("test") else "info", said, evidence)
