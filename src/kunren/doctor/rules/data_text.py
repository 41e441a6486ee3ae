"""What the data tells: texts that are broken, say nothing, or are only single turns."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import regex

from kunren.data import audit, records
from kunren.doctor.evidence import Finding, Missing
from kunren.doctor.rules.wording import joined, listed, places, quoted, share
from kunren.messages import text
from kunren.types import Message, Row

Rows = Mapping[str, Sequence[Row]]

MARKUP = 0.05
"""Share of rows with left-over markup from which on it is a pattern that the model learns."""

HALF_WIDTH = 0.02
"""Share of rows with words in half-width katakana, beside others in full width."""

INVISIBLE = 0.05
BLANK = 0.05
"""Shares of rows: one in twenty is more than an accident of collecting."""

SEVERAL_TURNS = 0.01
"""Share of chats with a second question, below which a chat's second turn is not learnt."""

# UTF-8 read as CP932 begins each kana with 縺, 繧 or 繝, as Latin-1 or CP1252 with ã.
# 縺れる and 繧繝錦 are words.
_LEAD = r"(?:縺(?![らりるれろわ])|繧(?!繝)|(?<!繧)繝)"
_MOJIBAKE = regex.compile(
    rf"{_LEAD}.{{0,3}}{_LEAD}.?|\ufffd"
    r"|(?:[ãäåæçèé][\x80-\xbf\u0152-\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]{1,2}){2,}"
)
_REASONING = r"think(?:ing)?|thought|reason(?:ing)?|reflection|scratchpad|answer|solution|tool_\w+"
"""Marks of models that reason or call tools: a manner of writing that is meant."""

