"""The tables of a comparison: the runs, their settings, and how each differs from one of them."""

from __future__ import annotations

from collections.abc import Sequence

from kunren.evaluation.told import cell, gap, p_value
from kunren.messages import text
from kunren.records.choose import axes, front
from kunren.records.compare import Change, Group
from kunren.records.entry import SPEED, Entry
from kunren.records.said import name_of, said_percent, said_setting
from kunren.report.format import Table, clip

MARK = " ※"
"""Behind the name of a metric that is not computed in the same way in all runs."""

_LONGEST_SETTING = 60

_ABOUT_DATA = ("all-rows", "train-rows", "test-rows", "label-count", "per-emoji", "per-label")

_SIDE_BY_SIDE = 3
"""Runs whose settings stand side by side, a column each; of more, a row each."""


def overview(group: Group) -> Table:
    """One row a run, as seed 000's 実験結果サマリー has it, without what ``alike`` says."""
    made = _overview(group)
    dropped = _alike(made)
    left = [n for n in range(len(made.columns)) if n not in dropped]
    rows = [[row[n] for n in left] for row in made.rows]
    align = "".join(made.align[n] for n in left)
    return Table([made.columns[n] for n in left], rows, align, made.marked)


def alike(group: Group) -> str | None:
    """What is the same in all runs; None: nothing, or there is one run."""
    made = _overview(group)
    said = [
        text("compare.alike-one", name=made.columns[n], value=made.rows[0][n]) for n in _alike(made)
    ]
    return text("compare.alike", said=text("record.list").join(said)) if said else None


def _alike(made: Table) -> list[int]:
    """Columns about the data that say the same of every run."""
    if len(made.rows) < 2:
        return []
    about = {text(f"compare.{name}") for name in _ABOUT_DATA}
    return [
        n
        for n, column in enumerate(made.columns)
        if column in about and len({row[n] for row in made.rows}) == 1
    ]


def _overview(group: Group) -> Table:
    first, second = axes(group)
    chosen = (first, second, SPEED)
    names = [m for m in group.metrics if m in chosen] or list(group.metrics[:3])
    best = front(group)
    density = "compare.per-emoji" if _emoji(group) else "compare.per-label"
    heads = ["run", "all-rows", "train-rows", "test-rows"]
    columns = [text(f"compare.{name}") for name in heads]
    labelled = group.answers != "text"
    columns += [text("compare.label-count"), text(density)] if labelled else []
    columns += [name_of(name) + _mark(group, name) for name in names]
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


def _mark(group: Group, metric: str) -> str:
    return MARK if metric in group.unlike else ""


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
    """The settings that differ: a column a run, or of many runs a row."""
    if not group.settings:
        return None
    if len(group.entries) > _SIDE_BY_SIDE:
        lines = [
            [
                entry.name,
                *(clip(said_setting(v[n]), _LONGEST_SETTING) for v in group.settings.values()),
            ]
            for n, entry in enumerate(group.entries)
        ]
        heads = [text("compare.run"), *group.settings]
        return Table(heads, lines, "l" * len(heads))
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
    return change_table(kept, group.entries, group.baseline, unlike=group.unlike) if kept else None


def change_table(
    kept: Sequence[Change],
    entries: Sequence[Entry],
    baseline: Entry,
    *,
    named: bool = True,
    unlike: Sequence[str] = (),
) -> Table:
    """Changes as a table: seed 000's 指標 | 前 | 後 | 変化, with the paired test beside.

    Args:
        kept: the changes.
        entries: the runs that they are of.
        baseline: the run that they are measured from.
        named: with a column that names the run; else there is one run, and headings name the two.
        unlike: metrics that are marked because runs compute them differently.
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
            name_of(change.metric) + (MARK if change.metric in unlike else ""),
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
