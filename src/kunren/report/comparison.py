"""A comparison of runs as tables and sentences; how they look is up to the output format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kunren.errors import Problem
from kunren.evaluation.told import cell, gap, p_value
from kunren.messages import text
from kunren.records.choose import Choice, axes, front, placed, recommend
from kunren.records.compare import Change, Group
from kunren.records.entry import SPEED, Entry
from kunren.records.lessons import findings
from kunren.records.pairing import Differing, differing_rows, same_rows
from kunren.records.predictions import Answer, Predicted
from kunren.records.said import in_sentence, name_of, said_percent, said_setting
from kunren.report.format import Table, clip, joined, shown

MOST_ROWS = 20
"""Differing rows that are shown."""

_LONGEST_SETTING = 60


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
    """

    title: str
    x: str
    y: str
    points: Sequence[Point]
    said: str
    shares: tuple[bool, bool]


@dataclass(frozen=True, slots=True)
class Part:
    """All that is said of the runs of one kind."""

    kind: str
    warnings: Sequence[str]
    overview: Table
    missing: Sequence[str]
    settings: Table | None
    changes: Table | None
    changes_title: str
    plot: Plot
    findings: Sequence[str]
    choices: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class RowsPart:
    """The test items on which two runs differ."""

    title: str
    said: Sequence[str]
    table: Table | None


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


def overview(group: Group) -> Table:
    """One row a run, as seed 000's 実験結果サマリー has it."""
    first, second = axes(group)
    chosen = (first, second, SPEED)
    names = [m for m in group.metrics if m in chosen] or list(group.metrics[:3])
    best = front(group)
    density = "compare.per-emoji" if _emoji(group) else "compare.per-label"
    heads = ["run", "all-rows", "train-rows", "test-rows"]
    columns = [text(f"compare.{name}") for name in heads]
    labelled = group.answers != "text"
    columns += [text("compare.label-count"), text(density)] if labelled else []
    columns += [name_of(name) for name in names]
    rivals = any(entry.rival for entry in group.entries)
    columns += [text("compare.rival")] if rivals else []
    columns += [_change_heading(group), text("compare.verdict")]
    columns += [text("compare.pareto")] if best else []
    rows = []
    for entry in group.entries:
        line = [entry.name]
        line += [_count(entry.rows.get(name)) for name in ("all", "train", "test")]
        if labelled:
            each = entry.rows_per_label
            line += [_count(entry.label_count), "—" if each is None else f"{each:.0f}"]
        line += [cell(entry.scores.get(name), entry.unit(name)) for name in names]
        line += [_rival(entry)] if rivals else []
        line += _against(group, entry)
        line += ["★" if entry.name in best else ""] if best else []
        rows.append(line)
    marked = [n for n, entry in enumerate(group.entries) if entry is group.baseline]
    return Table(columns, rows, "l" + "r" * (len(columns) - 1), frozenset(marked))


def _emoji(group: Group) -> bool:
    return all(
        entry.layout == "jmoji" or entry.settings.get("task.labels.kind") == "emoji"
        for entry in group.entries
    )


def _count(value: int | None) -> str:
    return "—" if value is None else f"{value:,}"


def _rival(entry: Entry) -> str:
    """The best trivial method's value, and what the run's own test said of it."""
    if entry.rival is None:
        return "—"
    value = cell({"value": entry.rival.value, "ci95": None}, entry.unit(entry.primary))
    if entry.rival.verdict is None:
        return value
    return f"{value} ({text(f'compare.{entry.rival.verdict}')})"


def _judged_by(group: Group) -> str:
    """The metric of the change column: the primary one, if it is among those compared."""
    return group.primary if group.primary in group.metrics else next(iter(group.metrics), "")


def _change_heading(group: Group) -> str:
    by = _judged_by(group)
    if by in ("", group.primary):
        return text("compare.change")
    return text("compare.change-of", metric=name_of(by))


def _against(group: Group, entry: Entry) -> list[str]:
    """Change in percent and verdict."""
    if entry is group.baseline:
        return [text("compare.baseline-mark"), ""]
    change = group.change(entry.name, _judged_by(group))
    return ["—", "—"] if change is None else [said_percent(change.percent), _verdict(change)]


def _verdict(change: Change) -> str:
    return "—" if change.paired is None else text(f"compare.{change.paired.verdict}")


def settings(group: Group) -> Table | None:
    """The settings that differ: one row a setting, one column a run."""
    if not group.settings:
        return None
    columns = [text("compare.setting"), *(entry.name for entry in group.entries)]
    rows = [
        [key, *(clip(said_setting(value), _LONGEST_SETTING) for value in values)]
        for key, values in group.settings.items()
    ]
    return Table(columns, rows, "l" * len(columns))


