"""The language of the answers."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from kunren.doctor.evidence import Evaluated, Finding, Missing, Severity
from kunren.evaluation.told import percent
from kunren.messages import text
from kunren.textfile import excerpt

SOME = 0.05
MUCH = 0.20
MOST = 0.80
"""Shares of answers that are not, or not wholly, in Japanese: from which on worth knowing, worth a
look, and a model that answers in another language."""

FEWEST = 2
"""A single such answer may be an odd row."""

HALF = 0.5
"""Share of gold answers in Japanese without which the question does not arise."""

CHINESE = 12
"""Han characters without a single kana from which on a sentence is not Japanese; names of laws and
offices are shorter."""

WORDS = 2
"""Foreign words that make an answer mixed; one may be a name."""

_FOREIGN = re.compile(r"[A-Za-zÀ-ɏ]{3,}|[가-힣]+|[Ѐ-ӿ]{2,}|[฀-๿]{2,}|[؀-ۿ]{2,}")
_KANA = re.compile(r"[ぁ-ゖァ-ヺー]")
_HAN = re.compile(r"[一-鿿]")


def other_language(
    texts: Sequence[Evaluated], *, some: float = SOME, much: float = MUCH
) -> Finding | None:
    """Answers that are not in Japanese.

    日本語でない回答。

    何を見るか:
        正解が日本語の行で、外国語の単語が大半を占める回答と、漢字だけが
        続き仮名がない回答 (中国語) を数えます。入力にも正解にも出てこない
        外国語の単語が 2 つ以上混じった回答も数えます。

    なぜ問題か:
        英語が中心のモデルでは、回答が途中から英語や中国語に変わること
        があります。文字単位の指標では目立ちません。

    例:
        英語中心の 1.1B のモデルを日本語の QA 133 件で学習した記録では、
        一部の回答に英語が混じっていました。

    対処:
        日本語で事前学習されたモデルに替えるのが確実です。task.system に
        「日本語で答えてください」と書くこと、学習データを増やすことも
        効きます。

    What it sees:
        Where gold is Japanese: answers that are mostly foreign words, those of Han characters
        without any kana (Chinese), and those with two or more foreign words that are in no input
        and no gold answer.

    Why it matters:
        A model that mostly knows English may change over to English or Chinese within an answer.
        Metrics of characters hardly show it.

    For example:
        In a record of a 1.1B model of mostly English, trained on 133 Japanese questions and
        answers, English was mixed into some answers.

    What to do:
        A model that was pretrained on Japanese is the sure way. Asking for Japanese in task.system,
        and more training rows, help too.
    """
    asked = [e for e in texts if _japanese(e.row.gold)]
    if len(asked) < HALF * len(texts):
        raise Missing("japanese-gold")
    known = {w.lower() for e in texts for s in (e.row.gold, e.row.text) for w in _words(s)}
    other = [e for e in asked if _other(e.said[0])]
    strange = [
        (e, unknown)
        for e in asked
        if len(unknown := [w for w in _words(e.said[0]) if w.lower() not in known]) >= WORDS
    ]
    mixed = [e for e, _ in strange if not _other(e.said[0])]
    both = [*other, *mixed]
    share = len(both) / len(asked)
    if len(both) < FEWEST or share < some:
        return None
    severity: Severity = "warning" if share >= much else "info"
    top = Counter(word.lower() for _, found in strange for word in found).most_common(5)
    said = text(
        "rules_output.other-language",
        count=len(both),
        total=len(asked),
        share=percent(share),
        other=len(other),
        mixed=len(mixed),
        example=excerpt(both[0].said[0]),
    )
    evidence = {"share": share, "n": len(asked), "other": len(other), "mixed": len(mixed)}
    return Finding(
        "critical" if len(other) >= MOST * len(asked) else severity,
        said,
        evidence | {"words": [list(t) for t in top], "ids": [e.row.id for e in both[:20]]},
    )


def _words(said: str) -> list[str]:
    return _FOREIGN.findall(unicodedata.normalize("NFKC", said))


def _other(said: str) -> bool:
    """Whether a text is mostly in another language: foreign words, or kanji without any kana.

    A foreign word is as much as two characters of Japanese: 「SharePoint と Teams を使います」 is
    Japanese.
    """
    kana, han = len(_KANA.findall(said)), len(_HAN.findall(said))
    return kana + han < 2 * len(_words(said)) or (not kana and han >= CHINESE)


def _japanese(said: str) -> bool:
    """Whether a gold answer is in Japanese; a mere number is in no language."""
    return bool(_KANA.search(said) or _HAN.search(said)) and not _other(said)
