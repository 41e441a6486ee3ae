"""Japanese numbers and units: 1億2,000万円, 三百二十名, 2時間半 as values that can be compared.

For texts after NFKC, in which digits, commas and signs are half-width.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_PLACES = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = {"万": 10**4, "億": 10**8, "兆": 10**12}
_KANJI = {character: value for value, character in enumerate("〇一二三四五六七八九")} | {"零": 0}

NUMBER = re.compile(
    rf"(?:{_DIGITS}[十百千]?|[{''.join(_KANJI)}十百千])(?:{_DIGITS}|[万億兆十百千{''.join(_KANJI)}])*"
)
"""A number as far as it goes; ``value_of`` reads it."""

_TOKEN = re.compile(rf"{_DIGITS}|.")

LONGEST = 40
"""Characters of a number beyond which it is none that anyone means."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure.

    Attributes:
        name: of the unit that it is counted in: 60分 and 1時間 are both 60 分.
        factor: how many of that it is.
    """

    name: str
    factor: Decimal = Decimal(1)


_ALIKE: dict[str, tuple[tuple[str, str], ...]] = {
    "円": (("円", "1"),),
    "%": (("%", "1"), ("パーセント", "1"), ("割", "10")),
    "日": (("日間", "1"), ("日", "1"), ("週間", "7"), ("週", "7")),
    "月": (
        *((f"{sign}月{end}", "1") for sign in "かカヶケヵ箇個" for end in ("間", "")),
        ("年間", "12"), ("年", "12"),
    ),
    "分": (("分間", "1"), ("分", "1"), ("時間", "60")),
    "秒": (("秒間", "1"), ("秒", "1")),
    "人": (("名様", "1"), ("名", "1"), ("人", "1")),
    "個": (("個", "1"), ("つ", "1")),
    "種類": (("種類", "1"), ("種", "1")),
    "店舗": (("店舗", "1"), ("店", "1")),
    "か所": tuple((f"{sign}所", "1") for sign in "かカヶケヵ箇個"),
    "か国": tuple((f"{sign}国", "1") for sign in "かカヶケヵ箇"),
    "歳": (("歳", "1"), ("才", "1")),
    "番": (("番地", "1"), ("番", "1")),
    "mm": (
        ("mm", "1"), ("ミリメートル", "1"), ("ミリ", "1"), ("cm", "10"), ("センチメートル", "10"),
        ("センチ", "10"), ("km", "1000000"), ("キロメートル", "1000000"), ("メートル", "1000"),
        ("m", "1000"),
    ),
    "m2": (("m2", "1"), ("平方メートル", "1"), ("平米", "1")),
    "g": (
        ("kg", "1000"), ("キログラム", "1000"), ("グラム", "1"), ("g", "1"), ("トン", "1000000"),
        ("t", "1000000"),
    ),
    "ml": (("ml", "1"), ("ミリリットル", "1"), ("リットル", "1000"), ("L", "1000")),
    "MB": (("MB", "1"), ("GB", "1024"), ("TB", "1048576")),
    "W": (("kW", "1000"), ("W", "1"), ("ワット", "1")),
    "V": (("V", "1"), ("ボルト", "1")),
    "°C": (("°C", "1"), ("度", "1")),
}  # fmt: skip
"""Unit to count in → how it and its multiples are written."""

_ALONE = (
    "営業日", "件", "台", "本", "枚", "回", "点", "社", "階", "丁目", "号", "組", "冊", "箱", "袋",
    "席", "室", "校", "拠点", "代目", "年目", "年生", "人前", "人以上", "文字", "灯", "泊", "食",
    "口", "倍", "ドル", "ユーロ", "ポイント", "坪", "畳", "インチ", "キロ", "行", "ページ", "車両",
    "両", "通", "着", "足", "杯", "匹", "頭", "軒", "棟", "戸", "世帯", "時限", "単位", "分の",
)  # fmt: skip

UNITS: dict[str, Unit] = {
    written: Unit(name, Decimal(factor))
    for name, all_of in _ALIKE.items()
    for written, factor in all_of
} | {written: Unit(written) for written in _ALONE}

_UNIT = re.compile("|".join(sorted(map(re.escape, UNITS), key=lambda unit: (-len(unit), unit))))
_LATIN = re.compile(r"[A-Za-z]")

_ONE = frozenset(("円", "%", "月", "日", "分", "人", "階", "丁目", "倍", "代目"))
"""Units with which a lone 一 counts something; with the others it is mostly part of a word: 一番,
一つずつ, 一回り."""

_WORDS = re.compile(
    r"二つと(?=[なごあは])|二度と|一人(?:一人|ひとり|前)|(?<=一人)一人|一日(?!間)|一年中|一時間(?=ごと)|一部|一番|十分(?!間|以内|ほど|程度|前|後)"
)
"""Words that only look like a number with its unit."""


def value_of(number: str) -> Decimal:
    """What a match of ``NUMBER`` means: 1億2,000万 → 120000000, 二〇二四 → 2024, 三百 → 300."""
    total = section = Decimal(0)
    last: Decimal | None = None
    for token in _TOKEN.findall(number):
        if token in _PLACES:
            section += (Decimal(1) if last is None else last) * _PLACES[token]
            last = None
        elif token in _MYRIADS:
            section += last or 0
            total += (section or Decimal(1)) * _MYRIADS[token]
            section, last = Decimal(0), None
        elif token in _KANJI:
            last = (last or Decimal(0)) * 10 + _KANJI[token]
        else:
            last = Decimal(token.replace(",", ""))
    return total + section + (last or 0)


def is_kanji(number: str) -> bool:
    """Whether a number is written without any digit."""
    return not any(character.isascii() for character in number)


def unit_at(text: str, at: int) -> tuple[Unit | None, int]:
    """The unit that stands at a place of a text, and where it ends.

    One in Latin letters has no further letter behind it: 5m is a length, 5min is not.
    """
    found = _UNIT.match(text, at)
    if found is None:
        return None, at
    latin = found.group()[-1].isascii() and found.group()[-1].isalpha()
    if latin and _LATIN.match(text, found.end()):
        return None, at
    return UNITS[found.group()], found.end()


def counts(number: str, unit: Unit | None, text: str, at: int) -> bool:
    """Whether a number counts something, or is only part of a word that is written with one.

    Args:
        number: as written.
        unit: what follows it.
        text: the text.
        at: where the number begins.
    """
    if not is_kanji(number):
        return True
    if unit is None or _WORDS.match(text, at):
        return False
    return value_of(number) != 1 or unit.name in _ONE
