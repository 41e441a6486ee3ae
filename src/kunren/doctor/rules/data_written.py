"""What free answers tell of how they are written: copies of the input, broken JSON, loops."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

import regex
from rapidfuzz.distance import Levenshtein

from kunren.analysis.repetition import TIMES, loop
from kunren.data import audit
from kunren.data.normalize import normalize
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.wording import joined, listed, places, quoted, share
from kunren.messages import text
from kunren.textfile import excerpt
from kunren.types import Item, Row

Items = Mapping[str, Sequence[Item]]
Rows = Mapping[str, Sequence[Row]]

COPIED = 0.01
"""Share of answers that are their input, from which on a model is heard to echo."""

EDITED = 0.6
"""Median likeness of answers to their inputs from which on the task is to correct or rewrite: there
an answer may well be its input."""

SHORTEST = 4
"""Characters of an input: ``はい`` may answer ``はい``."""

MOSTLY = 0.7
"""Share of answers that begin as JSON from which on all are meant to be."""

_SOME = 3
_COMPARED = 400
_LOOKED_AT = 300

_BEGINS = regex.compile(r"\s*(?:\{\s*[\"'“”}\w]|\[\s*[\[{\"'“”])")
_FENCE = regex.compile(
    r"\A\s*```(?:json)?\s*\n?(.*?)\n?\s*```\s*\Z", regex.DOTALL | regex.IGNORECASE
)
_ASKED = regex.compile(
    r"json\s*(?:形式|フォーマット|オブジェクト|配列|文字列|データ)?\s*(?:で|のみ|だけ|として|に(?:して|変換|まとめ))"
    r"|(?:in|as|valid|return|output|only)\s+(?:a\s+)?json",
    regex.IGNORECASE,
)
_COMMA = regex.compile(r",\s*[}\]]")


def copied_input(raw: Rows, answers: str, *, some: float = COPIED) -> Finding | None:
    """Answers are copies of their input.

    入力をそのまま写した答えがあります。

    何を見るか:
        答えが自由な文の課題で、直前の入力と答えが同じ行 (句読点、全角と半角、空白の違いは
        無視します)。ほかの答えも入力によく似ていれば、校正や書き換えの課題とみなして
        参考として知らせます。

    なぜ問題か:
        聞き返すだけのモデルになります。入力を写せば当たる行は、学習しなくても当たるので、
        評価の値も高く出ます。

    例:
        列を取り違えて、質問と答えに同じ列を指定した。教師モデルが翻訳できない文をそのまま
        返した。

    対処:
        正しい答えに直すか、その行を除いてください。校正の課題で直すところのない行なら、
        そのままで構いませんが、値は直した行だけでも見てください。

    What it sees:
        Of tasks whose answers are free text: rows whose answer is the input before it (but for
        punctuation, width and spaces). Where other answers resemble their inputs too, the task is
        to correct or rewrite, and it is only worth knowing.

    Why it matters:
        The model learns to echo. A row that a copy answers is right without training, and makes the
        score look better.

    For example:
        One column was named as question and as answer; a teacher model gave back what it could
        not translate.

    What to do:
        Write the right answer, or remove the row. Rows of a correction task that need no change can
        stay; look at the score of the others as well.
    """
    if answers != "text":
        raise Missing("free-text")
    pairs = _pairs(raw)
    copied = [row for row, asked, said in pairs if len(asked) >= SHORTEST and asked == said]
    copied.sort(key=lambda row: (row.where.path, row.where.line or 0))
    if not copied or len(copied) < some * len(pairs):
        return None
    others = [(asked, said) for _, asked, said in pairs if asked != said]
    step = max(1, len(others) // _LOOKED_AT)
    alike = [
        Levenshtein.normalized_similarity(asked[:_COMPARED], said[:_COMPARED])
        for asked, said in others[::step]
    ]
    edits = bool(alike) and median(alike) >= EDITED
    told = text(
        f"rules_data.copied-input-{'edits' if edits else 'echo'}",
        count=len(copied),
        total=len(pairs),
        share=share(len(copied) / len(pairs)),
        texts=quoted(row.messages[-1].content for row in copied),
        places=places(copied),
    )
    evidence = {"items": len(pairs), "copied": len(copied), "edits": edits}
    return Finding("info" if edits else "warning", told, evidence)


def _pairs(raw: Rows) -> list[tuple[Row, str, str]]:
    """Each answer with what was said right before it, both as they are compared."""
    return [
        (row, _bare(before.content), _bare(message.content))
        for row in audit.everything(raw)
        for before, message in zip(row.messages, row.messages[1:], strict=False)
        if message.is_answer and before.role == "user"
    ]


def _bare(said: str) -> str:
    return regex.sub(r"[\p{P}\s]+", "", normalize(said))


def broken_json(items: Items, raw: Rows, answers: str, *, mostly: float = MOSTLY) -> Finding | None:
    """Answers that should be JSON are not.

    JSON のはずの答えが、JSON として読めません。

    何を見るか:
        答えが自由な文の課題で、JSON として書き始めて壊れている答え、答えの 7 割以上が JSON の
        ときの JSON でない答え、「JSON で答えて」と求められた JSON でない答え。壊れ方 (途切れ、
        余分なカンマ、引用符、前後の文、コードブロック) ごとに数えます。

    なぜ問題か:
        モデルは壊れた形も覚えます。答えを読むプログラムは、その行で止まります。

    例:
        教師モデルの出力が長さの上限で切れ、閉じ括弧のない答えが 300 件中 12 件あった。
        Python の辞書を str() で書いたため、引用符がすべて ' になっていた。

    対処:
        `json.dumps(値, ensure_ascii=False)` で書き直してください。途切れた答えは、作り直すか
        除いてください。

    What it sees:
        Of tasks whose answers are free text: answers that begin as JSON and are broken, others
        where seven in ten are JSON, and those that were asked for as JSON. They are counted by what
        is wrong (cut off, a comma too many, quotes, text around it, a code fence).

    Why it matters:
        The model learns the broken form too, and the program that reads its answers stops there.

    For example:
        A teacher model was cut at its length limit, and 12 of 300 answers had no closing bracket. A
        Python dict was written with str(), so that all quotes were '.

    What to do:
        Write them with `json.dumps(value, ensure_ascii=False)`. Make answers that were cut off
        again, or remove them.
    """
    if answers != "text":
        raise Missing("free-text")
    everything = audit.all_items(items)
    fenced = sum(_FENCE.match(item.answer) is not None for item in everything)
    opened = 2 * fenced > len(everything)  # a fence that most answers have is how they are meant
    parsed = [_is_json(_unfenced(i.answer) if opened else i.answer) for i in everything]
    good = sum(parsed)
    begun = {i.id for i in everything if _BEGINS.match(_unfenced(i.answer)) is not None}
    all_meant = good >= _SOME and len(begun) >= mostly * len(everything)
    kinds: dict[str, list[Item]] = {}
    for item, fine in zip(everything, parsed, strict=True):
        wanted = all_meant or (good >= _SOME and item.id in begun)
        if fine or not (wanted or (_asks(item) and not _is_json(_unfenced(item.answer)))):
            continue
        kinds.setdefault(_fault(item.answer), []).append(item)
    broken = [item for some in kinds.values() for item in some]
    if not broken:
        return None
    where = {row.id: row for row in audit.everything(raw)}
    told = joined(
        [
            text(
                "rules_data.broken-json",
                total=len(everything),
                good=good,
                count=len(broken),
                kinds=listed(
                    text(f"rules_data.broken-json-{kind}", count=len(some))
                    for kind, some in sorted(kinds.items(), key=lambda one: -len(one[1]))
                ),
                texts=quoted((item.answer for item in broken), 40),
                places=places(where[i.row_id] for i in broken if i.row_id in where),
            ),
            text("rules_data.broken-json-advice"),
        ]
    )
    evidence = {"items": len(everything), "json": good, "broken": len(broken)}
    return Finding("warning", told, evidence | {k: len(some) for k, some in kinds.items()})


def _unfenced(answer: str) -> str:
    found = _FENCE.match(answer)
    return answer if found is None else str(found.group(1))


def _is_json(answer: str) -> bool:
    if answer.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return isinstance(json.loads(answer), dict | list)
    except (ValueError, RecursionError):
        return False


def _asks(item: Item) -> bool:
    last = [m.content for m in item.context if m.role == "system"] + [item.text]
    return any(_ASKED.search(said) for said in last)


def _fault(answer: str) -> str:
    """What is wrong with an answer that should be JSON."""
    said = answer.strip()
    if "```" in said:
        return "fence"
    if _BEGINS.match(said) is None:
        return "around" if regex.search(r"[{\[].*[}\]]", said, regex.DOTALL) else "none"
    if said.count("{") > said.count("}") or said.count("[") > said.count("]"):
        return "cut"
    try:
        json.JSONDecoder().raw_decode(said)
    except (ValueError, RecursionError):
        if _COMMA.search(said):
            return "comma"
        return "quotes" if regex.search(r"[{\[,:]\s*['“”‘’]", said) else "other"
    return "around"


def looping_answers(items: Items, raw: Rows, answers: str) -> Finding | None:
    """Answers repeat the same again and again.

    同じ文を繰り返し続ける答えがあります。

    何を見るか:
        答えが自由な文の課題で、同じ文や行を 4 回以上続けて繰り返す答え。「はははは」や
        「！！！！」のような短い書き方は数えません。

    なぜ問題か:
        モデルは、書き終えずに繰り返すことを覚えます。数件でも、学習後の答えが止まらなくなる
        原因になります。

    例:
        教師モデルが「以上です。」を 60 回書いて長さの上限で切れ、そのまま行になった。

    対処:
        その行を除くか、繰り返しの手前まで切ってください。

    What it sees:
        Of tasks whose answers are free text: answers that say the same sentence or line four times
        or more in a row. Short manners of writing ("はははは", "！！！！") do not count.

    Why it matters:
        The model learns to go on instead of coming to an end. A few rows are enough for answers
        that never stop.

    For example:
        A teacher model wrote "以上です。" sixty times until its length limit; that became a row.

    What to do:
        Remove the row, or cut the answer before it repeats itself.
    """
    if answers != "text":
        raise Missing("free-text")
    everything = audit.all_items(items)
    found = [(item, said) for item in everything if (said := _repeated(item.answer)) is not None]
    if not found:
        return None
    where = {row.id: row for row in audit.everything(raw)}
    told = text(
        "rules_data.looping-answers",
        count=len(found),
        total=len(everything),
        examples=listed(
            text("rules_data.looping-answers-times", said=excerpt(said, 30), times=times)
            for said, times in dict.fromkeys(said for _, said in found[:3])
        ),
        places=places(where[item.row_id] for item, _ in found if item.row_id in where),
    )
    most = Counter({said: times for _, (said, times) in found})
    return Finding(
        "warning",
        told,
        {"items": len(everything), "looping": len(found), "times": max(most.values())},
    )


def _repeated(answer: str) -> tuple[str, int] | None:
    """What an answer repeats and how often: at its end, or line by line; None: nothing."""
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    best, run = ("", 0), 0
    for number, line in enumerate(lines):
        run = run + 1 if number and line == lines[number - 1] else 1
        best = max(best, (line, run), key=lambda one: one[1])
    if best[1] >= TIMES and regex.search(r"\w", best[0]):
        return best
    part = loop(answer)
    if part is None or len(part.strip()) < 2 or not regex.search(r"\w", part):
        return None
    return part.strip(), answer.count(part)
