"""Which rows are kept for their labels, and what that costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

from kunren.config.schema import Labels
from kunren.errors import Problem
from kunren.messages import text
from kunren.textfile import excerpt
from kunren.types import Row

Turns = Sequence[tuple[str, ...]]
"""The labels of each assistant turn of a row."""

_FREQUENT = 5
_SHOWN = 10
_KEPT = 100
"""Labels of unfiltered data that a record keeps: of emoji there may be thousands."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one filter did.

    Attributes:
        name: its key in ``task.labels``: ban, allow, top or min_rows.
        setting: its value, as plain JSON.
        rows: rows left after it.
        labels: different labels left after it.
    """

    name: str
    setting: object
    rows: int
    labels: int


@dataclass(frozen=True, slots=True)
class Filtered:
    """Rows after the label filters.

    Attributes:
        rows: those that were kept.
        before: how many rows there were.
        labels_before: how many different labels there were.
        steps: the filters, in the order they were applied; empty where the config sets none.
        rows_per_label: label → rows that have it, the most frequent first, after all filters.
        before_filters: label → rows that had it before any filter, the most frequent first.
    """

    rows: tuple[Row, ...]
    before: int
    labels_before: int
    steps: tuple[Step, ...]
    rows_per_label: Mapping[str, int]
    before_filters: Mapping[str, int]

    @property
    def most_frequent(self) -> tuple[str, ...]:
        """The five most frequent labels before any filter."""
        return tuple(self.before_filters)[:_FREQUENT]

    @property
    def kept(self) -> float:
        """The share of rows that was kept, in [0, 1]: seed 000's フィルタ率."""
        return len(self.rows) / self.before if self.before else 1.0


@dataclass(frozen=True, slots=True)
class _Labelled:
    row: Row
    turns: Turns

    @property
    def labels(self) -> frozenset[str]:
        return frozenset(label for turn in self.turns for label in turn)


_Filter = Callable[[Sequence[_Labelled]], list[_Labelled]]


def apply(
    rows: Sequence[Row],
    by: Sequence[Row] | None,
    config: Labels,
    turns: Callable[[Row], Turns],
    canonical: Callable[[str], str],
    rewritten: Callable[[Row, Turns], Row] | None = None,
) -> Filtered:
    """Apply the label filters: ``ban``, ``allow``, ``top``, ``min_rows``, in this order.

    ``top`` and ``min_rows`` count rows, each once a label, after the filters before them; of
    equally frequent labels the first by code point stays. ``min_rows`` is repeated until no label
    is below it. A chat is kept whole or not at all.

    Args:
        rows: what to filter.
        by: whose labels are counted; None: of ``rows``.
        config: the filters.
        turns: the labels of a row, in their one form, each once a turn.
        canonical: a label of the config in its one form.
        rewritten: a row with other labels; banned labels are then taken out of their rows, and
            only a row with none left in some turn goes. None: rows with a banned label go.
    """
    mine = [_Labelled(row, turns(row)) for row in rows]
    counted = mine if by is None else [_Labelled(row, turns(row)) for row in by]
    before = _rows_per_label(mine)
    steps = []
    for name, setting, chosen in _filters(config, canonical, rewritten):
        keep = chosen(counted)
        mine = keep(mine)
        counted = mine if by is None else keep(counted)
        left = frozenset(label for one in mine for label in one.labels)
        steps.append(Step(name, setting, len(mine), len(left)))
    return Filtered(
        rows=tuple(one.row for one in mine),
        before=len(rows),
        labels_before=len(before),
        steps=tuple(steps),
        rows_per_label=_rows_per_label(mine),
        before_filters=before,
    )


def check(filtered: Filtered, *, held_out: bool = False) -> list[Problem]:
    """Whether the filters left something to work with.

    Args:
        filtered: the outcome.
        held_out: these rows are not trained on: one label is enough, no row is not.
    """
    if not filtered.steps or len(filtered.rows_per_label) > (0 if held_out else 1):
        return []
    said: dict[str, object] = {
        "before": filtered.before,
        "labels_before": filtered.labels_before,
        "steps": text("task.list").join(
            text("task.filter-left", filter=_setting(step), rows=step.rows, labels=step.labels)
            for step in filtered.steps
        ),
        "frequent": "、".join(map(excerpt, filtered.most_frequent)) or "-",
    }
    if filtered.rows:
        said |= {"rows": len(filtered.rows), "label": excerpt(next(iter(filtered.rows_per_label)))}
        return [Problem("task.filter-one-label", fields=said)]
    return [Problem("task.filter-no-rows", fields=said)]


