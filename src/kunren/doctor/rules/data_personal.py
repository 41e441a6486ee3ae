"""What the data tells: personal data in it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence

import regex

from kunren.data import audit
from kunren.doctor.evidence import Finding
from kunren.doctor.rules.wording import SHOWN, listed, places
from kunren.messages import text
from kunren.types import Row

Rows = Mapping[str, Sequence[Row]]

CHANCE = 0.001
"""Numbers that merely look like a card or a My Number pass the check digit once in ten: so few by
chance that it is none."""

_WORTH = regex.compile(r"[@＠]|(?:\d\D{0,3}){9}|[都道府県][^\n]{1,14}[市区町村郡]")
"""What a text must have to be looked at."""

_HYPHEN = regex.compile(r"(?<=[\d)])[‐‑‒–—―−ー](?=[\d(])")
_DASH = r"[- ]?"
_MAIL = regex.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}", regex.ASCII
)
_RESERVED = regex.compile(r"(?:[@.])example(?:\.\w+)*$|\.(?:example|invalid|test|localhost)$")
_MOBILE = regex.compile(
    rf"(?<![\d-])(?:0|\+81{_DASH}\(?0?\)?)[789]0{_DASH}\d{{4}}{_DASH}\d{{4}}(?![\d-])"
)
_PHONE = regex.compile(
    r"(?<![\d-])(?:\(0\d{1,4}\) ?|0\d{1,4}[-(])\d{1,4}[-)]\d{3,4}(?![\d-])"
    r"|\+81[- ]?\d{1,4}[- ]\d{1,4}[- ]\d{3,4}(?![\d-])"
)
_FREE = ("0120", "0800", "0570", "0990")
_TWELVE = regex.compile(r"(?<![\d-])\d{4}[- ]?\d{4}[- ]?\d{4}(?![\d-])")
_CARD = regex.compile(
    r"(?<![\d-])(?:(?:4|5[1-5]|2[2-7]|35|6[05])\d{2,3}[- ]?\d{4}[- ]?\d{4}[- ]?\d{4}"
    r"|3[47]\d{2}[- ]?\d{6}[- ]?\d{5}|3[068]\d{2}[- ]?\d{6}[- ]?\d{4})(?![\d-])"
)
_PREFECTURE = (
    r"(?:北海道|東京都|(?:京都|大阪)府|(?:青森|岩手|宮城|秋田|山形|福島|茨城|栃木|群馬|埼玉|千葉|神奈川|新潟|"
    r"富山|石川|福井|山梨|長野|岐阜|静岡|愛知|三重|滋賀|兵庫|奈良|和歌山|鳥取|島根|岡山|広島|山口|徳島|香川|"
    r"愛媛|高知|福岡|佐賀|長崎|熊本|大分|宮崎|鹿児島|沖縄)県)"
)
_NUMBER = r"[\d一二三四五六七八九十]{1,4}"
_ADDRESS = regex.compile(
    rf"{_PREFECTURE}\s?[^\s\d、。「」]{{1,12}}?[市区町村郡][^\s\d、。「」]{{0,15}}?"
    rf"{_NUMBER}(?:丁目|番地?|号|-\d)[\d丁目番地号の-]*"
)
_MY_NUMBER = regex.compile(r"マイナンバー|個人番号")
_CARD_WORD = regex.compile(r"カード|クレジット|VISA|Visa|Mastercard|JCB|AMEX")

SENSITIVE = ("my-number", "card", "mail", "mobile")
"""What belongs to one person nearly always; phones and addresses may be a company's."""


def personal_data(rows: Rows, *, chance: float = CHANCE) -> Finding | None:
    """Rows have personal data in them.

    個人情報らしいものが含まれています。

    何を見るか:
        電話番号、メールアドレス、番地まである住所、クレジットカード番号、マイナンバー。
        全角の数字やハイフンも読みます。カード番号とマイナンバーは検査用数字 (Luhn、
        総務省令) で確かめ、桁数が同じだけの番号 (荷物の追跡番号など) と区別します。
        0120 などの番号と example.com などの見本は数えません。値は伏せて表示します。

    なぜ問題か:
        モデルは学習した文をそのまま出すことがあり、小さいデータを何エポックも学習すると
        覚えやすくなります。重みからは消せません。個人情報保護法では、利用目的と
        第三者提供が問題になります。マイナンバーは目的外の利用自体が禁じられています。

    例:
        問い合わせの記録から QA を作ったところ、「０９０−１２３４−…に折り返しを」という
        文が 20 件残っていた。

    対処:
        学習の前に、伏せ字か架空の値 (example.com、0120 など) に置き換えてください。
        会社の代表番号など公開してよいものなら、`doctor.ignore` に理由を書いてください。

    What it sees:
        Phone numbers, mail addresses, postal addresses with a house number, card numbers and My
        Numbers, also in full-width digits. Card and My Numbers are confirmed by their check digits
        (Luhn; the ministry's ordinance), so that parcel numbers of as many digits are not taken for
        them. Toll-free numbers and samples such as example.com do not count. Values are masked.

    Why it matters:
        A model may repeat what it was trained on, the more so after many epochs on few rows, and
        weights cannot be made to forget. The law asks what it is used for and who gets it; a My
        Number must not be used for anything else at all.

    For example:
        QA rows made from support mails kept the sentence "call me back at 090-1234-…" 20 times.

    What to do:
        Replace them before training, by masks or by fictional values. If they are public, as a
        company's number is, say so in `doctor.ignore`.
    """
    everything = audit.everything(rows)
    found: dict[str, list[tuple[Row, str]]] = {}
    for row in everything:
        said = "\n".join(m.content for m in row.messages)
        for kind, value in _personal(said):
            found.setdefault(kind, []).append((row, value))
    _drop_chance(found, chance)
    if not found:
        return None
    order = [kind for kind in (*SENSITIVE, "phone", "address") if kind in found]
    affected = {row.id: row for kind in order for row, _ in found[kind]}
    parts = [
        text(
            f"rules_data.personal-data-{kind}",
            count=len(found[kind]),
            values=listed(dict.fromkeys(_masked(kind, v) for _, v in found[kind][:SHOWN])),
        )
        for kind in order
    ]
    said = text(
        "rules_data.personal-data",
        count=len(affected),
        rows=len(everything),
        found=text("rules_data.between").join(parts),
        places=places(affected.values()),
    )
    evidence = {"rows": len(everything), "with": len(affected)} | {k: len(found[k]) for k in order}
    severe = any(kind in SENSITIVE for kind in order)
    return Finding("warning" if severe else "info", said, evidence)