def changes(group: Group, *, brief: bool = False) -> Table | None:
    """Every run against the baseline, metric by metric.

    Args:
        group: the comparison.
        brief: of many runs only the two metrics of the chart.
    """
    few = brief and len(group.entries) > 3
    named = set(axes(group)) if few else set(group.metrics)
    kept = [c for c in group.changes if c.metric in named] or list(group.changes)
    return change_table(kept, group.entries, group.baseline) if kept else None


def change_table(
    kept: Sequence[Change], entries: Sequence[Entry], baseline: Entry, *, named: bool = True
) -> Table:
    """Changes as a table: seed 000's 指標 | 前 | 後 | 変化, with the paired test beside.

    Args:
        kept: the changes.
        entries: the runs that they are of.
        baseline: the run that they are measured from.
        named: with a column that names the run; else there is one run, and headings name the two.
    """
    by_name = {entry.name: entry for entry in entries}
    tested = any(change.paired for change in kept)
    names = ["change", *(["difference", "p", "verdict"] if tested else [])]
    columns = [text("compare.metric")]
    columns += [text(f"compare.{name}") for name in ("run", "before", "after")] if named else []
    columns += [] if named else [baseline.name, *(entry.name for entry in entries)]
    columns += [text(f"compare.{name}") for name in names]
    rows = []
    for change in kept:
        entry = by_name[change.run]
        unit = entry.unit(change.metric)
        paired = change.paired
        difference = "—"
        if paired is not None:
            low, high = (gap(end, unit) for end in paired.ci95)
            difference = f"{gap(paired.difference, unit)} [{low}, {high}]"
        line = [
            name_of(change.metric),
            *([change.run] if named else []),
            cell(baseline.scores.get(change.metric), unit),
            cell(entry.scores.get(change.metric), unit),
            said_percent(change.percent),
        ]
        if tested:
            p = "—" if paired is None else p_value(paired.p_holm).removeprefix("p = ")
            line += [difference, p, _verdict(change)]
        rows.append(line)
    align = ("ll" if named else "l") + "rrr" + ("rrl" if tested else "")
    return Table(columns, rows, align)


def plot(group: Group) -> Plot:
    """The runs by accuracy and diversity, with the Pareto front."""
    first, second = axes(group)
    best = front(group)
    fields = {"first": in_sentence(first), "second": name_of(second)}
    points = [
        Point(_letter(n), p.entry.name, p.first, p.second, p.entry.name in best)
        for n, p in enumerate(placed(group))
    ]
    said = (
        text("compare.note-front", names=text("record.list").join(best))
        if best
        else text("compare.no-front", **fields)
    )
    shares = (group.baseline.unit(first) == "share", group.baseline.unit(second) == "share")
    title = text("compare.h-front", **fields)
    return Plot(title, name_of(first), name_of(second), points if best else (), said, shares)


def _letter(number: int) -> str:
    """A … Z, then AA, AB and so on."""
    before = _letter(number // 26 - 1) if number >= 26 else ""
    return before + chr(ord("A") + number % 26)


def choice_said(choice: Choice) -> str:
    """The chosen run with its numbers, or that there is none."""
    if choice.run is None:
        return text("compare.no-choice")
    return text("compare.choice", run=choice.run, values=choice.values)


def rows_part(a: Entry, b: Entry) -> RowsPart:
    """The test items on which two runs differ, the most different first."""
    found, common = differing_rows(a, b)
    title = text("compare.h-rows", a=a.name, b=b.name)
    if not common:
        none = text("compare.rows-none-common", a=len(a.items), b=len(b.items))
        return RowsPart(title, [none], None)
    up = sum(each.difference > 0 for each in found)
    said = [
        text(
            "compare.rows-common",
            common=common,
            count=len(found),
            a=a.name,
            b=b.name,
            up=up,
            down=len(found) - up,
        )
    ]
    if len(found) > MOST_ROWS:
        said.append(text("compare.rows-cut", shown=MOST_ROWS))
    if not found:
        return RowsPart(title, said, None)
    columns = [text("compare.input"), text("compare.gold"), a.name, b.name]
    columns.append(text("compare.score-difference"))
    rows = [_differing(each, a) for each in found[:MOST_ROWS]]
    return RowsPart(title, said, Table(columns, rows, "llllr"))


def _differing(each: Differing, entry: Entry) -> list[str]:
    digits = 1 if entry.unit(entry.primary) == "points" else 2
    return [
        clip(each.text),
        gold_said(each.gold),
        answer_said(each.a, entry.answers),
        answer_said(each.b, entry.answers),
        f"{each.difference:+.{digits}f}",
    ]


def gold_said(row: Predicted) -> str:
    """The gold answer of an item."""
    return joined(row.gold_labels) if row.gold_labels else shown(row.gold)


def answer_said(answer: Answer, answers: str) -> str:
    """A run's answer to an item; of one label with ○ or ×."""
    if answers == "text":
        return shown(answer.generated or "")
    said = "—" if answer.labels is None else joined(answer.labels)
    if answers == "label" and answer.correct is not None:
        return f"{'○' if answer.correct else '×'} {said}"
    return said
