"""What separates the labels of one cell, seen from all cells of a column.

``悲しみ;驚き`` could be one label. That it is two shows in the column: nearly all cells hold the
mark, and what stands between the marks comes again in other rows.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from kunren.config.schema import Labels
from kunren.data.normalize import is_blank
from kunren.data.records import LIST_SEPARATOR

COMMAS = "commas"
_COMMAS = ",、，､"

_BLANK = ("\t", "\n")

_MOST = 0.5
"""Share of cells with a mark from which on it is the rule and not a part of some names."""

_REPEATED = 0.8
"""Share of what stands between the marks that must come again in another row."""

_JAPANESE = re.compile(r"[ぁ-ゖァ-ヺー一-鿿々]")


@dataclass(frozen=True, slots=True)
class Separator:
    """A mark between labels.

    Attributes:
        name: which one.
        written: as it stands in the column most often, in the form that the config takes.
        cells: how many cells hold it.
    """

    name: str
    written: str
    cells: int


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    marks: str
    in_names: bool
    """Whether names may well hold it: 国際/政治, New York."""


_KINDS = (
    _Kind("tab", "\t", in_names=False),
    _Kind("lines", "\n", in_names=False),
    _Kind("semicolons", ";；", in_names=False),
    _Kind("bars", "|｜", in_names=False),
    _Kind(COMMAS, _COMMAS, in_names=False),
    _Kind("slashes", "／/", in_names=True),
    _Kind("spaces", " \u3000", in_names=True),
)


def separator_of(cells: Mapping[str, int]) -> Separator | None:
    """What separates labels in cells that are none of them empty; None: nothing that shows.

    A mark that names do not hold counts where most cells hold it, or where most of what it
    separates comes again in another row. Slashes and spaces stand in names too: most cells must
    hold them, and what they separate must not be fixed to its place, as the levels of a path and
    the words of a name are (``New York``); between Japanese words, where names hold no space, it is
    enough that they come again. Of several such marks the one in most cells counts.

    Args:
        cells: how often each occurs.
    """
    plain = [found for kind in _KINDS if not kind.in_names and (found := _fitting(kind, cells))]
    if plain:
        return max(plain, key=lambda found: found.cells)
    named = (_fitting(kind, cells) for kind in _KINDS if kind.in_names)
    return next((found for found in named if found is not None), None)


def _fitting(kind: _Kind, cells: Mapping[str, int]) -> Separator | None:
    """The separator of a kind, if cells show that it is one."""
    pattern = re.compile(f"[{re.escape(kind.marks)}]")
    parted = {cell: [p for p in map(str.strip, pattern.split(cell)) if p] for cell in cells}
    several = {cell: pieces for cell, pieces in parted.items() if len(pieces) > 1}
    if not several:
        return None
    rows: Counter[str] = Counter()
    for cell, pieces in parted.items():
        rows.update(dict.fromkeys(pieces, cells[cell]))
    between = [(piece, cells[cell]) for cell, pieces in several.items() for piece in pieces]
    total = sum(count for _, count in between)
    again = sum(count for piece, count in between if rows[piece] > 1) / total
    holding = sum(cells[cell] for cell in several)
    most = holding >= _MOST * sum(cells.values())
    if not kind.in_names:
        fits = most or again >= _MOST
    elif again < _REPEATED:
        fits = False
    else:
        found = list(several.values())
        moving = _moves(list(parted.values()), found)
        japanese = kind.name == "spaces" and all(_JAPANESE.search(piece) for piece, _ in between)
        lone = kind.name == "slashes" and not _is_tree(found)
        fits = moving or (most and (japanese or lone))
    if not fits:
        return None
    marks: Counter[str] = Counter()
    for cell in several:
        marks.update(dict.fromkeys(pattern.findall(cell), cells[cell]))
    written = unicodedata.normalize("NFKC", marks.most_common(1)[0][0])
    return Separator(kind.name, written, holding)


def _moves(parted: Sequence[Sequence[str]], several: Sequence[Sequence[str]]) -> bool:
    """Whether nearly every piece stands alone somewhere, or in different company."""
    alone = {pieces[0] for pieces in parted if len(pieces) == 1}
    company: dict[str, set[str]] = {}
    for pieces in several:
        for piece in pieces:
            company.setdefault(piece, set()).update(other for other in pieces if other != piece)
    free = [piece for piece, others in company.items() if piece in alone or len(others) > 1]
    return len(free) >= 0.9 * len(company) and not _is_tree(several)


def _is_tree(several: Sequence[Sequence[str]]) -> bool:
    """Whether pieces keep to their place and branch: the levels of paths."""
    places: dict[str, set[int]] = {}
    below: dict[str, set[str]] = {}
    for pieces in several:
        for place, piece in enumerate(pieces):
            places.setdefault(piece, set()).add(place)
        for upper, lower in pairwise(pieces):
            below.setdefault(upper, set()).add(lower)
    fixed = all(len(found) == 1 for found in places.values())
    return fixed and any(len(found) > 1 for found in below.values())


@lru_cache(maxsize=64)
def _pattern(separator: str | None) -> re.Pattern[str]:
    if separator is None:
        return re.compile(f"[{_COMMAS}]")
    if separator in _BLANK:  # a model writes a comma, as its tokenizer may make a space of it
        return re.compile(f"[{separator}{_COMMAS}]")
    if not separator.strip():
        return re.compile(r"\s+")
    mark = separator.strip()
    if len(mark) > 1:
        return re.compile(re.escape(mark))
    return re.compile(f"[{re.escape(''.join(_widths(mark)))}]")


def _widths(mark: str) -> list[str]:
    """A character in full and half width."""
    narrow = unicodedata.normalize("NFKC", mark)
    wide = chr(ord(narrow) + 0xFEE0) if len(narrow) == 1 and "!" <= narrow <= "~" else narrow
    half = {"、": "､", "・": "･", "。": "｡"}.get(narrow, narrow)
    return list(dict.fromkeys((mark, narrow, wide, half)))


def pieces_of(answer: str, labels: Labels) -> list[str]:
    """The pieces of an answer of text labels, by the config's separator, without outer space."""
    if LIST_SEPARATOR in answer:
        parts = answer.split(LIST_SEPARATOR)
    else:
        parts = _pattern(labels.separator).split(answer)
    return [part.strip() for part in parts if not is_blank(part)]


def between(separator: str | None) -> str:
    """What is written between two labels of text."""
    if separator is None or separator in _BLANK:
        return "、"
    return f"{separator} " if separator in (",", ";") else separator
