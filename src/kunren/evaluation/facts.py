"""Whether an answer has the facts of its reference: contained, contradicted, or omitted.

In seed 003 a model said 1860 where the company was founded in 1899, and no metric noticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from kunren.evaluation import names
from kunren.evaluation.reading import Fact, Kind, facts
from kunren.evaluation.words import REQUIRES, signature

__all__ = ["REQUIRES", "Checked", "Fact", "Kind", "check", "question", "settings"]

_HALF_DAY = 720
"""Minutes."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The facts of one reference, as an answer has them.

    Attributes:
        contained: the answer states them.
        contradicted: (fact, what the answer says in its place).
        omitted: the answer says nothing of them.
    """

    contained: tuple[Fact, ...]
    contradicted: tuple[tuple[Fact, Fact], ...]
    omitted: tuple[Fact, ...]

    @property
    def total(self) -> int:
        """How many facts the reference has that the question does not give away."""
        return len(self.contained) + len(self.contradicted) + len(self.omitted)


def settings() -> tuple[str, ...]:
    """What the signature of a metric of facts says."""
    return (signature(), "norm:nfkc", "given-away:left-out", "mean-of-items")


def question(text: str) -> str:
    """What of a prompt is the question: its last paragraph.

    Not all of it: a prompt may hold the document that the answer is to be found in, and what that
    says is not given away.
    """
    return text.replace("\r\n", "\n").rstrip().rpartition("\n\n")[2]


@lru_cache(maxsize=1 << 16)
def check(said: str, gold: str, asked: str) -> Checked:
    """Look for the facts of a reference in an answer.

    A fact counts as contained wherever in the answer it stands, in any way of writing it: 明治32年
    is 1899年, 60分 is 1時間. It is contradicted where the answer denies it, or has another value of
    the same kind and unit that neither the reference nor the question has. One such value
    contradicts one fact: the one whose clause it shares most words with. A name that is of no known
    sort, and a number without a unit, are contradicted only where the clauses share a word.

    Args:
        said: the answer.
        gold: the reference.
        asked: the question; what it says itself is no fact to recall.
    """
    given, answered = facts(asked), facts(said)
    asked_key, said_key = names.key(asked), names.key(said)
    wanted = [
        fact
        for fact in facts(gold)
        if not any(_same(fact, other) for other in given) and not _named(fact, asked_key)
    ]
    contained = [
        fact
        for fact in wanted
        if any(_same(fact, other) and fact.denied == other.denied for other in answered)
        or (not fact.denied and _named(fact, said_key) and not _denies(answered, fact))
    ]
    missing = [fact for fact in wanted if fact not in contained]
    of_gold = facts(gold)
    strange = [
        fact
        for fact in answered
        if not any(_same(other, fact) and other.denied == fact.denied for other in of_gold)
        and not any(_same(other, fact) for other in given)
    ]
    contradicted = _opposed(missing, strange)
    opposed = {id(fact) for fact, _ in contradicted}
    omitted = tuple(fact for fact in missing if id(fact) not in opposed)
    return Checked(tuple(contained), tuple(contradicted), omitted)


def _opposed(missing: Sequence[Fact], strange: Sequence[Fact]) -> list[tuple[Fact, Fact]]:
    pairs = [
        (len(fact.near & other.near), -n, -m)
        for n, fact in enumerate(missing)
        for m, other in enumerate(strange)
        if _opposes(fact, other)
    ]
    taken_facts: set[int] = set()
    taken_others: set[int] = set()
    found = []
    for _, n, m in sorted(pairs, reverse=True):
        if n not in taken_facts and m not in taken_others:
            taken_facts.add(n)
            taken_others.add(m)
            found.append((-n, missing[-n], strange[-m]))
    return [(fact, other) for _, fact, other in sorted(found, key=lambda one: one[0])]


def _same(fact: Fact, other: Fact) -> bool:
    """Whether ``other`` states ``fact``, apart from denial."""
    if fact.kind == "date" and other.kind == "date":
        return all(f is None or f == o for f, o in zip(fact.numbers, other.numbers, strict=True))
    if fact.kind == "time" and other.kind == "time":
        return _same_time(fact, other)
    if fact.kind == other.kind and (fact.value, fact.numbers) == (other.value, other.numbers):
        # A name's sort is what the dictionary makes of it there, not part of what is said.
        return fact.kind in ("name", "contact") or fact.unit == other.unit
    bare = other.kind == "quantity" and other.unit == ""
    countable = fact.kind in ("amount", "share", "quantity", "year")
    return bare and countable and fact.numbers == other.numbers


def _same_time(fact: Fact, other: Fact) -> bool:
    (a, either_a), (b, either_b) = fact.numbers, other.numbers
    return a == b or (bool(either_a or either_b) and (a or 0) % _HALF_DAY == (b or 0) % _HALF_DAY)


def _named(fact: Fact, text: str) -> bool:
    """Whether a text has a name, be it as a part of a longer word."""
    return fact.kind == "name" and fact.value in text


def _denies(answered: Sequence[Fact], fact: Fact) -> bool:
    return any(other.denied and _same(fact, other) for other in answered)


def _opposes(fact: Fact, other: Fact) -> bool:
    """Whether ``other``, in an answer without ``fact``, says something else in its place."""
    if fact.kind != other.kind:
        return False
    if _same(fact, other):
        return fact.denied != other.denied
    if other.denied or fact.denied:
        return False
    if fact.kind == "date":
        pairs = zip(fact.numbers, other.numbers, strict=True)
        return any(f is not None and o is not None and f != o for f, o in pairs)
    if fact.unit != other.unit:
        return False
    loose = fact.kind == "name" and fact.unit == "other"
    loose = loose or (fact.kind == "quantity" and fact.unit == "")
    return bool(fact.near & other.near) if loose else True
