"""Which labels are taken for each other more often than errors fall by chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from scipy import stats


@dataclass(frozen=True, slots=True)
class Confusion:
    """Two labels that are taken for each other.

    Attributes:
        labels: the two, that which is more often the gold one of an error first.
        there: errors with the first as gold and the second as answer.
        back: the other way round.
        expected: errors of both kinds that chance would make.
        p: of so many or more, for this pair alone.
    """

    labels: tuple[str, str]
    there: int
    back: int
    expected: float
    p: float

    @property
    def count(self) -> int:
        """Errors of both kinds."""
        return self.there + self.back


def confusions(gold: Sequence[str], said: Sequence[str], level: float) -> list[Confusion]:
    """Pairs of labels with more errors between them than chance makes, the commonest first.

    Chance: an error falls on a wrong label as often as the model gives that label at all. The
    errors of a pair are then about binomial; the level is divided by the number of pairs.

    Args:
        gold: the right labels, [items].
        said: the labels that were answered, [items].
        level: chance of any false pair among all.
    """
    errors = [(g, s) for g, s in zip(gold, said, strict=True) if g != s]
    names = list(dict.fromkeys((*gold, *said)))
    if len(names) < 3 or not errors:
        return []
    share = {name: count / len(said) for name, count in Counter(said).items()}
    wrong = Counter(g for g, _ in errors)
    cells = Counter(errors)
    pairs = len(names) * (len(names) - 1) // 2
    found = []
    for a, b in combinations(names, 2):
        there, back = cells[a, b], cells[b, a]
        if not there + back:
            continue
        expected = wrong[a] * _chance(share, b, a) + wrong[b] * _chance(share, a, b)
        p = float(stats.binom.sf(there + back - 1, len(errors), expected / len(errors)))
        if p <= level / pairs:
            first = (a, b, there, back) if there >= back else (b, a, back, there)
            found.append(Confusion(first[:2], *first[2:], expected, p))
    return sorted(found, key=lambda pair: -pair.count)


def _chance(share: dict[str, float], answer: str, gold: str) -> float:
    """The chance that an error on ``gold`` is ``answer``."""
    rest = 1 - share.get(gold, 0.0)
    return share.get(answer, 0.0) / rest if rest > 0 else 0.0
