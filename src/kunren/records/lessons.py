"""What a comparison of runs teaches, in words: seed 000's 主要な知見."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

from kunren.evaluation.score import KINDS
from kunren.evaluation.systems import corrected
from kunren.messages import text
from kunren.records.choose import axes, known, placed
from kunren.records.compare import Group, differing_settings, percent_change
from kunren.records.entry import Entry
from kunren.records.pairing import correlation, pair, same_rows
from kunren.records.said import (
    in_sentence,
    name_of,
    said_percent,
    said_setting,
    said_value,
    said_verdict,
)
from kunren.types import Paired, Verdict

MOST = 6
"""More than these nobody reads."""

FEW = 5
"""Runs that differ in one setting, up to which each is compared with each."""

MOST_STEPS = 45
"""Pairs that are tested: with each the p values of all have to be corrected further."""

_OPPOSITE: Mapping[Verdict, Verdict] = {
    "better": "worse",
    "worse": "better",
    "indistinguishable": "indistinguishable",
    "identical": "identical",
}


def findings(group: Group) -> list[str]:
    """The leader, the trade-off, and what single settings did; at most ``MOST``."""
    found = [*_leader(group), *_trade_off(group), *_single_changes(group), *_density(group)]
    return found[:MOST]


def _leader(group: Group) -> Iterator[str]:
    """The best run against the baseline run."""
    metric, baseline = group.primary, group.baseline
    scored = [e for e in group.entries if e.value(metric) is not None]
    if len(scored) < 2 or baseline.value(metric) is None or metric in group.unlike:
        return
    best = max(scored, key=lambda e: known(e, metric))
    fields = {"metric": in_sentence(metric), "run": best.name, "value": said_value(best, metric)}
    if best is baseline:
        yield text("compare.finding-baseline-best", **fields)
        return
    yield text(
        "compare.finding-best",
        baseline=baseline.name,
        before=said_value(baseline, metric),
        change=said_percent(percent_change(baseline.value(metric), best.value(metric))),
        judged=said_verdict(_verdict(group, best, baseline)),
        **fields,
    )


def _trade_off(group: Group) -> Iterator[str]:
    first, second = axes(group)
    points = placed(group)
    if len(points) < 2:
        return
    right = max(points, key=lambda p: p.first).entry
    varied = max(points, key=lambda p: p.second).entry
    if right is varied or right.value(second) == varied.value(second):
        return
    yield text(
        "compare.finding-trade-off",
        first=name_of(first),
        second=name_of(second),
        right=right.name,
        right_first=said_value(right, first),
        right_second=said_value(right, second),
        varied=varied.name,
        varied_first=said_value(varied, first),
        varied_second=said_value(varied, second),
    )


def _single_changes(group: Group) -> Iterator[str]:
    """Pairs of runs that differ in one setting alone: what that setting did."""
    scored = [e for e in group.entries if e.value(group.primary) is not None]
    if len(scored) < 2:
        return
    steps = _steps(scored)
    tested = _tested(group, steps)
    yield from _inconstant(group, steps, tested)
    for step in steps:
        yield _step_said(group, step, tested.get(step.name))
    repeated = len({repr(entry.settings) for entry in scored}) < len(scored)
    if not steps and not repeated:
        yield text("compare.finding-several-settings")


@dataclass(frozen=True, slots=True)
class _Step:
    """Two runs between which one setting changes, from the smaller value or from none."""

    a: Entry
    b: Entry
    key: str
    before: Any
    after: Any

    @property
    def name(self) -> str:
        return text("compare.arrow", a=self.a.name, b=self.b.name)


def _steps(entries: Sequence[Entry]) -> list[_Step]:
    """The pairs of runs that differ in one setting alone, in the order of the runs.

    Of many runs between which one setting takes its values, each value is set beside the next one
    only: with all pairs, ten values would be 45 steps, and three hundred runs 45,000.
    """
    unlike = differing_settings(entries)
    of = [{key: repr(values[n]) for key, values in unlike.items()} for n in range(len(entries))]
    found: dict[tuple[int, int], str] = {}
    for key in unlike:
        alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for n, values in enumerate(of):
            alike[tuple(value for name, value in values.items() if name != key)].append(n)
        for group in alike.values():
            found |= {
                (a, b): key for a, b in _beside(group, unlike[key]) if of[a][key] != of[b][key]
            }
    chosen = sorted(found.items())[:MOST_STEPS]
    return [_step(entries[a], entries[b], key) for (a, b), key in chosen]


def _beside(group: Sequence[int], values: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """Which runs are compared, by their numbers, the lower one first."""
    if len(group) <= FEW:
        yield from combinations(group, 2)
        return
    numbers = all(isinstance(values[n], int | float) for n in group)
    order = sorted(group, key=lambda n: (values[n] if numbers else 0, repr(values[n]), n))
    for a, b in pairwise(order):
        yield min(a, b), max(a, b)


def _step(a: Entry, b: Entry, key: str) -> _Step:
    before, after = a.settings.get(key), b.settings.get(key)
    if _is_more(before, after):
        return _Step(b, a, key, after, before)
    return _Step(a, b, key, before, after)


def _inconstant(
    group: Group, steps: Sequence[_Step], tested: Mapping[str, Verdict]
) -> Iterator[str]:
    """Settings that raise the primary metric in some pairs and lower it in others.

    Where no such difference can be told from chance, there is nothing to say.
    """
    same: dict[tuple[str, str, str], list[_Step]] = defaultdict(list)
    for step in steps:
        same[step.key, _set_to(step.before), _set_to(step.after)].append(step)
    for (key, before, after), found in same.items():
        gains = [known(s.b, group.primary) - known(s.a, group.primary) for s in found]
        chance = all(tested.get(s.name) in ("indistinguishable", "identical") for s in found)
        if min(gains) < 0 < max(gains) and not chance:
            yield text("compare.finding-depends", key=key, before=before, after=after)


def _step_said(group: Group, step: _Step, verdict: str | None) -> str:
    first, second = axes(group)
    a, b = step.a, step.b
    also = ""
    if a.value(second) is not None and b.value(second) is not None:
        values = {"before": said_value(a, second), "after": said_value(b, second)}
        also = text("compare.finding-also", metric=in_sentence(second), **values)
    return text(
        "compare.finding-one-setting",
        key=step.key,
        before=_set_to(step.before),
        after=_set_to(step.after),
        metric=in_sentence(first),
        a=said_value(a, first),
        b=said_value(b, first),
        change=said_percent(percent_change(a.value(first), b.value(first))),
        judged=said_verdict(verdict),
        also=also,
        runs=step.name,
    )


def _tested(group: Group, steps: Sequence[_Step]) -> dict[str, Verdict]:
    """The verdict of each step, with p values corrected for how many steps are tested.

    Steps from or to the baseline run have theirs already, from the table of changes.
    """
    found: dict[str, Verdict] = {}
    others: dict[str, Paired] = {}
    for step in steps:
        verdict = _verdict(group, step.b, step.a)
        if verdict is not None:
            found[step.name] = verdict
        elif same_rows(step.a, step.b) == "same":
            made = pair(step.b, step.a, [group.primary]).get(group.primary)
            others |= {} if made is None else {step.name: made}
    told = corrected(list(others.values()), KINDS[group.answers].metrics[group.primary].better)
    return found | {name: made.verdict for name, made in zip(others, told, strict=True)}


def _verdict(group: Group, a: Entry, b: Entry) -> Verdict | None:
    """What the table of changes says of run a against run b, one of them the baseline."""
    other = b if a is group.baseline else a
    change = group.change(other.name, group.primary)
    if group.baseline not in (a, b) or change is None or change.paired is None:
        return None
    return change.paired.verdict if other is a else _OPPOSITE[change.paired.verdict]


def _set_to(value: object) -> str:
    return text("compare.unset") if value is None else said_setting(value)


def _is_more(before: Any, after: Any) -> bool:
    """Whether a change is better told the other way round: from the smaller number or from none."""
    numbers = (int, float)
    if isinstance(before, numbers) and isinstance(after, numbers):
        return before > after
    return after is None and before is not None


def _density(group: Group) -> Iterator[str]:
    """Whether runs with more rows a label are better, over at least four runs."""
    metric = group.primary
    pairs = [
        (density, value)
        for entry in group.entries
        if (density := entry.rows_per_label) is not None
        and (value := entry.value(metric)) is not None
    ]
    if len({round(density, 6) for density, _ in pairs}) < 4:
        return
    found = correlation([d for d, _ in pairs], [v for _, v in pairs])
    if found is not None:
        fields = {"metric": in_sentence(metric), "runs": len(pairs), "value": f"{found:+.2f}"}
        yield text("compare.finding-density", **fields)