def lines(filtered: Filtered) -> list[str]:
    """What the filters did, for the terminal; nothing where the config sets none."""
    if not filtered.steps:
        return []
    counts = list(filtered.rows_per_label.values())
    said = [
        text(
            "task.filter-summary",
            before=filtered.before,
            rows=len(filtered.rows),
            kept=f"{100 * filtered.kept:.1f}",
            labels_before=filtered.labels_before,
            labels=len(counts),
        )
    ]
    said += [
        text("task.filter-step", filter=_setting(step), rows=step.rows, labels=step.labels)
        for step in filtered.steps
    ]
    if counts:
        shown = list(filtered.rows_per_label.items())[:_SHOWN]
        said.append(
            text(
                "task.filter-rows-per-label",
                least=min(counts),
                median=f"{median(counts):g}",
                most=max(counts),
                top=" ".join(f"{excerpt(label)} {count:,}" for label, count in shown),
            )
        )
    return said


def as_json(filtered: Filtered) -> dict[str, object]:
    """What the filters did, for a run's manifest."""
    return {
        "before": filtered.before,
        "rows": len(filtered.rows),
        "kept": filtered.kept,
        "labels_before": filtered.labels_before,
        "labels": len(filtered.rows_per_label),
        "steps": [
            {"name": s.name, "setting": s.setting, "rows": s.rows, "labels": s.labels}
            for s in filtered.steps
        ],
        "rows_per_label": dict(filtered.rows_per_label),
        "most_frequent": list(filtered.most_frequent),
        "before_filters": dict(islice(filtered.before_filters.items(), _KEPT)),
    }


def _filters(
    config: Labels,
    canonical: Callable[[str], str],
    rewritten: Callable[[Row, Turns], Row] | None,
) -> list[tuple[str, object, Callable[[Sequence[_Labelled]], _Filter]]]:
    """The filters that a config sets: each is made from the rows whose labels are counted."""
    found: list[tuple[str, object, Callable[[Sequence[_Labelled]], _Filter]]] = []
    if config.ban:
        banned = frozenset(map(canonical, config.ban))
        found.append(("ban", list(config.ban), lambda _: _without(banned, rewritten)))
    if config.allow is not None:
        allowed = frozenset(map(canonical, config.allow))
        found.append(("allow", list(config.allow), lambda _: _within(allowed)))
    if (top := config.top) is not None:
        found.append(("top", top, lambda rows: _within(list(_rows_per_label(rows))[:top])))
    if (least := config.min_rows) > 1:
        found.append(("min_rows", least, lambda rows: _within(_frequent_enough(rows, least))))
    return found


def _without(banned: frozenset[str], rewritten: Callable[[Row, Turns], Row] | None) -> _Filter:
    def keep(rows: Sequence[_Labelled]) -> list[_Labelled]:
        kept = []
        for one in rows:
            if not one.labels & banned:
                kept.append(one)
            elif rewritten is not None:
                turns = [tuple(x for x in turn if x not in banned) for turn in one.turns]
                if all(turns):
                    kept.append(_Labelled(rewritten(one.row, turns), turns))
        return kept

    return keep


def _within(allowed: Iterable[str]) -> _Filter:
    known = frozenset(allowed)
    return lambda rows: [one for one in rows if one.labels <= known]


def _frequent_enough(rows: Sequence[_Labelled], least: int) -> list[str]:
    """Labels with at least ``least`` rows, all of whose labels are among them."""
    while True:
        frequent = [label for label, count in _rows_per_label(rows).items() if count >= least]
        kept = _within(frequent)(rows)
        if len(kept) == len(rows):
            return frequent
        rows = kept


def _rows_per_label(rows: Sequence[_Labelled]) -> dict[str, int]:
    counted = Counter(label for one in rows for label in one.labels)
    return dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


def _setting(step: Step) -> str:
    """A filter as the config has it, shortened."""
    value = step.setting
    shown = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{step.name} {excerpt(shown, 40)}"
