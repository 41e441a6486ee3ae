"""A comparison of runs as tables and sentences; how they look is up to the output format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kunren.errors import Problem
from kunren.messages import text
from kunren.records.choose import Choice, axes, front, placed, recommend
from kunren.records.compare import Group
from kunren.records.entry import Entry
from kunren.records.lessons import findings
from kunren.records.pairing import same_rows
from kunren.records.said import in_sentence, name_of
from kunren.report.comparison_rows import RowsPart, rows_part
from kunren.report.comparison_tables import alike, changes, overview, settings
from kunren.report.format import Table


@dataclass(frozen=True, slots=True)
class Point:
    """A run in the chart: a letter, its place, and whether no other run beats it."""

    letter: str
    name: str
    x: float
    y: float
    best: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """The runs by two metrics.

    Attributes:
        title: what is against what.
        x: name of the metric on the x axis.
        y: on the y axis.
        points: the runs; empty where fewer than two have both numbers.
        said: how it is read, or why it is not there.
        shares: for each axis whether it is shown in percent.
        front: what is said of the front where there is no chart; None: there is no front.
    """

    title: str
    x: str
    y: str
    points: Sequence[Point]
    said: str
    shares: tuple[bool, bool]
    front: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """All that is said of the runs of one kind."""

    kind: str
    warnings: Sequence[str]
    overview: Table
    alike: str | None
    missing: Sequence[str]
    settings: Table | None
    changes: Table | None
    changes_title: str
    plot: Plot
    findings: Sequence[str]
    choices: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole comparison."""

    title: str
    notes: Sequence[str]
    left_out: Sequence[str]
    parts: Sequence[Part]
    rows: RowsPart | None


def page(
    groups: Sequence[Group],
    left_out: Sequence[Problem],
    rows: tuple[Entry, Entry] | None = None,
    *,
    brief: bool = False,
) -> Page:
    """Put a comparison into tables and words.

    Args:
        groups: from ``compare_runs``.
        left_out: what could not be read.
        rows: two runs whose differing test items are wanted.
        brief: changes by the most important metrics only, where there are many runs.
    """
    count = sum(len(group.entries) for group in groups)
    notes = [text("compare.several-kinds")] if len(groups) > 1 else []
    notes += [text("compare.one-run")] if count == 1 else []
    return Page(
        title=text("compare.title", runs=count),
        notes=notes,
        left_out=[str(problem) for problem in left_out],
        parts=[_part(group, brief) for group in groups],
        rows=None if rows is None else rows_part(*rows),
    )


def _part(group: Group, brief: bool) -> Part:
    return Part(
        kind=text(f"compare.kind-{group.answers}"),
        warnings=[
            *_of_runs(group, "warnings"),
            *group.warnings,
            *_same(group),
            *_no_intervals(group),
            *_of_runs(group, "checks"),
        ],
        overview=overview(group),
        alike=alike(group),
        missing=[*_missing(group)],
        settings=settings(group),
        changes=changes(group, brief=brief),
        changes_title=text("compare.h-changes", baseline=group.baseline.name),
        plot=plot(group),
        findings=findings(group),
        choices=_once(recommend(group)) if len(group.entries) > 1 else [],
    )


def _once(choices: Sequence[Choice]) -> list[Choice]:
    """The choices without cautions that an earlier purpose has said of the same run."""
    seen: set[tuple[str | None, str]] = set()
    made = []
    for choice in choices:
        new = [said for said in choice.cautions if (choice.run, said) not in seen]
        seen |= {(choice.run, said) for said in choice.cautions}
        made.append(replace(choice, cautions=new))
    return made


def _same(group: Group) -> Iterator[str]:
    others = [entry for entry in group.entries if entry is not group.baseline]
    if others and all(same_rows(entry, group.baseline) == "same" for entry in others):
        rows = group.baseline.rows.get("test", len(group.baseline.items))
        yield text("compare.rows-same", rows=rows)


def _no_intervals(group: Group) -> Iterator[str]:
    """Which runs have no interval of the primary metric, by reason."""
    reasons: dict[str, list[str]] = {}
    for entry in group.entries:
        score = entry.scores.get(group.primary, {})
        if score.get("value") is not None and score.get("ci95") is None and score.get("reason"):
            reasons.setdefault(score["reason"], []).append(entry.name)
    for reason, runs in reasons.items():
        yield text("compare.no-intervals-in", runs=text("record.list").join(runs), reason=reason)


def _of_runs(group: Group, which: Literal["warnings", "checks"]) -> Iterator[str]:
    """What single folders were found to have wrong, or right."""
    for entry in group.entries:
        for said in getattr(entry, which):
            yield text("compare.of-run", run=entry.name, said=said)


def _missing(group: Group) -> Iterator[str]:
    for entry in group.entries:
        if entry.missing:
            said = text("record.list").join(entry.missing)
            yield text("compare.missing-said", run=entry.name, parts=said)


def plot(group: Group) -> Plot:
    """The runs by accuracy and diversity, with the Pareto front."""
    first, second = axes(group)
    best = front(group)
    fields = {"first": in_sentence(first), "second": name_of(second)}
    unlike = bool({first, second} & set(group.unlike))
    points = [
        Point(_letter(n), p.entry.name, p.first, p.second, p.entry.name in best)
        for n, p in enumerate(placed(group))
    ]
    said = (
        text("compare.note-front", names=text("record.list").join(best))
        if best
        else text("compare.no-front-unlike" if unlike else "compare.no-front", **fields)
    )
    names = text("record.list").join(best)
    listed = text("compare.front-listed", names=names, **fields) if best else None
    shares = (group.baseline.unit(first) == "share", group.baseline.unit(second) == "share")
    title = text("compare.h-front", **fields)
    return Plot(
        title, name_of(first), name_of(second), points if best else (), said, shares, listed
    )


def _letter(number: int) -> str:
    """A … Z, then AA, AB and so on."""
    before = _letter(number // 26 - 1) if number >= 26 else ""
    return before + chr(ord("A") + number % 26)


def choice_said(choice: Choice) -> str:
    """The chosen run with its numbers, or that there is none."""
    if choice.run is None:
        return text("compare.no-choice")
    return text("compare.choice", run=choice.run, values=choice.values)
