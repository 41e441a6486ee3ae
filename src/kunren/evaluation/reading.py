"""Which facts a Japanese text states: numbers with units, dates, times, contacts, and names.

Every extractor takes what it has read off the text, so that nothing is read twice: 2024年10月 is a
year and a month and no quantity. ``docs/guide/text-metrics.md`` has how often it is right.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from kunren.evaluation import names, numerals
from kunren.evaluation.numerals import NUMBER, Unit, value_of

Kind = Literal["amount", "share", "quantity", "year", "date", "weekday", "time", "contact", "name"]

Numbers = tuple[Decimal | int | None, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a text states and that can be right or wrong.

    Attributes:
        kind: what it is.
        value: of a name or contact what it is compared by; "" of all others.
        numbers: of an amount, share or quantity (the number in ``unit``,); of a year (the Western
            one,); of a date (month, day), either may be None; of a time (minutes after midnight, 1
            where it may also be twelve hours later); of a weekday (0 for Monday,).
        unit: of a quantity what is counted, "" where nothing is said; of a name or contact what
            sort it is.
        surface: as it is written, after NFKC.
        denied: whether the text says that it is not so: 水曜ではありません.
        near: what else is said in the same clause.
    """

    kind: Kind
    value: str
    numbers: Numbers
    unit: str
    surface: str
    denied: bool = False
    near: frozenset[str] = frozenset()


