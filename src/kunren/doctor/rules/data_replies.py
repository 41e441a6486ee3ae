"""What free answers tell: those that contradict each other, and one that dominates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import regex

from kunren.data import audit
from kunren.data.normalize import normalize
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.wording import SHOWN, joined, listed, quoted, share
from kunren.messages import text
from kunren.types import Item, Row

Items = Mapping[str, Sequence[Item]]
Rows = Mapping[str, Sequence[Row]]

CONFLICTS = 0.05
"""Share of items that no model can answer right, as of labels."""

DOMINANT = 0.20
"""Share of the answers that say the same, from which on saying it always looks like a result."""

LIFT = 3.0
MAJORITY = 0.80
"""The same as a multiple of an even share; where there are few kinds of answers, in most rows."""

LEAST = 5
"""Answers that say the same: fewer are no pattern."""

_LONGEST_REFUSAL = 60

_PUNCTUATION = regex.compile(r"[\p{P}\p{S}\s]+")
_CONTENT = regex.compile(r"[\p{Han}々]+|[\p{Katakana}ー]+|[\p{Latin}\p{N}]+")
_NOT = regex.compile(r"ません|ない|なし|なく|ぬ(?=\b|。)|不[\p{Han}]|\b(?:not?|cannot|never)\b|n't")
_REFUSAL = regex.compile(
    r"(?:記載|記述|掲載|情報|該当|データ|説明|規定|定め|資料|答え|回答)[^。\n]{0,10}"
    r"(?:あり|ござい|存在し|見つかり|見当たり|含まれてい)ません"
    r"|(?:記載|記述|掲載|該当|情報)(?:は|が|も)?(?:なし|無し|ない(?!か))"
    r"|(?:記載|記述|掲載|明記)(?:は|が|も)?(?:されて|して)(?:い|おり)?(?:ません|ない)"
    r"|(?:載って|書かれて|見つか|見当た|分か|わか|存じ|お答え|お応え|答えられ|答えでき|"
    r"(?:回答|判断|確認|提供|案内|お手伝い|お力添え)(?:が|は)?(?:でき|いたし|致し))"
    r"[^。\n]{0,10}(?:ません|かね|ない)"
    r"|不明です|対象外です|(?:回答|お答え)不可"
    r"|\b(?:no information|not (?:mentioned|stated|found|available|provided|specified)|"
    r"do(?: not|n't) know|cannot (?:answer|find)|can't (?:answer|find))\b"
)
"""That there is no answer, in the ways in which manuals and assistants say it."""


def conflicting_answers(
    items: Items, raw: Rows, answers: str, *, many: float = CONFLICTS
) -> Finding | None:
    """The same question has different answers.

    同じ質問に、異なる回答が付いています。

    何を見るか:
        答えが自由な文の課題で、質問 (会話ではそれまでのやり取りと system プロンプトも) が
        同じなのに、答えが違うもの。句読点、全角と半角、大文字と小文字だけの違いは
        数えません。意味が同じ言い換えかどうかは区別しません。

    なぜ問題か:
        質問だけからは答えが決まらないので、どう答えても外れる行が残ります。学習は複数の
        答えに引かれ、もっともらしい別の答えを書くようになります。

    例:
        マニュアルの QA に「上記の操作のあと何を押しますか。」が 10 件あり、答えは画面ごとに
        違う。質問を書いた人には「上記」が見えていましたが、モデルには見えません。

    対処:
        食い違うものは正しい答えにそろえ、質問だけでは決まらないものは、画面名や前の
        やり取りを質問に書き足してください。意味が同じ言い換えなら、そのままで構いません。

    What it sees:
        Of tasks whose answers are free text: the same question (in chats with all that was said
        before, and the system prompt) with different answers. Punctuation, width and case make no
        difference. A paraphrase is not told from a contradiction.

    Why it matters:
        The question does not decide the answer: whatever is said is wrong in some rows. Training is
        pulled several ways, and the model learns to say something plausible.

    For example:
        In questions on a manual "What do I press after the above?" comes ten times, with another
        answer for each screen. Who wrote it saw what was above; the model does not.

    What to do:
        Where answers contradict, make them the right one; where the question does not decide,
        write into it the screen or what was said before. Paraphrases can stay.
    """
    if answers != "text":
        raise Missing("free-text")
    everything = audit.all_items(items)
    asked: dict[tuple[str, ...], dict[str, list[Item]]] = {}
    for item in everything:
        key = tuple(f"{m.role}\0{_bare(m.content)}" for m in item.context)
        asked.setdefault(key, {}).setdefault(_bare(item.answer), []).append(item)
    groups = [list(said.values()) for said in asked.values() if len(said) > 1]
    if not groups:
        return None
    groups.sort(key=lambda said: -sum(map(len, said)))
    count = sum(len(some) for said in groups for some in said)
    wrong = sum(sum(map(len, said)) - max(map(len, said)) for said in groups)
    places = _places(raw)
    told = text(
        "rules_data.conflicting-answers",
        texts=len(groups),
        count=count,
        total=len(everything),
        best=share(1 - wrong / len(everything)),
        examples=" / ".join(
            text(
                "rules_data.conflicting-answers-example",
                question=quoted([said[0][0].text], 40),
                answers=_counted(said),
                places=_located([i for some in said for i in some], places),
            )
            for said in groups[:SHOWN]
        ),
    )
    evidence = {"questions": len(groups), "items": count, "unreachable": wrong / len(everything)}
    return Finding("warning" if wrong / len(everything) >= many else "info", told, evidence)


def dominant_answer(
    items: Items,
    raw: Rows,
    answers: str,
    *,
    least: float = DOMINANT,
    lift: float = LIFT,
    majority: float = MAJORITY,
) -> Finding | None:
    """Many rows have the same free answer.

    自由な文の答えが、1 つの答えに偏っています。

    何を見るか:
        答えが自由な文の課題で、同じことを言う答え (助詞や文末だけが違うものも同じと
        数えます) の割合。「記載がありません」「分かりません」のような断りは、書き方が
        違っても 1 つにまとめて数えます。2 割以上で、均等な場合の 3 倍以上のときに
        知らせます。答えが数種類しかなければ、8 割以上のときです。「ありがとう」への返事の
        ように、同じ質問への答えは数えません。

    なぜ問題か:
        いつもそれを答えるのが、損失を下げる一番の近道になります。断りが多いと、答えられる
        質問まで断ります。断りの一致だけで評価の値も高く出ます。

    例:
        マニュアルの QA 70 件のうち 30 件 (43 %) が「マニュアルに記載がありません。」。
        学習したモデルは、記載のある質問にも同じ文を返しました。

    対処:
        答えのある質問の行を増やすか、同じ答えの行を 1〜2 割まで間引いてください。断りの
        書き方は 1 つにそろえます。評価では、断りとほかの答えを分けて見てください。

    What it sees:
        Of tasks whose answers are free text: the share of answers that say the same (particles and
        endings may differ). That there is no answer ("not in the manual", "I do not know") counts
        as one, however it is said. It is told from a fifth of the answers on, if that is three
        times an even share; where there are only a few kinds, from four fifths on. Answers to one
        and the same question, such as thanks, do not count.

    Why it matters:
        Saying it always is the shortest way to a low loss. With many refusals the model refuses
        what it could answer, and refusals that agree make scores look good.

    For example:
        Of 70 questions on a manual 30 (43 %) are answered "マニュアルに記載がありません。". The
        model said it to questions that the manual answers, too.

    What to do:
        Add rows whose questions have an answer, or thin out the same answer to a tenth or two. Word
        refusals one way. Read the scores of refusals and of other answers apart.
    """
    if answers != "text":
        raise Missing("free-text")
    everything = audit.all_items(items)
    kinds: dict[tuple[str, ...], list[Item]] = {}
    refusals = []
    for item in everything:
        kinds.setdefault(_kind(item.answer), []).append(item)
        if _refuses(item.answer):
            refusals.append(item)
    most = max((some for some in kinds.values() if _asked_apart(some)), key=len, default=[])
    at_least = max(LEAST, len(everything) * max(least, min(majority, lift / max(1, len(kinds)))))
    found = {
        "refusals": refusals if len(kinds) > 1 and _asked_apart(refusals) else [],
        "same": most if not _refuses(most[0].answer if most else "") else [],
    }
    found = {name: some for name, some in found.items() if len(some) >= at_least}
    if not found:
        return None
    places = _places(raw)
    parts = []
    for name, some in found.items():
        ways = Counter(item.answer.strip() for item in some)
        parts.append(
            text(
                f"rules_data.dominant-answer-{name}{'-one' if len(ways) == 1 else ''}",
                total=len(everything),
                count=len(some),
                share=share(len(some) / len(everything)),
                answer=quoted([ways.most_common(1)[0][0]], 40),
                ways=len(ways),
                answers=_listed(ways),
                places=_located(some, places),
            )
        )
    parts.append(text(f"rules_data.dominant-answer-advice-{next(iter(found))}"))
    evidence = {
        "items": len(everything),
        "kinds": len(kinds),
        **{name: len(some) for name, some in found.items()},
        "share": max(map(len, found.values())) / len(everything),
    }
    return Finding("warning", joined(parts), evidence)


def _asked_apart(items: Sequence[Item]) -> bool:
    """Whether answers are to different questions: to thanks there is one answer in every chat."""
    return 2 * len({_bare(item.text) for item in items}) >= len(items)


def _bare(answer: str) -> str:
    """An answer as it is compared: without punctuation; as it is where it is nothing else."""
    said = normalize(answer)
    return _PUNCTUATION.sub("", said) or said


def _kind(answer: str) -> tuple[str, ...]:
    """What answers that say the same have in common: their words of content, and a negation."""
    said = normalize(answer)
    content = _CONTENT.findall(said)
    return (*content, "-" if _NOT.search(said) else "+") if content else (_bare(answer),)


def _refuses(answer: str) -> bool:
    return len(answer) <= _LONGEST_REFUSAL and _REFUSAL.search(normalize(answer)) is not None


def _counted(said: Sequence[Sequence[Item]]) -> str:
    ordered = sorted(said, key=len, reverse=True)
    return _listed(Counter({some[0].answer: len(some) for some in ordered}))


def _listed(ways: Counter[str]) -> str:
    """The most frequent answers with how often each is there: ``「はい」(3)``."""
    shown = listed(f"{quoted([one])} ({count:,})" for one, count in ways.most_common(SHOWN))
    return shown if len(ways) <= SHOWN else text("rules_data.and-others", said=shown)


def _places(raw: Rows) -> dict[str, str]:
    """A row's id → where it stands."""
    return {row.id: str(row.where) for side in raw.values() for row in side}


def _located(items: Sequence[Item], places: Mapping[str, str]) -> str:
    """Where items stand in the user's files, in their order: the first few."""
    found = list(dict.fromkeys(places.get(item.row_id, item.id) for item in items))
    found.sort(key=lambda place: (len(place), place))
    shown = listed(found[:SHOWN])
    return shown if len(found) <= SHOWN else text("rules_data.and-others", said=shown)
