"""Which facts of the references the tuned model got right, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from kunren.evaluation import facts
from kunren.evaluation.facts import Checked, Fact
from kunren.evaluation.told import percent
from kunren.messages import text
from kunren.records.predictions import Answer, Predicted
from kunren.report.format import clip

FEW = 3
"""Facts that are named in a line."""


def check(row: Predicted, said: Answer) -> Checked | None:
    """The facts of an item's reference as an answer has them.

    None where nothing was written, or the tagger that finds names is not installed.
    """
    if said.generated is None or any(find_spec(name) is None for name in facts.REQUIRES):
        return None
    return facts.check(said.generated, row.gold, facts.question(row.text))


def wrong(row: Predicted, said: Answer) -> list[str]:
    """What an answer says otherwise than gold, and what it leaves out."""
    found = check(row, said)
    if found is None:
        return []
    made = []
    if found.contradicted:
        pairs = [_instead(fact, other) for fact, other in found.contradicted]
        made.append(text("record.wrong-contradicted", facts=_list(pairs)))
    if found.omitted:
        names = [clip(fact.surface, 24) for fact in found.omitted]
        made.append(text("record.wrong-omitted", facts=_list(names)))
    return made


def _instead(fact: Fact, other: Fact) -> str:
    gold, said = clip(fact.surface, 24), clip(other.surface, 24)
    if other.denied:
        return text("record.wrong-denied", gold=gold)
    return text("record.wrong-instead", gold=gold, said=said)


def _list(said: Sequence[str]) -> str:
    return text("record.list").join(said[:FEW]) + (" …" if len(said) > FEW else "")


def trends(answered: Sequence[tuple[Predicted, Answer]]) -> Iterator[str]:
    """How many facts are right, and of which kind those are that are wrong."""
    checked = [c for row, said in answered if (c := check(row, said)) is not None and c.total]
    total = sum(c.total for c in checked)
    if not total:
        return
    contained = sum(len(c.contained) for c in checked)
    contradicted = [pair for c in checked for pair in c.contradicted]
    yield text(
        "record.trend-facts",
        rows=len(checked),
        total=total,
        contained=contained,
        share=percent(contained / total),
        contradicted=len(contradicted),
        omitted=total - contained - len(contradicted),
    )
    if contradicted:
        kinds = Counter(fact.kind for fact, _ in contradicted).most_common(FEW)
        named = [
            text("record.trend-facts-kind", kind=text(f"record.fact-{kind}"), count=count)
            for kind, count in kinds
        ]
        examples = [_instead(fact, other) for fact, other in contradicted]
        yield text(
            "record.trend-facts-wrong",
            kinds=text("record.list").join(named),
            examples=_list(examples),
        )