def _personal(said: str) -> Iterator[tuple[str, str]]:
    """What looks personal in a text: kind and value. ``maybe-`` kinds need more than one."""
    if _WORTH.search(said) is None:
        return
    plain = _HYPHEN.sub("-", unicodedata.normalize("NFKC", said))
    if "@" in plain:
        for match in _MAIL.finditer(plain):
            if not _RESERVED.search(match.group().lower()):
                yield "mail", match.group()
    if sum(map(str.isdigit, plain)) >= 9:
        yield from _numbers(plain)
    for match in _ADDRESS.finditer(plain):
        yield "address", match.group()


def _numbers(plain: str) -> Iterator[tuple[str, str]]:
    for match in _MOBILE.finditer(plain):
        yield "mobile", match.group()
    for match in _PHONE.finditer(plain):
        digits = _digits(match.group())
        if not digits.startswith(_FREE) and (len(digits) == 10 or match.group().startswith("+")):
            yield "phone", match.group()
    for match in _CARD.finditer(plain):
        grouped = not match.group().isdigit() or _CARD_WORD.search(plain) is not None
        valid = luhn(_digits(match.group()))
        if grouped and valid:
            yield "card", match.group()
        elif not grouped:
            yield ("maybe-card" if valid else "no-card"), match.group()
    for match in _TWELVE.finditer(plain):
        valid = is_my_number(_digits(match.group()))
        if valid and _MY_NUMBER.search(plain):
            yield "my-number", match.group()
        elif not _MY_NUMBER.search(plain):
            yield ("maybe-my-number" if valid else "no-my-number"), match.group()


def _drop_chance(found: dict[str, list[tuple[Row, str]]], chance: float) -> None:
    """Keep bare numbers only if more of them have the right check digit than chance gives."""
    for kind, rate in (("card", 1 / 10), ("my-number", 1 / 10)):
        valid, wrong = found.pop(f"maybe-{kind}", []), found.pop(f"no-{kind}", [])
        values = {_digits(value) for _, value in valid}
        others = {_digits(value) for _, value in wrong}
        n = len(values) + len(others)
        if values and _at_least(len(values), n, rate) < chance:
            found.setdefault(kind, []).extend(valid)


def _at_least(hits: int, n: int, rate: float) -> float:
    """Chance of that many or more hits: the tail of the binomial."""
    if hits <= n * rate:
        return 1.0
    if n > 500:
        z = (hits - 0.5 - n * rate) / math.sqrt(n * rate * (1 - rate))
        return math.erfc(z / math.sqrt(2)) / 2
    return sum(math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(hits, n + 1))


def luhn(digits: str) -> bool:
    """Whether a card number's last digit is right (ISO/IEC 7812-1, annex B)."""
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0 and len(set(digits)) > 1


def is_my_number(digits: str) -> bool:
    """Whether a My Number's last digit is right.

    11 - (sum of P x Q mod 11), and 0 where that remainder is 0 or 1; P are the digits from the
    right, Q is 2 to 7 and then 2 to 6 (Ordinance 85 of 2014 of the Ministry of Internal Affairs and
    Communications, article 5).
    """
    total = sum(int(d) * (n + 1 if n <= 6 else n - 5) for n, d in enumerate(digits[10::-1], 1))
    rest = total % 11
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest) and len(set(digits)) > 1


def _digits(value: str) -> str:
    return "".join(c for c in value if c.isdigit())


def _masked(kind: str, value: str) -> str:
    """A value that can be recognised by who knows it, and by nobody else."""
    hide: Callable[[str], str] = lambda part: "".join("*" if c.isalnum() else c for c in part)  # noqa: E731
    if kind == "mail":
        name, _, host = value.partition("@")
        return f"{name[0]}***@{host[0]}***"
    if kind == "address":
        found = regex.match(rf"{_PREFECTURE}", value)
        return f"{found.group() if found else ''}***"
    shown = 0 if kind == "my-number" else 3
    return value[:shown] + hide(value[shown:])