_NUM = r"(?:\d{1,2}|[〇一二三四五六七八九十]{1,3})"
_ERAS = {"明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018}
"""Era → the Western year before its first."""

_CONTACT = re.compile(
    r"(?P<url>https?://[\w./?=&%#~:+-]+|www\.[\w./?=&%#~:+-]+)"
    r"|(?P<mail>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<post>〒?(?<!\d)\d{3}-\d{4}(?![\d-]))"
    r"|(?P<phone>(?<![\d-])0\d{1,4}[-(]\d{1,4}[-)]\d{3,4}(?!\d)|(?<!\d)0\d{9,10}(?!\d))",
    re.ASCII,
)
_YEAR = re.compile(
    rf"(?P<era>{'|'.join(_ERAS)})(?P<nth>元|{_NUM})年度?"
    r"|(?<![\d,.])(?P<year>[12]\d{3}|[一二][〇一二三四五六七八九]{3})年度?(?!間|前|後|以上)"
)
_SLASHED = re.compile(
    r"(?<![\d/.-])(?P<year>[12]\d{3})[/.-](?P<month>\d{1,2})[/.-](?P<day>\d{1,2})(?![\d/-])"
)
_DATE = re.compile(
    rf"(?<![\d,.])(?P<month>{_NUM})月(?:(?P<day>{_NUM})日(?!間))?(?!間)"
    rf"|毎月(?P<each>{_NUM})日"
)
_WEEKDAY = re.compile(
    r"(?P<name>[月火水木金土日])曜日?|(?P<both>土日)|\((?P<in>[月火水木金土日])\)"
    r"|(?P<listed>[月火水木金土日])(?=[・~〜、-][月火水木金土日]曜)"
)
_DAYS = "月火水木金土日"
_NOON = re.compile(r"正午")
_TIME = re.compile(
    rf"(?:(?P<half>午前|午後|朝|夜|夕方|深夜)の?)?(?<![\d:])(?P<hour>{_NUM})"
    rf"(?:時(?!間|期|点|代|刻|給|折|限)(?:(?P<minute>{_NUM})分|(?P<thirty>半))?"
    r"|:(?P<after>[0-5]\d)(?![\d:]))"
)
_BARE_HOUR = re.compile(rf"(?<![\d:.,])(?P<hour>{_NUM})(?=[~〜-]{_NUM}時(?!間))")
_LATE = {"午後", "夜", "夕方"}
_YEN = frozenset("¥\\")
_HALVES = {"半年": (Decimal(6), "月"), "半額": (Decimal(50), "%"), "半日": (Decimal("0.5"), "日")}
_HALF = re.compile("|".join(_HALVES))
_RANGE = re.compile(r"[~〜\-―–]|から")
_DENIED = re.compile(r"(?:では|じゃ)(?:な[いくか]|あり|ござい)")
_TAKEN = "\x1f"
_APPROXIMATE = frozenset("数何幾")


@lru_cache(maxsize=1 << 17)
def facts(text: str) -> tuple[Fact, ...]:
    """The facts of a text, each once, in the order in which they stand in it.

    Raises:
        RuntimeError: the dictionary that finds names cannot be read.
    """
    plain = unicodedata.normalize("NFKC", text)
    found: list[tuple[int, int, Fact]] = []
    left = names.without_numerals(plain, _TAKEN)
    for read in (_contacts, _years, _dates, _weekdays, _times, _quantities):
        for start, end, kind, value, unit in list(read(left)):
            said, numbers = (value, ()) if isinstance(value, str) else ("", value)
            surface = plain[start:end].strip("()")
            found.append((start, end, Fact(kind, said, numbers, unit, surface)))
            left = left[:start] + _TAKEN * (end - start) + left[end:]
    taken = frozenset(at for start, end, _ in found for at in range(start, end))
    for name in names.find(plain, taken):
        fact = Fact("name", names.key(name.surface), (), name.sort, name.surface)
        found.append((name.start, name.end, fact))
    placed: dict[tuple[object, ...], Fact] = {}
    for start, end, fact in sorted(found, key=lambda one: one[:2]):
        denied = _DENIED.match(plain, end) is not None
        stated = replace(fact, denied=denied, near=names.near(plain, start, end))
        placed.setdefault((fact.kind, fact.value, fact.numbers, fact.unit, denied), stated)
    return tuple(placed.values())


_Read = Iterator[tuple[int, int, Kind, str | Numbers, str]]


def _contacts(text: str) -> _Read:
    for found in _CONTACT.finditer(text):
        sort = str(found.lastgroup)
        said = found.group().rstrip(".")
        value = re.sub(r"\D", "", said) if sort in ("phone", "post") else said.casefold()
        yield found.start(), found.start() + len(said), "contact", value.rstrip("/"), sort


def _years(text: str) -> _Read:
    for found in _SLASHED.finditer(text):
        month, day = int(found["month"]), int(found["day"])
        if 1 <= month <= 12 and 1 <= day <= 31:
            yield (*found.span("year"), "year", (int(found["year"]),), "")
            yield found.end("year"), found.end(), "date", (month, day), ""
    for found in _YEAR.finditer(text):
        if found["era"]:
            nth = 1 if found["nth"] == "元" else _int(found["nth"])
            yield found.start(), found.end(), "year", (_ERAS[found["era"]] + nth,), ""
        else:
            yield found.start(), found.end(), "year", (_int(found["year"]),), ""


def _dates(text: str) -> _Read:
    for found in _DATE.finditer(text):
        month, day = found["month"], found["day"] or found["each"]
        value = (None if month is None else _int(month), None if day is None else _int(day))
        if (value[0] or 1) <= 12 and (value[1] or 1) <= 31:
            yield found.start(), found.end(), "date", value, ""


def _weekdays(text: str) -> _Read:
    for found in _WEEKDAY.finditer(text):
        if found["both"]:
            yield found.start(), found.start() + 1, "weekday", (_DAYS.index("土"),), ""
            yield found.start() + 1, found.end(), "weekday", (_DAYS.index("日"),), ""
        else:
            day = found[str(found.lastgroup)]
            yield found.start(), found.end(), "weekday", (_DAYS.index(day),), ""


def _times(text: str) -> _Read:
    for found in _NOON.finditer(text):
        yield found.start(), found.end(), "time", (720, 0), ""
    for found in _TIME.finditer(text):
        hour, half = _int(found["hour"]), found["half"]
        minute = 30 if found["thirty"] else _int(found["minute"] or found["after"] or "0")
        if found["hour"] == "一" and not half and found["minute"] is None and not found["thirty"]:
            continue  # 一時 is mostly "for a while"
        if hour > 24 or minute > 59:
            continue
        either = not half and 1 <= hour <= 12 and not found["after"]
        hour += 12 if half in _LATE and hour < 12 else 0
        yield found.start(), found.end(), "time", (hour * 60 + minute, int(either)), ""
    for found in _BARE_HOUR.finditer(text):
        hour = _int(found["hour"])
        yield found.start(), found.end(), "time", (hour * 60, int(hour <= 12)), ""


def _quantities(text: str) -> _Read:
    for found in _HALF.finditer(text):
        half, of = _HALVES[found.group()]
        yield found.start(), found.end(), _kind(of), (half,), of
    shared: Unit | None = None
    for found in reversed(list(NUMBER.finditer(text))):
        said = found.group()
        before = text[found.start() - 1 : found.start()]
        if len(said) > numerals.LONGEST or before in _APPROXIMATE or _in_word(before):
            continue
        value = value_of(said)
        unit, end = numerals.unit_at(text, found.end())
        if unit is None and _RANGE.match(text, found.end()):
            unit = shared
        shared = unit
        start = found.start()
        if unit is None and before in _YEN:
            unit, start = Unit("円"), start - 1
        if not numerals.counts(said, unit, text, start):
            continue
        if text[end : end + 1] == "半" and unit is not None and unit.name in ("月", "分"):
            value, end = value + Decimal("0.5"), end + 1
        name = "" if unit is None else unit.name
        factor = Decimal(1) if unit is None else unit.factor
        yield start, end, _kind(name), ((value * factor).normalize(),), name


def _in_word(before: str) -> bool:
    """Whether a number goes on something else: A4, 2.0.1."""
    return bool(before) and ((before.isascii() and before.isalnum()) or before in "._")


def _kind(unit: str) -> Kind:
    if unit in ("円", "ドル", "ユーロ"):
        return "amount"
    return "share" if unit == "%" else "quantity"


def _int(number: str) -> int:
    return int(value_of(number))
