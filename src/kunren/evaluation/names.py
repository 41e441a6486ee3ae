"""Proper names in Japanese text: people, places, organisations, products."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

from kunren.evaluation.words import Word, words

_PROPER = ("名詞", "固有名詞")
_SORTS = {"人名": "person", "地名": "place", "組織名": "organisation"}
_INSTITUTIONS = frozenset((
    "会社", "商会", "商店", "商事", "製作", "工房", "工業", "産業", "建設", "銀行", "大学", "高校",
    "病院", "駅", "店", "本店", "支店", "営業", "支社", "工場", "館", "美術", "博物", "図書",
    "センター", "ホール", "ホテル", "ビル", "空港", "港", "公園", "神社", "寺", "橋", "線", "協会",
    "組合", "新聞", "放送", "出版", "書店", "薬局", "食品", "電機", "電気", "製薬", "運輸", "交通",
    "不動産", "ショールーム", "通り",
))  # fmt: skip
"""A noun that makes the nouns around it the name of an institution."""

_FORMS = ("株式会社", "有限会社", "合同会社", "一般社団法人", "(株)", "(有)")
_MADE = frozenset("用製産式系内外的分前後側発着行")
"""What makes another word of a name: 浦守用, 日本製."""

_DIVISIONS = frozenset("都道府県市区町村郡")
_OF_SPEECH = frozenset(("は", "が", "を", "に", "へ", "で", "も", "か", "よ", "ね"))
_TITLES = frozenset(("様", "さん", "氏", "君", "ちゃん", "社長", "部長", "課長", "先生"))
_KATAKANA = re.compile(r"[ァ-ヴー・]+")
_LATIN = re.compile(r"[A-Z][\w.&+'-]*(?: [A-Z][\w.&+'-]*)*|[a-z]+[A-Z]\w*", re.ASCII)
_NUMERAL = re.compile("[〇一二三四五六七八九十百千万億]")
_QUOTED = re.compile(r"[「『]([^「」『』、。\s]{2,20})[」』]")
_CLAUSE = re.compile(r"[、。,\n!?()]")
_CONTENT = frozenset(("名詞", "動詞", "形容詞", "形状詞"))
_EMPTY = frozenset(("為る", "居る", "有る", "成る", "御座る", "致す", "頂く", "下さる", "事", "物"))
"""Verbs and nouns that say nothing of what a clause is about."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name and where it stands. ``sort``: person, place, organisation, or other."""

    start: int
    end: int
    surface: str
    sort: str


_Placed = tuple[tuple[int, int, Word], ...]


@lru_cache(maxsize=64)
def _placed(text: str) -> _Placed:
    """The words of a text with where they stand."""
    found, at = [], 0
    for word in words(text):
        at = text.index(word.surface, at)
        found.append((at, at + len(word.surface), word))
        at += len(word.surface)
    return tuple(found)


