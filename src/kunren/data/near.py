"""Rows that ask nearly the same: what that is, and finding them among many rows.

Two questions are near-duplicates if their *forms* (what the user says, without decoration) are
equal, or if both forms have at least ``SHORT`` characters and at most one character in ten
differs (normalised Levenshtein similarity of at least ``NEAR``).

Pairs are found by an exact filter (Xiao, Wang & Lin 2008, "Ed-Join"): texts that differ by few
edits share one of their rarest n-grams. So nearly every row is compared with a handful of others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise, takewhile
from typing import Any

import numpy as np
import numpy.typing as npt
import regex
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from kunren.data.normalize import normalize
from kunren.types import Row

NEAR = 0.9
"""The similarity from which on forms are near: 1 - edits / length of the longer."""

SHORT = 20
"""Characters below which a form has no near ones but its equals: in 「今日は良い天気です」 a word
is a tenth of the text, and another word there is another statement."""

LONGEST = 400
"""Characters of a form that are compared; of longer ones the first and the last half of these."""

FRAME = 20
"""Different forms from which on what all of them begin or end with is left out: an instruction that
every row repeats makes no two of them alike."""

_TENTH = 10
"""One edit is allowed for so many characters: 1 / (1 - ``NEAR``)."""

_GRAM = 3
_LEAST_BUCKETS, _MOST_BUCKETS = 1 << 12, 1 << 22
_WINDOW = 16
"""With how many of the rows that share a rare n-gram each row is compared: the next ones in the
order of their forms. No pair is missed unless more share it. It bounds the work, and the memory,
where thousands of rows are of one template."""

_CHUNK = 1 << 18
_BITS = 62
_BLOCK = 1 << 16

_SOURCE = regex.compile(r"^rt\s*@\w+\s*:?|https?://\S+|@\w+")
_MARK = r"[\p{P}\p{So}\p{Sk}\p{Z}\p{C}\p{M}~→←]+"
_DECORATION = regex.compile(rf"(?<!\d){_MARK}|{_MARK}(?!\d)")
_ENDING = regex.compile(r"(?<=..)(?:[よねなわぞさ]ー*|w|笑|ーー+)+$")
_REPEATED = regex.compile(r"(\D)\1{2,}|(ー)ー+")
_MAY_REPEAT = re.compile(r"(.)\1\1|ーー", re.DOTALL)
"""Found far sooner, where the other is not."""
_NUMBER = regex.compile(r"\d+(?:[.,:/-]\d+)*")

_Numbers = npt.NDArray[np.int64]
_Links = tuple[tuple[int, int, float], ...]


@dataclass(frozen=True, slots=True)
class Near:
    """Which of some rows are near-duplicates.

    Attributes:
        forms: for each row, the number of its form; rows of equal forms are near-duplicates.
        links: pairs of numbers of other forms that are near, the smaller number first, with their
            similarity in [``NEAR``, 1]; the most similar first.
        like: the same by form: number → numbers and similarities.
    """

    forms: tuple[int, ...]
    links: tuple[tuple[int, int, float], ...]
    like: Mapping[int, Sequence[tuple[int, float]]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two rows that are near-duplicates, and the similarity of their forms in [``NEAR``, 1]."""

    first: Row
    second: Row
    similarity: float


def form(row: Row) -> str:
    """What the user says in a row, as it is compared with others.

    Normalised, and without what people change when they repeat something: emoji, punctuation,
    spaces, letters repeated for emphasis, addressees and links, and よ, ね and the like at the end.
    In a text that has ``SHORT`` other characters all numbers count as the same. A text of nothing
    but such decoration is its own form.
    """
    return _form("\n".join(m.content for m in row.messages if m.role == "user"))


@lru_cache(maxsize=1 << 18)
def _form(asked: str) -> str:
    said = normalize(asked)
    bare = _ENDING.sub("", _DECORATION.sub("", _SOURCE.sub("", said)))
    if _MAY_REPEAT.search(bare):
        bare = _REPEATED.sub(r"\1\2", bare)
    masked = _NUMBER.sub("0", bare)
    return (masked if len(masked) - masked.count("0") >= SHORT else bare) or said


def near(rows: Sequence[Row]) -> Near:
    """Find the near-duplicates among rows; neither their order nor their ids matter.

    Time and memory grow with the characters of all rows, not with the square of their number.
    """
    made = [form(row) for row in rows]
    texts = tuple(sorted(set(made)))
    number = {text: n for n, text in enumerate(texts)}
    links, like = _near(texts)
    return Near(tuple(number[text] for text in made), links, like)


