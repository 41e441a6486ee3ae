"""What becomes of single characters of the data in the model's tokenizer."""

from __future__ import annotations

from typing import Any

from kunren.doctor.evidence import Finding
from kunren.messages import text
from kunren.models.letters import Letters

SHOWN = 8
"""Characters that are named."""

ADDED = 20
"""Characters, up to which it is offered to give each a token of its own."""


def end_in_text(letters: Letters) -> Finding | None:
    """Characters of the data are read as the end of a text.

    データの文字を、トークナイザが文の終わりやパディングと読みます。

    何を見るか:
        データに出てくる文字を 1 つずつトークンに直し、文の終わりのトークンかパディングになるものを
        数えます。データに書かれた制御トークンは文字として読むので、ここには入りません。

    なぜ問題か:
        モデルは、文がそこで終わったと読みます。答えに入っていれば、そこで答えを終えることを学び、
        回答が空になったり途中で切れたりします。損失は下がるので、学習中には気づけません。

    例:
        語彙にない文字を終わりのトークン `</s>` にするトークナイザで GPT-2 を学習し、絵文字で答える
        はずのモデルがいつも空の回答を返しました。

    対処:
        その文字を `model.add_tokens` に書いてトークンとして足すか、別の表記に変えるか、その文字を
        読めるトークナイザのモデルを使ってください。

    What it sees:
        Each character of the data as tokens: those that become the token that ends a text, or the
        padding token. Control tokens typed in the data are read as text and do not count.

    Why it matters:
        The model reads that the text ends there. In an answer it learns to stop there: answers are
        empty or cut. The loss falls all the same, so that training shows nothing.

    For example:
        A tokenizer that gave unknown characters the end token `</s>`, under a GPT-2 that was to
        answer with emoji: every answer was empty.

    What to do:
        Name these characters in `model.add_tokens`, write them in another way, or use a model whose
        tokenizer knows them.
    """
    if not letters.ends:
        return None
    rows = max(letters.rows[letter] for letter in letters.ends)
    said = text(
        "rules_model.end-in-text",
        count=len(letters.ends),
        token=next(iter(letters.ends.values())),
        letters=_named(list(letters.ends)),
        rows=rows,
        answers=letters.answers,
    )
    evidence: dict[str, Any] = {
        "characters": {letter: letters.rows[letter] for letter in letters.ends},
        "tokens": sorted(set(letters.ends.values())),
        "answers": letters.answers,
    }
    few = len(letters.ends) <= ADDED
    fix = {"set": {"model.add_tokens": list(letters.ends)}} if few else None
    return Finding("critical", said, evidence, fix)


def marks_lost(letters: Letters) -> Finding | None:
    """The tokenizer takes the dakuten off.

    トークナイザが濁点や半濁点を落とします。

    何を見るか:
        データに出てくる濁点・半濁点のある文字が、トークンから戻すと濁点のない文字になるか。

    なぜ問題か:
        「が」と「か」、「ハス」と「バス」が同じになり、意味の違う文を見分けられません。英語用の
        設定 (小文字にそろえ、アクセント記号を外す) が日本語にかかると起こります。

    例:
        `do_lower_case: true` の BERT で、「ご飯」が「こ飯」、「パン」が「ハン」になっていました。

    対処:
        tokenizer_config.json に `strip_accents: false` を書いてください。事前学習のときから濁点なし
        で学んだモデルなら、日本語用のモデルに替えるほうが確実です。

    What it sees:
        Whether characters of the data that have a dakuten or handakuten come back from their tokens
        without it.

    Why it matters:
        が and か become one, and so do bus and lotus (バス, ハス): the model cannot tell texts
        apart that mean different things. A setting for English (lower case, accents taken off)
        does that.

    For example:
        With a BERT of `do_lower_case: true`, ご飯 was read as こ飯 and パン as ハン.

    What to do:
        Write `strip_accents: false` into tokenizer_config.json. A model that was pretrained without
        the marks is better replaced by one for Japanese.
    """
    if not letters.bare:
        return None
    pairs = text("record.list").join(f"{a}→{b}" for a, b in list(letters.bare.items())[:SHOWN])
    rows = max(letters.rows[letter] for letter in letters.bare)
    said = text("rules_model.marks-lost", count=len(letters.bare), pairs=pairs, rows=rows)
    evidence = {"characters": {letter: letters.rows[letter] for letter in letters.bare}}
    return Finding("warning", said, evidence)


def _named(found: list[str]) -> str:
    said = " ".join(found[:SHOWN])
    return said + (" …" if len(found) > SHOWN else "")
