"""What the data tells: rows that are there more than once, and what the splits share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from kunren.data import audit
from kunren.data.near import Near, NearPair, pairs_of
from kunren.doctor.evidence import Finding, Missing, Severity
from kunren.doctor.rules.wording import SHOWN, alike, asked, joined, places, share
from kunren.messages import text
from kunren.types import Row

Rows = Mapping[str, Sequence[Row]]

COPIES = 0.001
COPIES_MUCH = 0.05
"""Shares of rows that repeat another: worth knowing; and, as one row in twenty then counts at
least double in every epoch, worth a look."""

NEAR = 0.01
NEAR_MUCH = 0.10
"""The same of rows that only nearly repeat another, which people do of themselves: of the five
shipped data sets, written by hand, no row does."""

NOISE = 1.0
"""Leaked test rows as a multiple of the half-width of the test result's 95 % interval, from which
on they alone can make a difference that is no chance."""

SLIGHT = 0.1
"""A tenth of that is not seen in any result."""


def duplicate_rows(rows: Rows, *, few: float = COPIES, many: float = COPIES_MUCH) -> Finding | None:
    """Rows are in the data more than once.

    同じ行が 2 回以上あります。

    何を見るか:
        文と答えの両方が同じ行を数えます。全角と半角、大文字と小文字、空白だけの違いは
        同じとみなします。system プロンプトは比べません。

    なぜ問題か:
        3 回ある行は、1 エポックで 3 回学習されます。件数も実際より多く見えるので、
        「何件で学習したか」「何件で確かめたか」が正しくなくなります。

    例:
        1,000 件と思っていたデータに同じ投稿が 80 件混ざっていて、違う行は 920 件だった。
        教師モデルに同じ指示を繰り返すと、同じ文が何度も返ってきます。

    対処:
        重なりを除いてください。行数と意味が変わるので、自動では除きません。

    What it sees:
        Rows whose text and answer are both the same, but for width, case and spaces. System
        prompts are not compared.

    Why it matters:
        A row that is there three times is trained on three times an epoch, and the number of rows,
        trained on or tested, is smaller than it seems.

    For example:
        Of 1,000 rows 80 were copies: a teacher model that is asked the same again and again
        repeats itself.

    What to do:
        Remove the copies. It is not done by itself, as it changes what the data means.
    """
    everything = audit.everything(rows)
    groups = audit.copies(everything)
    extra = sum(len(group) - 1 for group in groups)
    if not extra or extra < few * len(everything):
        return None
    part = extra / len(everything)
    most = groups[0]
    exact = sum(
        len(group) - len({tuple(m.content for m in row.messages) for row in group})
        for group in groups
    )
    said = text(
        "rules_data.duplicate-rows",
        rows=len(everything),
        extra=extra,
        share=share(part),
        different=len(everything) - extra,
        exact=exact,
        count=len(most),
        text=asked(most[0]),
        places=places(most),
    )
    evidence = {"rows": len(everything), "extra": extra, "exact": exact, "share": part}
    return Finding("warning" if part >= many else "info", said, evidence)


def near_duplicates(rows: Rows, *, few: float = NEAR, many: float = NEAR_MUCH) -> Finding | None:
    """Different rows ask nearly the same.

    ほとんど同じ文の行があります。

    何を見るか:
        絵文字、記号、空白、語尾の「よ」「ね」などを除くと同じになる文と、20 文字以上で
        違いが 1 割以下の文を数えます。全く同じ文は duplicate-rows が数えます。

    なぜ問題か:
        言い回しの種類が件数より少なく、モデルはその型だけを覚えます。学習とテストに
        分かれると、テストは見たことのある文になります (split-leakage)。

    例:
        「{商品} の在庫はありますか」の商品名だけを替えた 300 件は、1 つの文とほぼ同じです。

    対処:
        型から作った行を減らし、違う場面や違う言い方の行に替えてください。

    What it sees:
        Texts that become equal without emoji, punctuation, spaces and final particles, and texts
        of at least 20 characters of which at most a tenth differs. Texts that are the same count
        as duplicate-rows.

    Why it matters:
        There are fewer ways of saying things than rows, and the model learns the pattern. Where
        such rows are on both sides of a split, the test asks what was seen (split-leakage).

    For example:
        300 rows of "is {product} in stock?" with another product each are little more than one.

    What to do:
        Replace rows that fill a pattern by other situations and other ways of saying it.
    """
    everything = audit.everything(rows)
    asks, found = audit.questions(everything), audit.near(everything)
    by_form: dict[int, dict[tuple[str, ...], Row]] = {}
    for row, question, form in zip(everything, asks, found.forms, strict=True):
        by_form.setdefault(form, {}).setdefault(question, row)
    different = len(set(asks))
    count = sum(
        len(group) for form, group in by_form.items() if len(group) > 1 or form in found.like
    )
    if not count or count < few * different:
        return None
    part = count / different
    severe = part >= many
    said = text(
        "rules_data.near-duplicates",
        effect=text(f"rules_data.near-duplicates-{'many' if severe else 'some'}"),
        different=different,
        count=count,
        share=share(part),
        examples=" / ".join(
            text("rules_data.alike", one=one, other=other)
            for pair in _examples(by_form, found)[:2]
            for one, other in [alike(*pair)]
        ),
    )
    evidence = {"different": different, "near": count, "share": part}
    return Finding("warning" if severe else "info", said, evidence)


def _examples(
    by_form: Mapping[int, Mapping[tuple[str, ...], Row]], found: Near
) -> list[tuple[Row, Row]]:
    """Pairs of rows that ask nearly the same, the most alike first."""
    same = [next(pairwise(group.values())) for group in by_form.values() if len(group) > 1]
    linked = [
        (next(iter(by_form[one].values())), next(iter(by_form[other].values())))
        for one, other, _ in found.links[:SHOWN]
    ]
    return [*same, *linked][:SHOWN]


def split_leakage(rows: Rows, *, noise: float = NOISE) -> Finding | None:
    """Test or validation rows are trained on.

    テストや検証の行が、学習データにもあります。

    何を見るか:
        テストと検証の行のうち、学習データに (1) 文も答えも同じ行、(2) 同じ文、
        (3) ほとんど同じ文があるものを数えます。

    なぜ問題か:
        学習した文への答えは、覚えていれば出せます。その分だけ評価は実力より高くなります。
        重なりが、件数から来る誤差 (95 % 区間の半分) より多いと、評価の高さは重なりだけで
        説明できてしまいます。このときテストの結果は使えません (critical)。

    例:
        テスト 100 件の誤差は ±10 ポイントです。12 件が学習データにあれば、正解率 62 % と
        72 % の差は重なりだけで起こります。

    対処:
        テストの側から、重なった行を除いてください。1 つのファイルから分ければ
        (`data.test` を書かない)、同じ文は同じ側に置かれます。

    What it sees:
        Test and validation rows of which the training rows have (1) text and answer, (2) the text,
        (3) nearly the text.

    Why it matters:
        What was trained on can be answered from memory, and the result is better than the model by
        that much. Where more rows leak than the result is uncertain by (half of its 95 % interval),
        leaks alone can explain it: the test result cannot be used (critical).

    For example:
        A result on 100 test rows is uncertain by 10 points. If 12 of them were trained on, that
        alone can be the difference between an accuracy of 62 % and 72 %.

    What to do:
        Take these rows out of the test file. Where one file is split (no `data.test`), the same
        text is kept on one side.
    """
    train = rows.get("train", ())
    held_out = [side for side in ("test", "validation") if rows.get(side)]
    if not train or not held_out:
        raise Missing("sides")
    leaks = {side: found for side in held_out if (found := _leaked(rows, side))["leaked"]}
    if not leaks:
        return None
    half = {side: 0.98 / math.sqrt(one["rows"]) for side, one in leaks.items()}
    reach = {side: leaks[side]["leaked"] / (leaks[side]["rows"] * half[side]) for side in leaks}
    severe = reach.get("test", 0.0) > noise
    severity: Severity = (
        "critical" if severe else "warning" if max(reach.values()) > SLIGHT * noise else "info"
    )
    parts = [
        text(
            "rules_data.split-leakage-side",
            side=text(f"rules_data.side-{side}"),
            **one,
            share=share(one["leaked"] / one["rows"]),
        )
        for side, one in leaks.items()
    ]
    said = text(
        f"rules_data.split-leakage-{'critical' if severe else 'warning'}",
        found=joined(parts),
        half=f"{100 * half['test']:.0f}" if "test" in half else "",
        examples=" / ".join(
            text(
                "rules_data.alike-at",
                one=one,
                at=pair.second.where,
                other=other,
                there=pair.first.where,
            )
            for pair in _pairs(rows, next(iter(leaks)))[:2]
            for one, other in [alike(pair.second, pair.first)]
        ),
    )
    return Finding(severity, said, leaks)


def _pairs(rows: Rows, side: str) -> list[NearPair]:
    """Rows of a side that are near a training row, the most alike first."""
    everything = audit.everything(rows)
    forms = audit.near(everything).forms
    starts = dict(zip(audit.SIDES, _starts(rows), strict=True))
    part = {s: forms[starts[s] : starts[s] + len(rows.get(s, ()))] for s in ("train", side)}
    found = pairs_of(
        audit.near(everything), (rows["train"], part["train"]), (rows[side], part[side])
    )
    return sorted(found, key=lambda pair: -pair.similarity)


def _starts(rows: Rows) -> list[int]:
    lengths = [len(rows.get(side, ())) for side in audit.SIDES]
    return [0, lengths[0], lengths[0] + lengths[1]]


def _leaked(rows: Rows, side: str) -> dict[str, int]:
    """How many rows of a side the training rows have: whole, as a question, nearly."""
    everything = audit.everything(rows)
    asks = audit.questions(everything)
    trained = set(asks[: len(rows["train"])])
    start = _starts(rows)[audit.SIDES.index(side)]
    in_train = {row.id for row in rows["train"]}
    whole = {
        row.id
        for group in audit.copies(everything)
        if any(row.id in in_train for row in group)
        for row in group
    }
    counts = {"rows": len(rows[side]), "whole": 0, "question": 0, "near": 0}
    near = {pair.second.id for pair in _pairs(rows, side)}
    for place, row in enumerate(rows[side], start=start):
        if row.id in whole:
            counts["whole"] += 1
        elif asks[place] in trained:
            counts["question"] += 1
        elif row.id in near:
            counts["near"] += 1
    return counts | {"leaked": counts["whole"] + counts["question"] + counts["near"]}
