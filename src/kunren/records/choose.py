"""Which of several runs to use, by purpose.

The conclusion of seed 000, from numbers alone: each choice has its reasons, and beside them what
must keep one from believing it too much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kunren.evaluation.told import number, p_value
from kunren.messages import text
from kunren.records.compare import Group
from kunren.records.entry import DIVERSITY, SPEED, Entry
from kunren.records.pairing import pair, same_rows
from kunren.records.said import in_sentence, name_of, said_value
from kunren.records.worthless import why_worthless
from kunren.tasks import Answers

Purpose = Literal["accuracy", "diversity", "balance", "speed"]
PURPOSES: Sequence[Purpose] = ("accuracy", "diversity", "balance", "speed")

SECOND: Mapping[Answers, str] = {"label": "macro_f1", "set": DIVERSITY, "text": DIVERSITY}
"""What stands against the primary metric. Of single labels macro-F1: a model that answers the
commonest label to everything has a fair accuracy and next to no macro-F1."""

FEW_ROWS = 100
"""Below this many test rows one row is more than a percentage point."""

SEEN_OFTEN = 5
"""From this many runs on the same test rows, the best of them is partly the luckiest."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The run for a purpose.

    Attributes:
        purpose: for what.
        run: the run; None: it cannot be said, and ``reasons`` say why.
        values: its numbers, in words.
        reasons: why this one.
        cautions: what keeps one from being sure.
    """

    purpose: Purpose
    run: str | None
    values: str
    reasons: Sequence[str]
    cautions: Sequence[str]


def axes(group: Group) -> tuple[str, str]:
    """The two metrics of the Pareto front: how right, and how varied."""
    return group.primary, SECOND[group.answers]


@dataclass(frozen=True, slots=True)
class Placed:
    """A run by the two metrics: how right, and how varied."""

    entry: Entry
    first: float
    second: float


def placed(group: Group) -> list[Placed]:
    """The runs that have both numbers; none where one is not computed alike in all runs."""
    first, second = axes(group)
    if {first, second} & set(group.unlike):
        return []
    return [
        Placed(entry, x, y)
        for entry in usable(group)
        if (x := entry.value(first)) is not None and (y := entry.value(second)) is not None
    ]


def usable(group: Group) -> list[Entry]:
    """The runs that may be recommended at all."""
    return [entry for entry in group.entries if why_worthless(entry) is None]


def left_out(group: Group) -> list[str]:
    """The runs that are recommended for nothing, each with the reason, in words."""
    said = ((entry.name, why_worthless(entry)) for entry in group.entries)
    return [text("compare.worthless", run=name, why=why) for name, why in said if why is not None]


def front(group: Group) -> list[str]:
    """Runs that no other run beats in one of the two metrics without losing in the other.

    Empty where fewer than two runs have both numbers.
    """
    points = placed(group)
    if len(points) < 2:
        return []
    return [p.entry.name for p in points if not any(_beats(other, p) for other in points)]


def _beats(a: Placed, b: Placed) -> bool:
    at_least = a.first >= b.first and a.second >= b.second
    return at_least and (a.first, a.second) != (b.first, b.second)


def recommend(group: Group) -> list[Choice]:
    """The run for each purpose, as far as the numbers are there.

    Runs that have learnt nothing (``worthless``) are none of them, and named beside the first.
    """
    first, *others = (_MAKERS[purpose](group) for purpose in PURPOSES)
    cautions = [*first.cautions, *left_out(group)]
    return [replace(first, cautions=cautions), *others]


def _accuracy(group: Group) -> Choice:
    return _highest(group, "accuracy", group.primary)


def _diversity(group: Group) -> Choice:
    return _highest(group, "diversity", SECOND[group.answers])


def _highest(group: Group, purpose: Purpose, metric: str) -> Choice:
    """The run with the highest value; of equals the one that is right more often."""
    scored = [e for e in usable(group) if e.value(metric) is not None]
    if len(scored) < 2 or metric in group.unlike:
        return _none(group, purpose, [metric])
    best, second, *_ = sorted(
        scored, key=lambda e: (known(e, metric), known(e, group.primary)), reverse=True
    )
    fields = {
        "metric": in_sentence(metric),
        "value": said_value(best, metric),
        "runs": len(scored),
        "next": second.name,
        "next_value": said_value(second, metric),
    }
    equal = best.value(metric) == second.value(metric)
    reasons = [text("compare.reason-equal" if equal else "compare.reason-highest", **fields)]
    if purpose == "diversity" and group.answers == "label":
        reasons.append(text("compare.reason-macro-f1"))
    cautions = [*_unlike(best, second, metric), *_doubts(group, best)]
    return Choice(purpose, best.name, _values(group, best), reasons, cautions)


def _balance(group: Group) -> Choice:
    """The run whose worse side is best, each side as a share of the best value there is."""
    first, second = axes(group)
    points = placed(group)
    top = max((p.first for p in points), default=0.0)
    widest = max((p.second for p in points), default=0.0)
    if len(points) < 2 or top <= 0 or widest <= 0:
        return _none(group, "balance", [first, second])
    best, other, *_ = sorted(
        points, key=lambda p: (min(p.first / top, p.second / widest), p.first), reverse=True
    )
    reasons = [
        text(
            "compare.reason-balance",
            first=in_sentence(first),
            first_share=f"{100 * best.first / top:.0f} %",
            second=in_sentence(second),
            second_share=f"{100 * best.second / widest:.0f} %",
        )
    ]
    on_front = front(group)
    if len(on_front) == 1:
        reasons.append(text("compare.reason-both-best"))
    elif len(on_front) == 2:
        reasons.append(text("compare.reason-no-middle"))
    cautions = [*_unlike(best.entry, other.entry, first), *_doubts(group, best.entry)]
    return Choice("balance", best.entry.name, _values(group, best.entry), reasons, cautions)


def _speed(group: Group) -> Choice:
    timed = [e for e in usable(group) if e.value(SPEED) is not None]
    if len(timed) < 2:
        return _none(group, "speed", [SPEED])
    best, second, *_ = sorted(timed, key=lambda e: known(e, SPEED), reverse=True)
    reasons = [
        text(
            "compare.reason-fastest",
            value=said_value(best, SPEED),
            next=second.name,
            next_value=said_value(second, SPEED),
        )
    ]
    cautions = []
    if len({entry.machine for entry in timed}) > 1:
        cautions.append(text("compare.caution-machines"))
    top = max(usable(group), key=lambda e: known(e, group.primary))
    if top is not best and top.value(group.primary) is not None:
        fields = {"value": said_value(best, group.primary), "other": top.name}
        fields |= {
            "metric": in_sentence(group.primary),
            "other_value": said_value(top, group.primary),
        }
        cautions.append(text("compare.caution-slower-better", **fields))
    cautions += _doubts(group, best)
    return Choice("speed", best.name, _values(group, best), reasons, cautions)


_MAKERS = {
    "accuracy": _accuracy,
    "diversity": _diversity,
    "balance": _balance,
    "speed": _speed,
}


def known(entry: Entry, metric: str) -> float:
    """A value to order by: what has none comes last."""
    value = entry.value(metric)
    return float("-inf") if value is None else value


def _none(group: Group, purpose: Purpose, metrics: Sequence[str]) -> Choice:
    """No choice: fewer than two runs have the numbers that it takes, or they are not alike."""
    reasons = [
        text("compare.computed-unlike", metric=in_sentence(metric))
        for metric in metrics
        if metric in group.unlike
    ]
    for metric in metrics:
        lacking = [e.name for e in group.entries if e.value(metric) is None]
        if len(lacking) == len(group.entries):
            reasons.append(text("compare.lacks-everywhere", metric=in_sentence(metric)))
        elif lacking:
            said = text("record.list").join(lacking)
            reasons.append(text("compare.lacks-in", metric=in_sentence(metric), runs=said))
    if not reasons:
        few = len(usable(group)) < 2
        code = "compare.only-zero" if not few else "compare.only-worthless"
        code = "compare.only-one" if len(group.entries) < 2 else code
        reasons.append(text(code))
    return Choice(purpose, None, "", reasons, [])


def _values(group: Group, entry: Entry) -> str:
    shown = [name for name in (*axes(group), SPEED) if entry.value(name) is not None]
    return text("record.list").join(
        text("compare.metric-value", metric=name_of(name), value=said_value(entry, name))
        for name in dict.fromkeys(shown)
    )


def _unlike(best: Entry, second: Entry, metric: str) -> Iterator[str]:
    """Whether the difference between the best run and the next one may be chance."""
    rows = same_rows(best, second)
    said = {"next": second.name, "metric": in_sentence(metric)}
    if rows == "same":
        tested = pair(best, second, [metric]).get(metric)
        if tested is None:
            yield text("compare.caution-untested", **said)
        elif tested.verdict in ("indistinguishable", "identical"):
            same = tested.verdict == "identical"
            code = "compare.caution-same" if same else "compare.caution-chance"
            yield text(code, p=p_value(tested.p), **said)
        return
    ours, theirs = best.interval(metric), second.interval(metric)
    if ours is None or theirs is None:
        yield text("compare.caution-no-interval", **said)
    elif max(ours[0], theirs[0]) <= min(ours[1], theirs[1]):
        yield text("compare.caution-overlap", **said)
    if rows in ("different", "partly"):
        yield text("compare.caution-other-rows", **said)


def _doubts(group: Group, entry: Entry) -> Iterator[str]:
    """What holds of one run, whatever it is compared with."""
    rival = entry.rival
    if rival is not None and rival.verdict != "better":
        yield text("compare.caution-trivial", value=number(rival.value, entry.unit(entry.primary)))
    rows = entry.rows.get("test")
    if rows is not None and rows < FEW_ROWS:
        yield text("compare.caution-few-rows", rows=rows, points=f"{100 / rows:.1f}")
    if entry.whole:
        sharing = sum(same_rows(other, entry) == "same" for other in group.entries)
        if sharing >= SEEN_OFTEN:
            yield text("compare.caution-seen-often", runs=sharing)
