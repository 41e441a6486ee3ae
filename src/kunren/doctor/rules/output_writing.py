"""How the answers are written: outside the labels, broken, empty, without an end."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import emoji

from kunren.analysis.repetition import loop
from kunren.data.emoji import is_emoji, split_emoji
from kunren.doctor.evidence import Evaluated, Finding, Severity
from kunren.doctor.rules.wording import joined
from kunren.evaluation.metric import answer_key
from kunren.evaluation.told import percent
from kunren.messages import text
from kunren.textfile import excerpt

OUT_OF_SET = 0.05
OUT_OF_SET_MUCH = 0.30
"""Shares of free generations outside the label set: worth knowing, and worth a look."""

SOME = 0.02
MUCH = 0.10
MOST = 0.50
"""Shares of answers that no user should see: from which on worth knowing, worth a look, and a
model that is of no use."""

FEWEST = 2
"""A single such answer may be an odd row."""

_SPECIAL = re.compile(
    r"<extra_id_\d+>|<unk>|\[UNK\]|\[PAD\]|<pad>|</?s>|\[CLS\]|\[SEP\]|<\|[a-z_]+\|>"
    r"|<(?:start|end)_of_turn>|<0x[0-9A-F]{2}>|\ufffd",
    re.IGNORECASE,
)
"""Special tokens of common tokenizers written out, bytes that make no character, and U+FFFD."""


def out_of_set(
    metrics: Mapping[str, Any],
    generated: Sequence[Evaluated],
    answers: str,
    settings: Mapping[str, Any],
    *,
    share: float = OUT_OF_SET,
    much: float = OUT_OF_SET_MUCH,
) -> Finding | None:
    """Answers outside the label set.

    ラベル集合の外の回答。

    何を見るか:
        自由に生成させた回答のうち、ラベル集合にないものの割合を見ます。
        1 つのラベルなら、完全に一致しない回答をすべて数えます。集合なら、
        ラベルでない部分を数えます。

    なぜ問題か:
        集合の外の回答は、受け取る側のプログラムで扱えず、正解にもなり
        ません。

    例:
        5 種類の絵文字で学習したのに、学習していない 😭 や「うれしい
        です」という文を返すことがあります。

    対処:
        必ず集合の中から選ばせたいときは kunren predict を使います。
        多いときは学習を長くするか、model.add_tokens: labels を試します。

    What it sees:
        The share of free generations that are not in the label set: of one label all that are not
        exactly one; of sets all pieces that are no label.

    Why it matters:
        What receives the answer cannot use it, and it is never right.

    For example:
        Trained on five emoji, a model writes 😭, which is none of them, or a sentence.

    What to do:
        Where an answer must come from the set, use kunren predict. Where they are many, train
        longer, or try model.add_tokens: labels.
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
    if rate < share:
        return None
    top = outside.most_common(5)
    new_emoji = sum(n for said, n in outside.items() if emoji.is_emoji(said.strip()))
    named = text("record.list").join(
        f"{excerpt(said) or text('doctor.empty')} ({n})" for said, n in top
    )
    kind = "pieces" if answers == "set" else "answers"
    fields = {"rate": percent(rate), "count": count, "total": total, "top": named}
    parts = [text(f"doctor.out-of-set-{kind}", **fields)]
    if new_emoji:
        parts.append(text(f"doctor.out-of-set-emoji-{kind}", emoji=new_emoji))
    added = "-added" if kind == "pieces" and labels_are_tokens(settings) else ""
    parts.append(text(f"doctor.out-of-set-advice-{kind}{added}"))
    return Finding(
        "warning" if rate >= much else "info",
        joined(parts),
        {"rate": rate, "n": total, "top": [list(t) for t in top], "new_emoji": new_emoji},
    )


def labels_are_tokens(settings: Mapping[str, Any]) -> bool:
    """Whether each label has a token of its own already, so that this is no advice."""
    return bool((settings.get("model") or {}).get("add_tokens"))