@lru_cache(maxsize=2)  # the rules ask for the rows that were split, in another order
def _near(texts: tuple[str, ...]) -> tuple[_Links, Mapping[int, Sequence[tuple[int, float]]]]:
    links = tuple(_links(_unframed(texts)))
    like: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for one, other, similarity in links:
        like[one].append((other, similarity))
        like[other].append((one, similarity))
    return links, dict(like)


def near_groups(rows: Sequence[Row]) -> list[tuple[Row, ...]]:
    """Rows that are near-duplicates, directly or by way of others; only groups of several rows.

    In the order of the groups' first rows. A chain may be long: its ends need not be alike.
    """
    found = near(rows)
    parent = list(range(1 + max(found.forms, default=-1)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for one, other, _ in found.links:
        parent[root(one)] = root(other)
    groups: dict[int, list[Row]] = {}
    for row, number in zip(rows, found.forms, strict=True):
        groups.setdefault(root(number), []).append(row)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def near_pairs(rows: Sequence[Row], others: Sequence[Row]) -> list[NearPair]:
    """Each of ``others`` that is a near-duplicate of one of ``rows``, with the most similar one.

    Of equally similar ones the first. In the order of ``others``.
    """
    found = near([*rows, *others])
    return pairs_of(found, (rows, found.forms[: len(rows)]), (others, found.forms[len(rows) :]))


Formed = tuple[Sequence[Row], Sequence[int]]
"""Rows and the numbers of their forms."""


def pairs_of(found: Near, rows: Formed, others: Formed) -> list[NearPair]:
    """``near_pairs`` of rows that ``found`` covers."""
    first: dict[int, int] = {}
    for place, number in enumerate(rows[1]):
        first.setdefault(number, place)
    pairs = []
    for row, number in zip(*others, strict=True):
        near_ones = [(1.0, -first[number])] if number in first else []
        near_ones += [(s, -first[n]) for n, s in found.like.get(number, ()) if n in first]
        if near_ones:
            similarity, place = max(near_ones)
            pairs.append(NearPair(rows[0][-place], row, similarity))
    return pairs


def _unframed(texts: Sequence[str]) -> list[str]:
    """Texts without what all of them begin and end with, if they are enough to tell."""
    if len(texts) < FRAME:
        return list(texts)
    head = _common(texts)
    cut = [text[head:] for text in texts]
    tail = _common([text[::-1] for text in cut])
    return [text[: len(text) - tail] for text in cut]


def _common(texts: Sequence[str]) -> int:
    """How many characters all of them begin with."""
    pairs = zip(min(texts), max(texts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _links(texts: Sequence[str]) -> list[tuple[int, int, float]]:
    """Pairs of texts that are near, by their numbers; the most similar first."""
    half = LONGEST // 2
    cut = [text if len(text) <= LONGEST else text[:half] + text[-half:] for text in texts]
    numbers = np.array([n for n, text in enumerate(cut) if len(text) >= SHORT], dtype=np.int64)
    long = [cut[n] for n in numbers]
    links: list[tuple[int, int, float]] = []
    pairs = _candidates(long)
    for begin in range(0, len(pairs), _CHUNK):
        one, other = np.divmod(pairs[begin : begin + _CHUNK], len(long))
        scores: npt.NDArray[Any] = process.cpdist(
            [long[n] for n in one],
            [long[n] for n in other],
            scorer=Levenshtein.normalized_similarity,
            score_cutoff=NEAR,
            dtype=np.float64,
        )
        good = np.flatnonzero(scores >= NEAR)
        found = (numbers[one[good]].tolist(), numbers[other[good]].tolist(), scores[good].tolist())
        links += zip(*found, strict=True)
    return sorted(links, key=lambda link: (-link[2], link[0], link[1]))


def _candidates(texts: Sequence[str]) -> _Numbers:
    """Pairs of texts that may be near, each as ``one * len(texts) + other``, one < other.

    Texts within ``d`` edits of each other have one of their ``d * _GRAM + 1`` rarest n-grams in
    common, no farther than ``d`` apart: each edit touches ``_GRAM`` n-grams at most.
    """
    if len(texts) < 2:
        return np.zeros(0, dtype=np.int64)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    rank, owner, place = _in_order(*_rarest(texts, lengths))
    found = [np.zeros(0, dtype=np.int64)]
    for step in range(1, min(_WINDOW + 1, len(rank))):
        at = np.flatnonzero(rank[step:] == rank[:-step])
        one, other = owner[at], owner[at + step]
        edits = np.maximum(lengths[one], lengths[other]) // _TENTH
        close = np.abs(place[at] - place[at + step]) <= edits
        close &= np.abs(lengths[one] - lengths[other]) <= edits
        close &= one != other
        found.append(np.unique(one[close] * len(texts) + other[close]))
    return np.unique(np.concatenate(found))


def _rarest(texts: Sequence[str], lengths: _Numbers) -> tuple[_Numbers, _Numbers, _Numbers]:
    """The rarest n-grams of each text: how rare each is, whose it is, and where it stands.

    N-grams are told apart by a hash. Two that share one count as the same, which costs time and
    loses nothing.
    """
    ends = np.cumsum(lengths)
    buckets = min(max(_LEAST_BUCKETS, 1 << (4 * int(ends[-1])).bit_length()), _MOST_BUCKETS)
    cuts = np.searchsorted(ends, np.arange(_BLOCK, ends[-1], _BLOCK))
    bounds = [0, *np.unique(cuts[cuts > 0]).tolist(), len(texts)]
    blocks = [
        slice(*pair) for pair in pairwise(bounds)
    ]  # each small enough for a processor's cache
    made = [_buckets(texts[block], lengths[block], buckets) for block in blocks]
    frequency = np.bincount(np.concatenate(made), minlength=buckets)
    _, by_frequency = _in_order(frequency, np.arange(buckets))
    rank_of = np.empty(buckets, dtype=np.int32)
    rank_of[by_frequency] = np.arange(buckets, dtype=np.int32)
    found = []
    for block, bucket in zip(blocks, made, strict=True):
        rank, owner, place = _rarest_of(rank_of[bucket].astype(np.int64), lengths[block])
        found.append((rank, owner + block.start, place))
    rank, owner, place = (np.concatenate(column) for column in zip(*found, strict=True))
    return rank, owner, place


def _buckets(texts: Sequence[str], lengths: _Numbers, buckets: int) -> npt.NDArray[np.int32]:
    """The hash of each n-gram of texts, one text after the other; ``buckets`` is a power of two."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    mixed = np.zeros(max(0, len(codes) - _GRAM + 1), dtype=np.uint64)
    for n in range(_GRAM):
        # Knuth's multiplicative hash, with 2**64 over the golden ratio.
        mixed = (mixed ^ codes[n : n + len(mixed)]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    crosses = np.zeros(len(codes), dtype=bool)  # n-grams that begin in one text and end in another
    for n in range(1, _GRAM):
        crosses[np.cumsum(lengths) - n] = True
    return (mixed & np.uint64(buckets - 1)).astype(np.int32)[~crosses[: len(mixed)]]


def _rarest_of(rank: _Numbers, lengths: _Numbers) -> tuple[_Numbers, _Numbers, _Numbers]:
    """The same of some texts, whose n-grams' ranks are known, one text after the other."""
    grams = lengths - _GRAM + 1
    starts = np.cumsum(grams) - grams
    owner = np.repeat(np.arange(len(grams)), grams)
    nth = np.arange(len(rank)) - starts[owner]
    owner, rank, place = _in_order(owner, rank, nth)
    # A partner may be longer by a ninth, and then a tenth of *its* length may differ.
    wanted = np.minimum(lengths // (_TENTH - 1) * _GRAM + 1, grams)
    kept = nth < wanted[owner]
    return rank[kept], owner[kept], place[kept]


def _in_order(*columns: _Numbers) -> tuple[_Numbers, ...]:
    """Rows of numbers from 0 sorted by the first column, then by the next ones.

    All columns of a row are put into one number, so that the fastest sort there is will do, if
    their bits are not more than it has.
    """
    bits = [int(column.max(initial=0)).bit_length() for column in columns]
    if sum(bits) > _BITS:
        order = np.lexsort(columns[::-1])
        return tuple(column[order] for column in columns)
    packed = np.zeros(len(columns[0]), dtype=np.int64)
    for column, size in zip(columns, bits, strict=True):
        packed = packed << size | column
    packed.sort()
    found = []
    for size in reversed(bits):
        found.append(packed & ((1 << size) - 1))
        packed >>= size
    return tuple(reversed(found))
