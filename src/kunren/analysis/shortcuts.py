"""Words that send an answer to one label, also where it is wrong."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

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
    errors = Counter(s for g, s in zip(gold, said, strict=True) if g != s)
    labels = [label for label, count in errors.items() if count >= FEWEST]
    if not groups or not labels:
        return []
    rows = list(groups)
    where = _matrix(rows, len(texts))
    right = np.asarray([[g == label for g in gold] for label in labels])
    answered = ~right & np.asarray([[s == label for s in said] for label in labels])
    # [labels, words]: rows with the word for which the label is wrong, and is answered all the same
    present = (~right).astype(np.int64) @ where
    hits = answered.astype(np.int64) @ where
    total, chosen = (~right).sum(axis=1), answered.sum(axis=1)
    able = (present >= FEWEST) & (present < total[:, None])
    label_of, word_of = np.nonzero(able)
    counts = np.stack([total[label_of], chosen[label_of], present[able], hits[able]], axis=-1)
    p = _p_values(counts)
    most = np.minimum(counts[:, 1], counts[:, 2])
    limit = tarone_level(_p_values(np.column_stack([counts[:, :3], most])), level)
    found: list[tuple[frozenset[int], Shortcut]] = []
    for n in np.flatnonzero(p <= limit)[np.argsort(p[p <= limit], kind="stable")]:
        label, among = labels[label_of[n]], rows[word_of[n]]
        if any(_same(among, others) and label == s.label for others, s in found):
            continue
        all_, given, of, count = map(int, counts[n])
        usual = (given - count) / (all_ - of)
        found.append((among, Shortcut(groups[among], label, count, of, usual, float(p[n]))))
    return [shortcut for _, shortcut in found]


def _matrix(rows: Sequence[frozenset[int]], height: int) -> sparse.csc_array:
    """Which word is in which row, [rows, words]."""
    places = np.concatenate([np.fromiter(one, dtype=np.int64) for one in rows])
    ends = np.cumsum([0, *map(len, rows)])
    shape = (height, len(rows))
    return sparse.csc_array((np.ones(len(places), np.int64), places, ends), shape=shape)


def _p_values(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of (all rows, those with the answer, those with the word, those with both), [n, 4] → [n]."""
    unlike, places = np.unique(counts, axis=0, return_inverse=True)
    total, chosen, present, hits = unlike.T
    values = stats.hypergeom.sf(hits - 1, total, chosen, present)
    return np.asarray(values, dtype=np.float64)[places.reshape(-1)]


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