_MARKUP = regex.compile(
    r"&(?:amp|lt|gt|quot|nbsp|#\d{2,6}|#x[0-9a-fA-F]{2,5});"
    rf"|<br\s*/?>|</(?!(?:{_REASONING})>|s>\s*(?:$|<s>|\[INST\]))\w+>",
    regex.MULTILINE,
)
_HALF_WIDTH = regex.compile(r"[ｦ-ﾝ][ｦ-ﾟ]{2,}")
_FULL_WIDTH = regex.compile(r"[ァ-ヴ][ァ-ヴー]{2,}")
_HIDDEN = regex.compile(r"[[\p{Cc}\p{Cf}\p{Co}\u2028\u2029]--[\t\n\r\u200c\u200d]]", regex.VERSION1)
_TAGGED = regex.compile("\U0001f3f4[\U000e0020-\U000e007f]+")
_DIRECTION = regex.compile("[\u202a-\u202e\u2066-\u2069]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINK = regex.compile(r"https?://\S+|@\w+")
_SAYS = regex.compile(r"[\p{L}\p{N}\p{Extended_Pictographic}\U0001f1e6-\U0001f1ff]")


def garbled_text(rows: Rows, *, markup: float = MARKUP, half: float = HALF_WIDTH) -> Finding | None:
    """Texts are garbled.

    文字化けした文があります。

    何を見るか:
        文字化け (「縺ゅ＞縺」「ã‚ã„」、U+FFFD)、取り残された HTML (`&amp;`、`<br>`)、
        全角と混ざった半角カタカナの語。文全体が化けた行は、読み込むときに誤りになります。
        思考の印 (`</think>` など) は HTML とみなしません。

    なぜ問題か:
        化けた文字は、モデルには意味のない長いトークン列です。答えにあれば、それを
        書くように学習します。

    例:
        Excel で開いて保存した CSV の一部が「繝・せ繝」になる。スクレイピングした文に
        `&quot;` が残る。半角の「ﾃﾞｰﾀ」と全角の「データ」は、モデルには別の語です。

    対処:
        元のファイルを正しい文字コードで読み直してください。HTML は `html.unescape`、
        半角カタカナは NFKC 正規化で直せます。

    What it sees:
        Mojibake ("縺ゅ＞縺", "ã‚ã„", U+FFFD), left-over HTML (`&amp;`, `<br>`), and words in
        half-width katakana beside others in full width. A row that is garbled as a whole is an
        error when it is read. Marks of reasoning (`</think>`) are not taken for HTML.

    Why it matters:
        Garbled characters are long sequences of tokens without a meaning; in answers the model
        learns to write them.

    For example:
        Part of a CSV file that Excel saved turns into "繝・せ繝"; scraped text keeps its `&quot;`;
        "ﾃﾞｰﾀ" and "データ" are different words to a model.

    What to do:
        Read the original file in its right encoding. `html.unescape` mends HTML, NFKC half-width
        katakana.
    """
    everything = audit.everything(rows)
    broken, marked, narrow, wide = [], [], [], 0
    for row in everything:
        said = _said(row)
        if said.isascii():
            marked += [row] if _MARKUP.search(said) else []
            continue
        if _MOJIBAKE.search(said):
            broken.append(row)
        if "&" in said or "<" in said:
            marked += [row] if _MARKUP.search(said) else []
        narrow += [row] if _HALF_WIDTH.search(said) else []
        wide += _FULL_WIDTH.search(said) is not None
    if not wide or len(narrow) < half * len(everything):
        narrow = []
    kinds = {"mojibake": broken, "markup": marked, "half-width": narrow}
    kinds = {kind: found for kind, found in kinds.items() if found}
    if not kinds:
        return None
    said = joined(
        text(
            f"rules_data.garbled-text-{kind}",
            count=len(found),
            rows=len(everything),
            places=places(found),
            example=quoted([_around(kind, found[0])]),
        )
        for kind, found in kinds.items()
    )
    severe = broken or len(marked) >= markup * len(everything)
    evidence = {"rows": len(everything)} | {kind: len(found) for kind, found in kinds.items()}
    return Finding("warning" if severe else "info", said, evidence)


def _said(row: Row) -> str:
    return "\n".join(m.content for m in row.messages if m.role != "system")


def _around(kind: str, row: Row) -> str:
    """The place in a row that is garbled."""
    pattern = {"mojibake": _MOJIBAKE, "markup": _MARKUP, "half-width": _HALF_WIDTH}[kind]
    for said in (m.content for m in row.messages):
        if (found := pattern.search(said)) is not None:
            return said[max(0, found.start() - 5) : found.end() + 15]
    return _said(row)


def control_characters(rows: Rows, *, many: float = INVISIBLE) -> Finding | None:
    """Texts have characters that cannot be seen.

    目に見えない文字が混ざっています。

    何を見るか:
        制御文字、ゼロ幅スペース (U+200B)、BOM (U+FEFF)、ソフトハイフン、文字の向きを変える
        文字 (U+202E など)、携帯電話の外字 (私用領域)。絵文字をつなぐ文字は除きます。

    なぜ問題か:
        見た目が同じ文が、モデルには違うトークン列になります。答えにあると、モデルは
        見えない文字も書き、正解と比べたときに一致しません。

    例:
        ウェブからコピーした見出しの途中に U+200B があり、「東京」が「東」と「京」に
        分かれる。

    対処:
        改行と U+200D を残して、`unicodedata.category(c)` が Cc か Cf の文字を除いてください。

    What it sees:
        Control characters, zero-width spaces (U+200B), byte order marks (U+FEFF), soft hyphens,
        characters that turn the direction of writing (U+202E), and private-use characters. What
        joins emoji is left out.

    Why it matters:
        Texts that look the same are different tokens to the model. From answers it learns to write
        them, and no answer equals gold.

    For example:
        A headline copied from the web has U+200B in the middle of a word, which then falls apart.

    What to do:
        Remove characters whose `unicodedata.category(c)` is Cc or Cf, but for line breaks and
        U+200D.
    """
    everything = audit.everything(rows)
    found: list[Row] = []
    answers, turned = 0, 0
    characters: dict[str, int] = {}
    for row in everything:
        hidden = [(m.role, c) for m in row.messages for c in _hidden(m)]
        if not hidden:
            continue
        found.append(row)
        answers += any(role == "assistant" for role, _ in hidden)
        turned += any(_DIRECTION.match(c) for _, c in hidden)
        for character in {c for _, c in hidden}:
            characters[character] = characters.get(character, 0) + 1
    if not found:
        return None
    named = sorted(characters.items(), key=lambda pair: (-pair[1], pair[0]))
    said = text(
        "rules_data.control-characters",
        count=len(found),
        rows=len(everything),
        characters=listed(f"U+{ord(c):04X} {_name(c)} ({n})" for c, n in named[:4]),
        answers=answers,
        places=places(found),
    )
    severe = answers or turned or len(found) >= many * len(everything)
    evidence = {
        "rows": len(everything), "with": len(found), "in_answers": answers,
        "characters": {f"U+{ord(c):04X}": n for c, n in named},
    }  # fmt: skip
    return Finding("warning" if severe else "info", said, evidence)


def _hidden(message: Message) -> list[str]:
    if message.role == "system" or message.content.isprintable():
        return []
    found: list[str] = _HIDDEN.findall(_TAGGED.sub("", message.content))
    # A list of labels is joined by a control character until its task has written it.
    return [c for c in found if c != records.LIST_SEPARATOR]


def _name(character: str) -> str:
    return unicodedata.name(character, "").title()


def empty_text(rows: Rows, *, many: float = BLANK) -> Finding | None:
    """Texts say nothing.

    中身のない文があります。

    何を見るか:
        リンク、@宛名、記号を除くと、文字も数字も絵文字も残らない文 (利用者の発言)。

    なぜ問題か:
        文から答えが決まらない行は、ラベルの割合だけを教えます。テストにあると、
        当たるかどうかは運です。

    例:
        「https://…」だけの投稿、「…」だけの返信、「@taro」だけの行。

    対処:
        除くか、リンクの先や、やり取りの前の部分を文に加えてください。

    What it sees:
        Texts of the user in which no letter, digit or emoji is left without links, addressees and
        punctuation.

    Why it matters:
        Where the text does not decide the answer, a row teaches no more than how frequent labels
        are; in the test rows it is right by luck.

    For example:
        A post of nothing but a link, a reply "…", a row "@taro".

    What to do:
        Remove them, or add to the text what was behind the link or said before.
    """
    everything = audit.everything(rows)
    found = [
        row
        for row in everything
        if any(
            m.role == "user" and not _SAYS.search(_LINK.sub("", m.content)) for m in row.messages
        )
    ]
    if not found:
        return None
    part = len(found) / len(everything)
    said = text(
        "rules_data.empty-text",
        count=len(found),
        rows=len(everything),
        share=share(part),
        texts=quoted(next(m.content for m in row.messages if m.role == "user") for row in found),
        places=places(found),
    )
    evidence = {"rows": len(everything), "empty": len(found), "share": part}
    return Finding("warning" if part >= many else "info", said, evidence)


def single_turn(
    rows: Rows, config: Mapping[str, Any], *, least: float = SEVERAL_TURNS
) -> Finding | None:
    """All chats have one turn.

    会話の形のデータなのに、やり取りが 1 回の行しかありません。

    何を見るか:
        `messages` の形 (チャット) の学習データに、2 つ以上の質問がある行がどれだけあるか。
        文とラベルの列でできたデータと、会話に使わない encoder、seq2seq では何も言いません。

    なぜ問題か:
        モデルは最初の質問に答えることだけを学びます。会話が続くと、前の答えを
        繰り返しやすくなります。

    例:
        1 回のやり取り 250 件で学習した Gemma は、3 ターン目から同じ絵文字しか
        返しませんでした。

    対処:
        続けて使うなら、2〜5 ターンで答えが途中で変わる会話を加えてください。毎回新しい
        文として使うなら、履歴を渡さないでください (`kunren chat --history 0`)。

    What it sees:
        Of training data in the form of chats (`messages`), how many have a second question. Data
        with columns for text and label, encoders and encoder-decoders are not meant.

    Why it matters:
        The model learns to answer the first question and nothing else; in a longer chat it tends to
        repeat itself.

    For example:
        Gemma, trained on 250 single turns, gave the same emoji from the third turn on.

    What to do:
        For chats add rows of 2 to 5 turns whose answers change. For single texts do not pass the
        history on (`kunren chat --history 0`).
    """
    train = rows.get("train", ())
    if not train:
        raise Missing("sides")
    chats = [row for row in train if row.chat]
    if config.get("model", {}).get("family") in ("encoder", "seq2seq") or len(chats) < len(train):
        return None
    longer = sum(sum(m.role == "user" for m in row.messages) > 1 for row in chats)
    if longer >= least * len(chats):
        return None
    said = text("rules_data.single-turn", rows=len(chats), longer=longer)
    return Finding("info", said, {"rows": len(chats), "several_turns": longer})
