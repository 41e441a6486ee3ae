"""What the errors have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.analysis import short_inputs as lengths
from kunren.analysis import shortcuts as misleading
from kunren.analysis.confusions import confusions
from kunren.doctor.evidence import Evaluated, Finding, Missing
from kunren.evaluation.told import p_value, percent
from kunren.messages import text
from kunren.textfile import excerpt

CHANCE = 0.01
"""Chance of any false finding among all that a rule tries."""

NAMED = 3
"""Pairs, words or examples that a message names."""

FEW_ERRORS = 5
"""Fewer errors have nothing in common."""

FEW_ROWS = 20
"""Fewer rows do not show what errors depend on."""

GAP = 0.1
"""How much worse short inputs are answered, as a share of the best score, to be worth a word."""

WIDE_GAP = 0.3
"""From here on it is worth a look before the model is used on short inputs."""


def confusable_labels(single: Sequence[Evaluated], *, chance: float = CHANCE) -> Finding | None:
    """Labels that are taken for each other.

    互いに取り違えられるラベル。

    何を見るか:
        2 つのラベルの間の間違いが、偶然の割り振り (間違いが、モデルの
        出しやすいラベルへその割合で落ちるとした場合) より多い組を、
        二項検定で探します。組の数で補正した 1 % 水準です。

    なぜ問題か:
        境界が曖昧なラベルは、行を増やしても当たるようになりません。
        人が付けたラベル自体が揺れていることもよくあります。

    例:
        ニュースの見出しで、「政治」「経済」「国際」の境界が曖昧でした。
        「円安が進行、外務省がコメント」(経済) を国際とするなどです。

    対処:
        その組の行を並べて読み、付け方の基準を決めて付け直します。区別
        が要らなければ 1 つのラベルにまとめます。要るなら、違いのはっき
        りした行を両方に足してください。

    What it sees:
        Pairs of labels with more errors between them than if errors fell on labels as often as
        the model gives these: a binomial test at 1 %, corrected for the number of pairs.

    Why it matters:
        More rows do not mend a boundary that is not clear, and often the labels that people gave
        waver too.

    For example:
        With headlines, 政治, 経済 and 国際 had unclear boundaries: 「円安が進行、外務省が
        コメント」 (経済) was taken for 国際.

    What to do:
        Read the rows of the pair side by side, decide on a criterion and label them again. Merge
        the two where the difference is not needed; where it is, add clear rows to both.
    """
    gold, said = [e.gold[0] for e in single], [_first(e) for e in single]
    wrong = sum(g != s for g, s in zip(gold, said, strict=True))
    pairs = confusions(gold, said, chance) if wrong >= FEW_ERRORS else []
    if not pairs:
        return None
    share = sum(pair.count for pair in pairs) / wrong
    named = text("record.list").join(
        text(
            "rules_output.confusable-pair",
            a=excerpt(pair.labels[0]),
            b=excerpt(pair.labels[1]),
            count=pair.count,
            there=pair.there,
            back=pair.back,
            expected=f"{pair.expected:.1f}",
        )
        for pair in pairs[:NAMED]
    )
    a, b = pairs[0].labels
    rows = [e.row for e in single if (e.gold[0], _first(e)) == (a, b)]
    fields: dict[str, object] = {"wrong": wrong, "share": percent(share), "named": named}
    example = excerpt(rows[0].text, 40)
    return Finding(
        "info",
        text(
            "rules_output.confusable-labels", a=excerpt(a), b=excerpt(b), example=example, **fields
        ),
        {
            "errors": wrong,
            "pairs": [
                {"labels": list(p.labels), "count": p.count, "expected": p.expected, "p": p.p}
                for p in pairs
            ],
        },
    )


def short_input_errors(
    tuned: Sequence[Evaluated],
    answers: str,
    settings: Mapping[str, Any],
    *,
    chance: float = CHANCE,
    gap: float = GAP,
) -> Finding | None:
    """Short inputs are answered worse.

    短い入力での間違い。

    何を見るか:
        入力の文字数と回答の点数の順位相関を、正解のラベルの中で検定
        します (van Elteren 検定、片側 1 %)。短いほうの 3 分の 1 の点数が、
        ほかより 10 ポイント以上低いときに知らせます。

    なぜ問題か:
        短い入力には手がかりが少なく、モデルは事前学習で身に付けた語の
        偏りに引きずられます。平均の正解率からは見えません。

    例:
        「首相、会見へ」(政治) を国際とするような、短い見出しでの間違い
        です。

    対処:
        短い入力の行を学習データに加えます。実際の利用で短い入力が多い
        なら、テストデータもそれに合わせます。確率が低いときは答えない、と
        いう使い方もできます。

    What it sees:
        The rank correlation of an input's length and its answer's score within the gold labels
        (van Elteren's test, one-sided, 1 %), where the shortest third scores at least 10 points
        below the others.

    Why it matters:
        A short input has few clues, and a model falls back on what words meant in pretraining. A
        mean accuracy does not show it.

    For example:
        「首相、会見へ」 (政治), a short headline, was taken for 国際.

    What to do:
        Add short inputs to the training rows. Where most inputs in use are short, let the test
        rows be like them. Or give no answer where the probability is low.
    """
    scored = [(e, e.answer.score) for e in tuned if e.answer.score is not None]
    if len(scored) < FEW_ROWS:
        raise Missing("scored-rows", count=len(scored), needed=FEW_ROWS)
    top = 100.0 if answers == "text" else 1.0
    scores = [score / top for _, score in scored]
    template = settings.get("task", {}).get("template") or "{text}"
    inputs = lengths.bare([e.row.text for e, _ in scored], template)
    strata = [e.gold[0] if answers == "label" else "" for e, _ in scored]
    found = lengths.short_inputs([len(text) for text in inputs], scores, strata)
    if found is None or found.p >= chance or found.others - found.short < gap:
        return None
    worst = [
        said
        for score, said in zip(scores, inputs, strict=True)
        if len(said) <= found.limit and score <= found.short
    ]
    examples = text("record.list").join(
        text("rules_output.short-input", said=excerpt(said))
        for said in dict.fromkeys(worst[:NAMED])
    )
    return Finding(
        "warning" if found.others - found.short >= WIDE_GAP else "info",
        text(
            f"rules_output.short-input-errors-{answers}",
            limit=found.limit,
            rows=found.rows,
            short=_shown(found.short, answers),
            others=_shown(found.others, answers),
            p=p_value(found.p),
            examples=examples,
        ),
        {
            "limit": found.limit, "rows": found.rows, "short": top * found.short,
            "others": top * found.others, "p": found.p,
        },
    )  # fmt: skip


def shortcut_words(single: Sequence[Evaluated], *, chance: float = CHANCE) -> Finding | None:
    """Words that send an answer to one label.

    特定の語に引きずられた間違い。

    何を見るか:
        ある語を含む行が、正解でないのに同じラベルへ答えられることが、
        その語のない行より多いかを見ます (Fisher の正確確率検定、語と
        ラベルの組の数で補正、1 % 水準)。語は、漢字や片仮名の連なりの
        一部をすべて試します。

    なぜ問題か:
        モデルが文の意味ではなく、1 つの語で判断しています (ショート
        カット)。その語が出る別の話題では、必ず間違えます。

    例:
        「外務省」があれば国際、「投資」があれば経済と答え、「円安が
        進行、外務省がコメント」(経済) を間違えます。

    対処:
        その語を含み、別のラベルが正解の行を学習データに加えます。

    What it sees:
        Whether rows with a word are wrongly given one label more often than rows without it:
        Fisher's exact test at 1 %, corrected for the number of words and labels. Tried as words
        are all pieces of runs of kanji or katakana.

    Why it matters:
        The model goes by one word and not by what the text says (a shortcut), and is wrong
        wherever the word comes up in another subject.

    For example:
        外務省 means 国際 and 投資 means 経済, so that 「円安が進行、外務省がコメント」 (経済) is
        wrong.

    What to do:
        Add training rows that have the word and another label.
    """
    gold, said = [e.gold[0] for e in single], [_first(e) for e in single]
    if sum(g != s for g, s in zip(gold, said, strict=True)) < FEW_ERRORS:
        return None
    found = misleading.shortcuts([e.row.text for e in single], gold, said, chance)
    if not found:
        return None
    named = text("record.list").join(
        text(
            "rules_output.shortcut-word",
            word=excerpt(_words(one)),
            label=excerpt(one.label),
            count=one.count,
            total=one.of,
            usual=percent(one.usual),
        )
        for one in found[:NAMED]
    )
    return Finding(
        "info",
        text("rules_output.shortcut-words", named=named, word=excerpt(_words(found[0]))),
        {
            "words": [
                {"words": list(o.words), "label": o.label, "count": o.count, "n": o.of, "p": o.p}
                for o in found
            ]
        },
    )


def _words(shortcut: misleading.Shortcut) -> str:
    return "・".join(shortcut.words)


def _first(item: Evaluated) -> str:
    """The label that was answered; an empty text where none was."""
    return item.said[0] if item.said else ""


def _shown(share: float, answers: str) -> str:
    if answers == "label":
        return percent(share)
    return f"{100 * share:.1f}" if answers == "text" else f"{share:.3f}"