def invalid_output(
    written: Sequence[Evaluated],
    answers: str,
    settings: Mapping[str, Any],
    *,
    some: float = SOME,
    much: float = MUCH,
) -> Finding | None:
    """Answers with things in them that no answer should have.

    回答に混じる、意味を成さない文字列。

    何を見るか:
        `<extra_id_0>` や `[UNK]` のような特殊トークン、文字になっていない
        バイト、制御文字が混じった回答を数えます。正解がすべて絵文字の
        ときは、絵文字でない文字列が混じった回答も数えます。生成の
        上限で切れた回答は数えません。

    なぜ問題か:
        学習がまだ浅いか、トークナイザの扱いを誤っている印です。その
        まま人に見せられません。

    例:
        絵文字を学習させたのに「填」「よね」と出力した記録があります。
        学習率が低く、学習が足りていませんでした。

    対処:
        エポック数か学習率を上げます。絵文字をトークンとして持たない
        モデルでは model.add_tokens: labels を指定します。特殊トークンが
        出るときは、デコードで取り除いているかを確かめます。

    What it sees:
        Answers with special tokens (`<extra_id_0>`, `[UNK]`, …), bytes that make no character, or
        control characters; where all gold answers are emoji, also those with anything else. Answers
        that were cut at the limit are not counted.

    Why it matters:
        Training was too short, or the tokenizer is not used rightly; nobody should see such
        answers.

    For example:
        Trained for emoji, a model wrote 填 and よね: the learning rate was low, and it had not
        learned yet.

    What to do:
        More epochs or a higher learning rate; for a model without tokens for emoji,
        model.add_tokens: labels. For special tokens, see that decoding leaves them out.
    """
    only_emoji = answers != "text" and all(is_emoji(x) for e in written for x in e.gold)
    none = {e.row.gold.strip() for e in written if answers == "set" and not e.gold}
    broken = {
        n: found
        for n, e in enumerate(written)
        if e.answer.ended is not False  # cut within a character, it looks broken
        and (e.answer.generated or "").strip() not in none
        and (found := _broken(e, only_emoji))
    }
    share = len(broken) / len(written)
    if len(broken) < FEWEST or share < some:
        return None
    top = Counter(piece for found in broken.values() for piece in found).most_common(5)
    named = text("record.list").join(f"{excerpt(piece)} ({n})" for piece, n in top)
    kind = "text"
    if only_emoji:
        kind = "emoji-added" if labels_are_tokens(settings) else "emoji"
    # One label is read off the closed set in any case; its free generation is an extra.
    severity = _severity(share, much, gravest="warning" if answers == "label" else "critical")
    return Finding(
        severity,
        text(
            f"rules_output.invalid-output-{kind}",
            count=len(broken),
            total=len(written),
            share=percent(share),
            top=named,
        ),
        {"share": share, "count": len(broken), "n": len(written), "top": [list(t) for t in top]},
    )


def _broken(item: Evaluated, only_emoji: bool) -> list[str]:
    """What an answer should not have in it, each once."""
    said = item.answer.generated or ""
    found = _SPECIAL.findall(said)
    found += [c for c in said if unicodedata.category(c) == "Cc" and c not in "\n\r\t"]
    if only_emoji:
        rest = _SPECIAL.sub(" ", said)
        found += [piece for piece in split_emoji(rest) if not is_emoji(piece)]
    gold = item.row.gold
    return [piece for piece in dict.fromkeys(found) if piece not in gold]


def empty_answers(
    tuned: Sequence[Evaluated], *, some: float = SOME, much: float = MUCH
) -> Finding | None:
    """Empty answers.

    空の回答。

    何を見るか:
        空白だけの回答、またはラベルを 1 つも含まない回答を数えます。
        正解も空の行は数えません。

    なぜ問題か:
        使う人には壊れたように見えます。平均の指標では、間違った回答と
        区別が付きません。

    例:
        終わりのトークンを最初に出してしまうと、回答は空になります。
        学習データに空の回答が混じっているときに起こります。

    対処:
        学習データに空の回答がないかを確かめます。集合の課題では、
        ラベルとして読めない文字列ばかり出していないかも確かめます。

    What it sees:
        Answers of white space only, or without a single label, where gold is not empty too.

    Why it matters:
        To a user the model looks broken; in a mean they look like any wrong answer.

    For example:
        A model that gives the end token first has answered nothing. Empty answers among the
        training rows teach that.

    What to do:
        Look for empty answers in the training rows; of sets, see whether it writes something that
        is not read as labels.
    """
    asked = [e for e in tuned if any(g.strip() for g in e.gold)]
    # Of sets that may be empty, an empty one is an answer, wrong as it may be here.
    none = {e.row.gold.strip() for e in tuned if not e.gold}
    empty = [
        e
        for e in asked
        if not any(s.strip() for s in e.said)
        and not (none and (e.answer.generated is None or e.answer.generated.strip() in none))
    ]
    share = len(empty) / len(asked) if asked else 0.0
    if len(empty) < FEWEST or share < some:
        return None
    said = {"count": len(empty), "total": len(asked), "share": percent(share)}
    return Finding(
        _severity(share, much),
        text("rules_output.empty-answers", example=excerpt(empty[0].row.text), **said),
        {"share": share, "count": len(empty), "n": len(asked), "ids": _ids(empty)},
    )