def key(name: str) -> str:
    """What two names are compared by: without case, white space and middle dots."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(plain.split()).replace("・", "")


def without_numerals(text: str, by: str) -> str:
    """A text of the same length in which ``by`` stands for the kanji digits of names: 六本木."""
    for start, end, word in _placed(text):
        if word.pos[:2] == _PROPER and end - start > 1 and _NUMERAL.search(word.surface):
            text = text[:start] + _NUMERAL.sub(by, word.surface) + text[end:]
    return text


def find(text: str, taken: Collection[int]) -> Iterator[Name]:
    """The names of a text after NFKC.

    Args:
        text: the text.
        taken: places of characters that are part of another fact.
    """
    used: set[int] = set(taken)

    def free(start: int, end: int) -> bool:
        return used.isdisjoint(range(start, end))

    for name in (*_quoted(text), *_runs(text, used), *_katakana(text), *_latin(text)):
        if free(name.start, name.end):
            used.update(range(name.start, name.end))
            yield name


def _quoted(text: str) -> Iterator[Name]:
    """What is put in 「」 and reads as a noun: names of products, shops and works."""
    for found in _QUOTED.finditer(text):
        start, end = _bare(text, found.start(1), found.end(1))
        inside = [word for at, _, word in _placed(text) if start <= at < end]
        speech = any(w.pos[0] in ("助動詞", "感動詞") or w.surface in _OF_SPEECH for w in inside)
        if inside and inside[-1].pos[0] in ("名詞", "接尾辞") and not speech:
            yield Name(start, end, text[start:end], "other")


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """A name without its legal form: 株式会社."""
    for form in _FORMS:
        if end - start > len(form):
            start += len(form) if text.startswith(form, start) else 0
            end -= len(form) if text.endswith(form, start, end) else 0
    return start, end


def _runs(text: str, taken: Collection[int]) -> Iterator[Name]:
    """Runs of nouns in which the dictionary knows a proper one."""
    run: list[tuple[int, int, Word]] = []
    for start, end, word in (*_placed(text), (len(text) + 1, len(text) + 1, None)):
        joins = word is not None and start not in taken and (not run or run[-1][1] == start)
        if word is not None and joins and _nominal(word):
            run.append((start, end, word))
            if word.surface in _DIVISIONS:
                yield from _of_run(text, run)
                run = []
            continue
        yield from _of_run(text, run)
        run = []
        if word is not None and start not in taken and _nominal(word):
            run = [(start, end, word)]


def _nominal(word: Word) -> bool:
    if word.surface in _TITLES:
        return False
    if word.surface in ("ヶ", "ケ", "ノ", "之"):
        return True
    if word.pos[:2] == ("名詞", "数詞") or "副詞可能" in word.pos:
        return False
    return word.pos[0] == "名詞" or word.pos[:2] == ("接尾辞", "名詞的") or word.pos[0] == "接頭辞"


def _of_run(text: str, run: list[tuple[int, int, Word]]) -> Iterator[Name]:
    proper = [n for n, (_, _, word) in enumerate(run) if word.pos[:2] == _PROPER]
    if not proper:
        return
    first, last = proper[0], proper[-1]
    divided = run[-1][2].surface in _DIVISIONS and len(run) > 1
    institution = any(word.surface in _INSTITUTIONS for _, _, word in run)
    if institution and not divided:
        first, last = 0, len(run) - 1
    else:
        while first and _one_kanji(run[first - 1][2]):
            first -= 1
        while last + 1 < len(run) and _one_kanji(run[last + 1][2]):
            last += 1
        if divided and last == len(run) - 1:
            last -= 1
    start, end = run[first][0], run[last][1]
    start, end = _bare(text, start, end)
    if end - start < 2 and not divided:
        return
    sorts = [_SORTS.get(run[n][2].pos[2], "other") for n in proper if len(run[n][2].pos) > 2]
    sort = "organisation" if institution else "place" if divided else (sorts or ["other"])[-1]
    if end > start:
        yield Name(start, end, text[start:end], sort)


def _one_kanji(word: Word) -> bool:
    """One character, which the dictionary may have cut off a name that it does not know."""
    alone = len(word.surface) == 1 and word.pos[0] != "接頭辞"
    return alone and word.surface not in _DIVISIONS | _MADE


def _katakana(text: str) -> Iterator[Name]:
    """Katakana words that the dictionary lacks, and terms of two and more."""
    run: list[tuple[int, int, Word]] = []
    for start, end, word in (*_placed(text), (len(text) + 1, len(text) + 1, None)):
        in_katakana = word is not None and _KATAKANA.fullmatch(word.surface) is not None
        if word is not None and in_katakana and (not run or run[-1][1] == start):
            run.append((start, end, word))
            continue
        if run:
            said = text[run[0][0] : run[-1][1]]
            unknown = any(w.lemma == w.surface and len(w.surface) > 2 for _, _, w in run)
            if (len(run) > 1 and len(said) >= 6) or unknown:
                yield Name(run[0][0], run[-1][1], said, "other")
        run = [(start, end, word)] if word is not None and in_katakana else []


def _latin(text: str) -> Iterator[Name]:
    for found in _LATIN.finditer(text):
        said = found.group().rstrip(".-'")
        if len(said) > 1:
            yield Name(found.start(), found.start() + len(said), said, "other")


def near(text: str, start: int, end: int) -> frozenset[str]:
    """What the clause around a place is about: dictionary entries of its content words."""
    before = [m.end() for m in _CLAUSE.finditer(text, 0, start)]
    after = _CLAUSE.search(text, end)
    first, last = (before[-1] if before else 0), (after.start() if after else len(text))
    return frozenset(
        lemma
        for at, stop, lemma in _contents(text)
        if first <= at and stop <= last and (stop <= start or at >= end)
    )


@lru_cache(maxsize=64)
def _contents(text: str) -> tuple[tuple[int, int, str], ...]:
    """The dictionary entries of the content words of a text, with where they stand."""
    return tuple(
        (start, end, word.lemma)
        for start, end, word in _placed(text)
        if word.pos[0] in _CONTENT and word.pos[:2] != ("名詞", "数詞")
        and word.lemma not in _EMPTY
    )  # fmt: skip
