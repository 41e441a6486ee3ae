"""The section of a record that compares it with a chosen earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kunren.messages import text
from kunren.records.compare import SHOWN, Group, changes, compare_runs, differing_settings
from kunren.records.earlier import read_earlier
from kunren.records.entry import Entry
from kunren.records.facts import Facts
from kunren.records.own import entry
from kunren.records.said import (
    in_sentence,
    said_percent,
    said_setting,
    said_value,
    said_verdict,
)
from kunren.report.comparison_tables import change_table
from kunren.report.format import Table, clip

_MOST_SETTINGS = 12
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is said of an earlier run.

    Attributes:
        intro: which run it is.
        conclusion: what became of the primary metric.
        table: metric by metric, as seeds 000 and 001 have it.
        notes: changed settings, and what makes values not comparable.
    """

    intro: str
    conclusion: str
    table: Table | None
    notes: Sequence[str]


def section(facts: Facts) -> Earlier | None:
    """The comparison with the run in ``earlier.json``; None where there is none.

    Raises:
        InputError: the file is broken.
    """
    before = read_earlier(facts.path)
    if before is None or facts.metrics is None:
        return None
    now = entry(facts)
    if now.name == before.name:
        before = replace(before, name=f"{before.name} (2)")
    if now.answers != before.answers:
        return None
    group = compare_runs([before, now], before.name)[0]
    return Earlier(
        intro=text("compare.earlier-said", name=before.name),
        conclusion=_conclusion(group, before, now),
        table=_table(group, before, now),
        notes=[_settings(before, now), *group.warnings, *before.warnings],
    )


def _conclusion(group: Group, before: Entry, now: Entry) -> str:
    change = group.change(now.name, group.primary)
    if change is None or change.before is None or change.after is None:
        return text("compare.earlier-missing", metric=in_sentence(group.primary))
    fields = {
        "metric": in_sentence(group.primary),
        "before": said_value(before, group.primary),
        "after": said_value(now, group.primary),
        "change": said_percent(change.percent),
    }
    if change.paired is None:
        return text("compare.earlier-no-verdict", **fields)
    judged = said_verdict(change.paired.verdict)
    return text("compare.earlier-verdict", rows=len(now.items), judged=judged, **fields)


def _table(group: Group, before: Entry, now: Entry) -> Table | None:
    """The metrics that both runs have a value of."""
    names = [n for n in SHOWN[group.answers] if n in group.metrics]
    both = [n for n in names if before.value(n) is not None and now.value(n) is not None]
    made = changes(before, [now], both)
    if not made:
        return None
    return change_table(made, [now], before, named=False, unlike=group.unlike)


def _settings(before: Entry, now: Entry) -> str:
    unlike = differing_settings([before, now])
    if not unlike:
        return text("compare.earlier-no-settings")
    said = [
        text(
            "compare.setting-change",
            key=key,
            before=clip(said_setting(a), _LONGEST),
            after=clip(said_setting(b), _LONGEST),
        )
        for key, (a, b) in unlike.items()
    ]
    listed = text("record.list").join(said[:_MOST_SETTINGS])
    return text(
        "compare.earlier-settings", settings=listed + ("…" if len(said) > _MOST_SETTINGS else "")
    )
