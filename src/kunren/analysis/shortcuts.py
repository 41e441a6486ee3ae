"""Words that send an answer to one label, also where it is wrong."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from kunren.analysis.multiple import tarone_level

READ = 200
"""Characters of an input that are looked at: the words of a headline, not of a book."""

LONGEST = 6
"""Longest piece of a run of kanji or katakana that is tried as a word."""

FEWEST = 3
"""Rows that a word must be in; fewer can never tell anything."""

_RUNS = re.compile(r"[一-龥々〆ヶ]{2,}|[ァ-ヺー]{2,}|[A-Za-z]{2,}|[Ａ-Ｚａ-ｚ]{2,}")


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A word, or several that come together, and the label that they lead to.

    Attributes:
        words: as they are written; several where all of them are in the same rows.
        label: the answer.
        count: rows with them for which another label is right and this one was answered.
        of: rows with them for which another label is right.
        usual: share of this answer among the other rows for which another label is right.
        p: of so many or more, for these words and this label alone.
    """

    words: tuple[str, ...]
    label: str
    count: int
    of: int
    usual: float
    p: float


def words(text: str) -> set[str]:
    """Pieces of a text that may be words.

    Japanese has no spaces, and a dictionary would be a dependency: tried is each piece of two to
    ``LONGEST`` characters of a run of kanji or katakana, and each run of Latin letters. Hiragana,
    which is mostly grammar, is left out.
    """
    return {piece for run in _RUNS.findall(text[:READ]) for piece in _pieces(run)}


def _pieces(run: str) -> Iterator[str]:
    yield run
    if run[0].isascii():
        return
    for size in range(2, min(LONGEST, len(run)) + 1):
        yield from (run[n : n + size] for n in range(len(run) - size + 1))


def shortcuts(
    texts: Sequence[str], gold: Sequence[str], said: Sequence[str], level: float
) -> list[Shortcut]:
    """Words with which a label is answered wrongly more often than without, the surest first.

    Among the rows for which a label is wrong: is it answered more often where the word is? That is
    Fisher's exact test, one-sided, of every word with every label, corrected for how many they are.
    Only the best word of overlapping ones (those in nearly the same rows) is named.

    Args:
        texts: the inputs, [items].
        gold: the right labels, [items].
        said: the labels that were answered, [items].
        level: chance of any false word among all.
    """
    groups = _rows_of_words(texts)
    wrong_for = {
        label: [n for n, g in enumerate(gold) if g != label]
        for label, count in Counter(s for g, s in zip(gold, said, strict=True) if g != s).items()
        if count >= FEWEST
    }
    tried: list[tuple[tuple[str, ...], str, frozenset[int], tuple[int, int, int, int]]] = []
    for label, wrong in wrong_for.items():
        among = set(wrong)
        answered = {n for n in wrong if said[n] == label}
        for rows, named in groups.items():
            present = rows & among
            if FEWEST <= len(present) < len(among):
                hits = len(present & answered)
                tried.append((named, label, rows, (hits, len(among), len(answered), len(present))))
    if not tried:
        return []
    hits, among_, answered_, present_ = np.asarray([counts for *_, counts in tried]).T
    p = stats.hypergeom.sf(hits - 1, among_, answered_, present_)
    most = np.minimum(answered_, present_)
    limit = tarone_level(stats.hypergeom.sf(most - 1, among_, answered_, present_), level)
    found: list[tuple[frozenset[int], Shortcut]] = []
    for n in np.argsort(p, kind="stable"):
        named, label, rows, (count, total, chosen, of) = tried[n]
        if p[n] > limit:
            break
        usual = (chosen - count) / (total - of)
        if not any(_same(rows, others) and label == s.label for others, s in found):
            found.append((rows, Shortcut(named, label, count, of, usual, float(p[n]))))
    return [shortcut for _, shortcut in found]


def _rows_of_words(texts: Sequence[str]) -> dict[frozenset[int], tuple[str, ...]]:
    """Rows → the words that are in exactly these, without those that are parts of others."""
    where: dict[str, list[int]] = defaultdict(list)
    for n, text in enumerate(texts):
        for word in sorted(words(text)):
            where[word].append(n)
    found: dict[frozenset[int], tuple[str, ...]] = {}
    for word in sorted(where, key=len, reverse=True):
        rows = frozenset(where[word])
        if FEWEST <= len(rows) < len(texts) and not any(word in w for w in found.get(rows, ())):
            found[rows] = (*found.get(rows, ()), word)
    return found


def _same(one: frozenset[int], other: frozenset[int]) -> bool:
    """Whether two words are mostly in the same rows."""
    return 2 * len(one & other) >= min(len(one), len(other))
