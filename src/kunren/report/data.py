"""The data of a run, as its record tells it: how much there is, of what, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import emoji

from kunren.data import notes
from kunren.evaluation.told import percent
from kunren.messages import text
from kunren.records.facts import Facts
from kunren.report.format import Table, emoji_name, joined

MOST_LABELS = 50
"""Labels in the table of one label a row; the others are summed up, the manifest has them all."""

TOP = 20
"""Labels in the table of sets: those that seed a collapse stand at its top."""

LEANS = 2.0
"""The first label leads the second by this factor: data that models collapse on."""

_SPLITS = ("train", "validation", "test")


def splits(facts: Facts) -> Table | None:
    """How many rows, items and labels each split has; of free text, how long it is."""
    data = (facts.manifest or {}).get("data", {})
    rows, items = data.get("rows"), data.get("items", {})
    if not rows:
        return None
    several = items and items != rows
    sets = data.get("sets") if facts.answers == "set" else None
    lengths = data.get("lengths") if facts.answers == "text" else None
    names = ["split", "rows", *(["items"] if several else [])]
    names += ["label-total", "label-kinds", "labels-a-row", "rows-a-label"] if sets else []
    names += ["question-length", "answer-length"] if lengths else []
    names += ["label-kinds"] if facts.answers == "label" else []
    made = []
    for name in (*_SPLITS, *(["all"] if sets else [])):
        count = sum(rows.values()) if name == "all" else rows.get(name, 0)
        line = [text(f"record.split-{name}"), f"{count:,}"]
        if several:
            total = sum(items.values()) if name == "all" else items.get(name, 0)
            line.append(f"{total:,}")
        if sets:
            line += _set_cells(sets.get(name), count)
        if lengths:
            line += [_length(lengths.get(name, {}).get(x)) for x in ("question", "answer")]
        if facts.answers == "label":
            line.append(str(sum(c.get(name, 0) > 0 for c in data.get("labels", {}).values())))
        made.append(line)
    columns = [text(f"record.{name}") for name in names]
    return Table(columns, made, "l" + "r" * (len(columns) - 1))


def _set_cells(said: Mapping[str, Any] | None, rows: int) -> list[str]:
    if said is None:
        return ["0", "0", "—", "—"]
    return [
        f"{said['total']:,}",
        f"{said['different']:,}",
        f"{said['mean']:.2f}",
        f"{rows / said['different']:.1f}",
    ]


def _length(said: Mapping[str, float] | None) -> str:
    if said is None:
        return "—"
    return text("record.length-said", **{k: f"{v:.0f}" for k, v in said.items()})


def turns_said(facts: Facts) -> str | None:
    """How many answers the rows have, where some have several."""
    counted: Counter[int] = Counter()
    for turns in (facts.manifest or {}).get("data", {}).get("turns", {}).values():
        counted.update({int(n): rows for n, rows in turns.items()})
    if set(counted) <= {1}:
        return None
    said = (text("record.turns-rows", turns=n, rows=counted[n]) for n in sorted(counted))
    return text("record.turns-said", turns=text("record.list").join(said))


def notes_said(facts: Facts) -> list[str]:
    """What was understood of the data without being told, a sentence each."""
    found = (facts.manifest or {}).get("data", {}).get("notes") or ()
    return [notes.said(note) for note in notes.from_json(found)]


def labels(facts: Facts) -> Table | None:
    """How often each label occurs, the commonest first."""
    data = (facts.manifest or {}).get("data", {})
    counts: Mapping[str, Mapping[str, int]] = data.get("labels", {})
    if not counts:
        return None
    named = any(emoji_name(label) for label in counts)
    if facts.answers == "set":
        return _ranking(data, named)
    emojis = all(map(emoji.is_emoji, counts))
    columns = [text("record.rank"), text("record.emoji" if emojis else "record.label")]
    columns += [text("record.meaning")] if named else []
    columns += [text(f"record.{name}") for name in ("occurrences", "share")]
    columns += [text(f"record.split-{name}") for name in _SPLITS]
    order = [label for label, _ in _ordered(data)]
    total = _total(data)

    def line(place: str, label: str, meaning: str, of: Sequence[str]) -> list[str]:
        by_split = [sum(counts[each].get(name, 0) for each in of) for name in _SPLITS]
        count = sum(by_split)
        share = percent(count / total) if total else "—"
        numbers = [f"{count:,}", share, *(f"{n:,}" for n in by_split)]
        return [place, label, *([meaning] if named else []), *numbers]

    rows = [
        line(str(place), label, emoji_name(label) or "", [label])
        for place, label in enumerate(order[:MOST_LABELS], start=1)
    ]
    if rest := order[MOST_LABELS:]:
        rows.append(line("", text("record.other-labels", count=len(rest)), "", rest))
    return Table(columns, rows, "r" + "l" * (len(columns) - 6) + "rrrrr")


def _ranking(data: Mapping[str, Any], named: bool) -> Table:
    """The most frequent labels of all splits, as a table of seed 001 has them."""
    order = _ordered(data)
    total = _total(data)
    emojis = all(emoji.is_emoji(label) for label, _ in order)
    columns = [text("record.rank"), text("record.emoji" if emojis else "record.label")]
    columns += [text("record.meaning")] if named else []
    columns += [text("record.occurrences"), text("record.share")]
    rows = [
        [
            str(place),
            label,
            *([emoji_name(label) or ""] if named else []),
            str(count),
            percent(count / total),
        ]
        for place, (label, count) in enumerate(order[:TOP], start=1)
    ]
    return Table(columns, rows, "r" + "l" * (len(columns) - 3) + "rr")


def _ordered(data: Mapping[str, Any]) -> list[tuple[str, int]]:
    counted = [(label, sum(counts.values())) for label, counts in data["labels"].items()]
    return sorted(counted, key=lambda pair: -pair[1])


def _total(data: Mapping[str, Any]) -> int:
    every = (data.get("sets") or {}).get("all")
    return every["total"] if every else sum(count for _, count in _ordered(data))


def trained(facts: Facts) -> dict[str, int]:
    """Label → training items that have it."""
    counts = (facts.manifest or {}).get("data", {}).get("labels", {})
    return {label: said.get("train", 0) for label, said in counts.items()}


def labels_said(facts: Facts) -> str | None:
    """How even the labels are, since a dominating one is what models collapse onto."""
    counts = trained(facts)
    if not counts or not sum(counts.values()):
        return None
    if facts.answers == "set":
        return _dominance((facts.manifest or {})["data"])
    total = sum(counts.values())
    order = sorted(counts.items(), key=lambda pair: -pair[1])
    (label, most), least = order[0], order[-1][1]
    kind = "even" if most == least else "uneven"
    return text(
        f"record.labels-{kind}",
        kinds=len(counts),
        label=label,
        most=most,
        share=f"{100 * most / total:.1f}",
        least=least,
    )


def _dominance(data: Mapping[str, Any]) -> str | None:
    order = _ordered(data)
    if len(order) < 2 or not order[1][1] or order[0][1] == order[1][1]:
        return None
    (first, most), (second, next_) = order[0], order[1]
    total = _total(data)
    return text(
        "record.sets-lean" if most >= LEANS * next_ else "record.sets-first",
        first=first,
        share=percent(most / total),
        second=second,
        next=percent(next_ / total),
        times=f"{most / next_:.1f}",
    )


def filters(facts: Facts) -> Table | None:
    """What each label filter left."""
    said = (facts.manifest or {}).get("data", {}).get("filters")
    if not said:
        return None
    columns = [
        text(f"record.{x}") for x in ("filter-step", "setting", "rows", "labels-left", "rate")
    ]
    before = said["before"]
    rows = [[text("record.filter-none"), "—", f"{before:,}", f"{said['labels_before']:,}", "—"]]
    rows += [
        [
            text(f"record.filter-{step['name']}"),
            _setting(step["name"], step["setting"]),
            f"{step['rows']:,}",
            f"{step['labels']:,}",
            percent(step["rows"] / before) if before else "—",
        ]
        for step in said["steps"]
    ]
    return Table(columns, rows, "llrrr")


def unfiltered(facts: Facts) -> Table | None:
    """How frequent labels were before any filter, and how many rows of each are left.

    None: nothing was filtered, or the record is of before this was kept.
    """
    said = (facts.manifest or {}).get("data", {}).get("filters") or {}
    counts: Mapping[str, int] = said.get("before_filters", {})
    if not counts:
        return None
    shown = list(counts.items())[:TOP]
    named = any(emoji_name(label) for label, _ in shown)
    emojis = all(emoji.is_emoji(label) for label, _ in shown)
    columns = [text("record.rank"), text("record.emoji" if emojis else "record.label")]
    columns += [text("record.meaning")] if named else []
    columns += [text(f"record.{name}") for name in ("rows-before", "share-of-rows", "rows-left")]
    rows = [
        [
            str(place),
            label,
            *([emoji_name(label) or ""] if named else []),
            f"{count:,}",
            percent(count / said["before"]),
            f"{said['rows_per_label'].get(label, 0):,}",
        ]
        for place, (label, count) in enumerate(shown, start=1)
    ]
    return Table(columns, rows, "r" + "l" * (len(columns) - 4) + "rrr")


def _setting(name: str, value: object) -> str:
    said = joined(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
    return f"task.labels.{name}: {said}"


def filters_said(facts: Facts) -> str | None:
    """How many rows are left, in one sentence."""
    said = (facts.manifest or {}).get("data", {}).get("filters")
    if not said:
        return None
    counts = sorted(said["rows_per_label"].values())
    return text(
        "record.filters-said",
        before=said["before"],
        rows=said["rows"],
        kept=percent(said["kept"]),
        labels=len(counts),
        least=counts[0] if counts else 0,
        mean=f"{said['rows'] / len(counts):.1f}" if counts else "—",
        most=counts[-1] if counts else 0,
        frequent=joined(said["most_frequent"]),
    )
