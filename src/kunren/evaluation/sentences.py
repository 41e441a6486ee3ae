"""Japanese text as sentences.

A sentence ends at a full stop, a question mark or an exclamation mark, with whatever hangs on to it
(``!!``, ``(笑)``, an emoji), or at the end of its line. What stands in quotation marks or brackets
belongs to the sentence around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import regex

_BRACKETS = {
    "「": "」",
    "『": "』",
    "（": "）",
    "(": ")",
    "【": "】",
    "〈": "〉",
    "《": "》",
    "“": "”",
}

_HIDDEN = "\ue000"
"""In place of each character at which no sentence can end: a private one, in no real text."""

_ADDRESS = regex.compile(r"https?://[!-~]+|www\.[!-~]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")

_BULLET = regex.compile(
    r"^\s*(?:[-*+・•●○■□◆◇▶▪※>]+\s*|#+\s+|[①-⑳]\s*|\d{1,2}[.．)）](?!\d)\s*|[(（]\d{1,2}[)）]\s*"
    r"|[QA]\d*[.．:：]\s*)+"
)

_EMOJI = r"(?:[\p{Extended_Pictographic}--[0-9#*©®™]][\ufe0f\u200d\p{EMod}]*|[♪☆★♡♥])"

_HANGING = rf"(?:[。｡！？!?‼⁇⁈⁉…」』）)\s]|{_EMOJI}|[wｗ笑](?!\p{{L}})|[（(]{_HIDDEN}*[）)])*"

_END = regex.compile(
    # Neither within a name such as Yahoo!ニュース nor at a decimal point.
    r"(?:[。｡！？!?‼⁇⁈⁉](?<![A-Za-z][!！](?=\p{Katakana}))|(?<!\d)．|．(?!\d)"
    r"|(?<=[\p{Han}\p{Hiragana}\p{Katakana}])\.(?=\s|$)|(?<=[\p{Ll}\d])\.(?=\s+\p{Lu})"
    # Posts often end a sentence with an emoji, or with w, and nothing else. One after a noun or a
    # plain adjective may stand within a sentence, one after these forms hardly can.
    r"|(?<=(?:です|ます|でした|ました|ません|ましょう|でしょう|ください)[よねかなっー〜～]*)"
    rf"(?:{_EMOJI}|[wｗ]+(?![A-Za-zａ-ｚ])|笑(?!\p{{L}}))){_HANGING}",
    regex.VERSION1,
)

_QUOTED = regex.compile(
    r"(?:って|と(?:[思言聞考答叫尋問書伝感]|いう|いった|いわ|の(?:こと|ご|お)|お|ご|、))"
)
"""What shows that the question or exclamation before it was a quotation: いいですか？と聞いた。"""

_HASHTAGS = regex.compile(r"(?:\s*[#＃][^\s#＃]+)+\s*$")

_STOPS = regex.compile(r"[。｡！？!?．.…\s]+$")


@lru_cache(maxsize=1 << 14)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, in their order, stripped, without bullets and numbers of lists.

    A line that ends with a comma goes on in the next one; every other line ends its sentence. A
    line without any letter (a rule, a row of emoji, an address alone) is none.
    """
    found = (said.strip() for line in _lines(text) for said in _of_line(line))
    return tuple(said for said in found if _has_words(said))


def _lines(text: str) -> Iterator[str]:
    kept = ""
    for line in text.splitlines():
        kept += line.strip() if kept else _BULLET.sub("", line)
        if kept.endswith(("、", "，", ",")):
            continue
        yield kept
        kept = ""
    yield kept


def _of_line(line: str) -> Iterator[str]:
    line = line.strip()
    hidden, pairs = _hide(line)
    if line and pairs.get(0) == len(line) - 1:
        yield from _of_line(line[1:-1])
        return
    begin = 0
    for end in _END.finditer(hidden):
        if not _QUOTED.match(line, end.end()):
            yield line[begin : end.end()]
            begin = end.end()
    yield line[begin:]


def _hide(line: str) -> tuple[str, dict[int, int]]:
    """The line with what is in brackets and addresses hidden, and where each bracket closes."""
    if _BRACKETS.keys().isdisjoint(line) and not _ADDRESS.search(line):
        return line, {}
    shown = list(line)
    for address in _ADDRESS.finditer(line):
        shown[address.start() : address.end()] = _HIDDEN * len(address[0])
    opened: list[int] = []
    pairs: dict[int, int] = {}
    for n, character in enumerate(shown):
        if character in _BRACKETS:
            opened.append(n)
        elif opened and character == _BRACKETS[shown[opened[-1]]]:
            pairs[opened.pop()] = n
    for begin, end in pairs.items():
        shown[begin + 1 : end] = _HIDDEN * (end - begin - 1)
    return "".join(shown), pairs


def _has_words(said: str) -> bool:
    return any(map(str.isalpha, _ADDRESS.sub("", said)))


def without_quotations(sentence: str) -> str:
    """A sentence without what is quoted in it.

    「はい」と答えた。 becomes 「」と答えた。; one that is nothing but a quotation is left as it is.
    """
    if "「" not in sentence and "『" not in sentence:
        return sentence
    pairs = _hide(sentence)[1]
    quoted = {n for b, e in pairs.items() if sentence[b] in "「『" for n in range(b + 1, e)}
    told = "".join(said for n, said in enumerate(sentence) if n not in quoted)
    return told if _has_words(told) else sentence


def without_remark(sentence: str) -> str:
    """A sentence without remarks in brackets and hashtags at its end: （祝日を除く）, #引退."""
    said = _HASHTAGS.sub("", sentence)
    while True:
        kept = _STOPS.sub("", said)
        pairs = _hide(kept)[1]
        begin = next((b for b, e in pairs.items() if e == len(kept) - 1), 0)
        if not begin or kept[begin] not in "（(":
            return said
        said = kept[:begin]