def never_ending(
    written: Sequence[Evaluated], answers: str, *, some: float = SOME, much: float = MUCH
) -> Finding | None:
    """Answers that do not come to an end.

    終わらない回答。

    何を見るか:
        最後に同じ部分を 4 回以上繰り返している回答と、どの正解よりも
        長く、文の途中で切れている回答を数えます。集合の課題では、最も
        大きい正解の 2 倍を超えてラベルを書き続けた回答を数えます。

    なぜ問題か:
        モデルが終わりのトークンを学べていません。回答は生成の上限まで
        続き、時間もかかります。

    例:
        「東京です。東京です。東京です。…」と、上限まで繰り返します。
        パディングと終了を同じトークンにして損失から除くと起こります。

    対処:
        学習データの回答の最後に終了トークンがあり、損失に数えられて
        いるかを kunren check で確かめます。繰り返しだけなら
        evaluate.decoding.repetition_penalty: 1.2 を試します。正しい
        文が途中で切れているなら evaluate.max_new_tokens を増やします。

    What it sees:
        Answers that repeat a part at least four times at their end, and those that are longer than
        any gold answer and stop in the middle of a sentence; of sets, those that go on beyond
        twice the largest gold set.

    Why it matters:
        The model has not learned the end token: answers go on to the limit, and take as long.

    For example:
        「東京です。東京です。東京です。…」 up to the limit. It happens where padding and end are
        one token and left out of the loss.

    What to do:
        See with kunren check that training answers have their end token and that the loss counts
        it. For loops alone, try evaluate.decoding.repetition_penalty: 1.2; where good sentences
        are cut, raise evaluate.max_new_tokens.
    """
    ends = _endings(written) if answers == "text" else ""
    longest = max(len(e.row.gold) for e in written)
    largest = max(len(e.gold) for e in written)
    looping = [bool(loop(e.answer.generated or "")) and not loop(e.row.gold) for e in written]
    loops = [e for e, turns in zip(written, looping, strict=True) if turns]
    others = [e for e, turns in zip(written, looping, strict=True) if not turns]
    if answers == "set":
        long = [e for e in others if _pieces(e) > 2 * largest]
    else:
        long = [e for e in others if ends and _cut(e.answer.generated or "", longest, ends)]
    both = loops + long
    share = len(both) / len(written)
    if len(both) < FEWEST or share < some:
        return None
    end = (both[0].answer.generated or "").rstrip()[-24:]
    gravest: Severity = "warning" if answers == "label" else "critical"
    return Finding(
        _severity(share, much, gravest),
        text(
            "rules_output.never-ending",
            count=len(both),
            total=len(written),
            share=percent(share),
            loops=len(loops),
            long=len(long),
            example=excerpt(f"…{end}"),
        ),
        {
            "share": share, "n": len(written), "loops": len(loops), "cut": len(long),
            "repeated": loop(both[0].answer.generated or ""), "ids": _ids(both),
        },
    )  # fmt: skip


def _endings(items: Sequence[Evaluated]) -> str:
    """What gold answers end with, where nearly all end with a mark; else nothing."""
    last = [gold[-1] for e in items if (gold := e.row.gold.rstrip())]
    marks = [c for c in last if unicodedata.category(c)[0] in "PS"]
    return "".join(dict.fromkeys(marks)) if last and len(marks) >= 0.95 * len(last) else ""


def _cut(said: str, longest: int, ends: str) -> bool:
    """Whether an answer is longer than all that are right, and has no end."""
    said = said.rstrip()
    return len(said) > longest and said[-1] not in ends


def _pieces(item: Evaluated) -> int:
    parts = re.split(r"[\s,，、､・\x1f]+", item.answer.generated or "")
    return sum(len(split_emoji(part)) for part in parts)


def _severity(share: float, much: float, gravest: Severity = "critical") -> Severity:
    return gravest if share >= MOST else "warning" if share >= much else "info"


def _ids(items: Sequence[Evaluated]) -> list[str]:
    return [e.row.id for e in items[:20]]
