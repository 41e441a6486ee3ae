"""What goes wrong in the answers of the tuned model, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import emoji

from kunren.evaluation.metric import answer_key
from kunren.evaluation.told import number, p_value, percent
from kunren.messages import text
from kunren.report import factual
from kunren.report.format import Table, clip, joined, shown
from kunren.report.samples import SURE, Rows, change, too_often

MOST = 10
"""Lines of a table of errors."""

EVEN = 0.05
"""A mean difference in the number of labels, or of length, below which nothing is said of it."""


GRADES = ("better", "worse", "same")
"""What training can do to an answer that is more or less right."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What was generated outside the label set: a sentence, and the commonest of it."""

    said: str
    table: Table | None


def confused(rows: Rows) -> Counter[tuple[str, str]]:
    """(gold, predicted) of one label → how often."""
    if rows.facts.answers != "label":
        return Counter()
    found = rows.tuned()
    return Counter((row.gold, said.label or "") for row, said in found if said.correct is False)


def confusions(rows: Rows) -> Table | None:
    """Confusions of the tuned model that happened more than once, the commonest first."""
    repeated = [(pair, count) for pair, count in confused(rows).items() if count > 1]
    if not repeated:
        return None
    order = sorted(repeated, key=lambda pair: (-pair[1], pair[0]))[:MOST]
    columns = [text(f"record.{name}") for name in ("gold", "predicted", "count")]
    return Table(columns, [[g, p, str(count)] for (g, p), count in order], "llr")


def by_recall(rows: Rows) -> list[tuple[str, Mapping[str, Any]]]:
    """Labels of gold with their scores, the least found first."""
    per_label = (rows.facts.metrics or {}).get("per_label", {}).get("tuned", {})
    known = [(name, said) for name, said in per_label.items() if said["support"]]
    return sorted(known, key=lambda pair: (pair[1]["recall"], -pair[1]["support"]))


def weakest(rows: Rows) -> Table | None:
    """The labels that are found least often, with how many rows taught them."""
    missed = [(name, said) for name, said in by_recall(rows) if said["recall"] < 1]
    if not missed:
        return None
    names = ("label", "found", "answered", "precision", "f1", "trained-rows")
    lines = [
        [
            name,
            f"{round(said['recall'] * said['support'])} / {said['support']}",
            str(said["predicted"]),
            "—" if said["precision"] is None else percent(said["precision"]),
            "—" if said["f1"] is None else f"{said['f1']:.2f}",
            str(rows.trained.get(name, 0)) if rows.trained else "—",
        ]
        for name, said in missed[:MOST]
    ]
    return Table([text(f"record.{name}") for name in names], lines, "lrrrrr")


def unbalanced(rows: Rows) -> Table | None:
    """Labels that the tuned model predicts more or less often than gold has them, beyond chance.

    None: there is no such label, or the record is of before this was tested.
    """
    found = (rows.facts.metrics or {}).get("generation", {}).get("tuned", ())
    if not found:
        return None
    columns = [text(f"record.{name}") for name in ("label", "gold", "predicted", "ratio", "p")]
    lines = [
        [
            one["label"],
            str(one["gold"]),
            str(one["predicted"]),
            "—" if one["ratio"] is None else text("record.times", ratio=f"{one['ratio']:.2f}"),
            p_value(one["p"]).removeprefix("p = ").removeprefix("p "),
        ]
        for one in found[:MOST]
    ]
    return Table(columns, lines, "lrrrr")


def outside(rows: Rows) -> Outside | None:
    """What the tuned model generated outside the label set; None: it generated no labels."""
    answered = [said for row in rows.rows if (said := row.systems.get("tuned")) is not None]
    written = [said for said in answered if said.generated is not None]
    if rows.facts.answers == "text" or not written:
        return None
    if rows.facts.answers == "set":
        wild = Counter(piece for said in written for piece in said.invalid)
        total = wild.total() + sum(len(said.labels or ()) for said in written)
        kind = "pieces"
    else:
        known = {answer_key(label) for label in (rows.facts.metrics or {}).get("labels", ())}
        keys = [answer_key(said.generated or "") for said in written]
        wild = Counter(key for key in keys if key not in known)
        total, kind = len(written), "answers"
    if not wild:
        return Outside(text(f"record.outside-none-{kind}", total=total), None)
    sentence = text(
        f"record.outside-some-{kind}",
        total=total,
        count=wild.total(),
        share=percent(wild.total() / total),
        emoji=sum(n for word, n in wild.items() if emoji.is_emoji(word)),
    )
    order = sorted(wild.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST]
    lines = [[clip(word, 40) or text("record.empty"), _kind(word), str(n)] for word, n in order]
    columns = [text(f"record.{name}") for name in ("generated", "kind", "count")]
    return Outside(sentence, Table(columns, lines, "llr"))


def _kind(word: str) -> str:
    if not word:
        return text("record.kind-empty")
    if emoji.is_emoji(word):
        return text("record.kind-emoji")
    return text("record.kind-emojis" if emoji.purely_emoji(word) else "record.kind-text")


def trends(rows: Rows) -> list[str]:
    """What the answers have in common, one sentence each."""
    if rows.facts.metrics is None or not rows.tuned():
        return []
    kinds = {"label": _of_labels, "set": _of_sets, "text": _of_texts}
    return [*_changes(rows), *kinds[rows.facts.answers](rows)]


def _changes(rows: Rows) -> Iterator[str]:
    """How many answers training put right, and how many it spoilt."""
    found = Counter(change(row, rows.facts.answers) for row in rows.rows if "base" in row.systems)
    if not found.keys() - {""}:
        return
    kind = "label" if rows.facts.answers == "label" else "graded"
    names = ("fixed", "broken", "right", "wrong") if kind == "label" else GRADES
    yield text(f"record.trend-{kind}-changes", **{name: found[name] for name in names})


def levels(rows: Rows) -> int:
    """How many levels the labels' paths have."""
    return max((len(_path(rows, label)) for label in {*rows.gold, *rows.said}), default=1)


def _path(rows: Rows, label: str) -> list[str]:
    task = (rows.facts.config or {}).get("task", {})
    separator = task.get("labels", {}).get("hierarchy")
    return label.split(separator) if separator else [label]


def above(rows: Rows, label: str, level: int = 1) -> tuple[str, ...]:
    """The first ``level`` parts of a label's path."""
    return tuple(part.strip() for part in _path(rows, label)[:level])


def _of_labels(rows: Rows) -> Iterator[str]:
    """Which labels are answered too often, confused, or never found, and how surely."""
    yield from _too_often(rows)
    pairs = sorted(confused(rows).items(), key=lambda pair: (-pair[1], pair[0]))
    if pairs and pairs[0][1] > 1:
        (gold, said_), count = pairs[0]
        yield text("record.trend-pair", gold=gold, predicted=said_, count=count)
    never = [name for name, said in by_recall(rows) if said["recall"] == 0 and name in rows.trained]
    if never:
        yield text("record.trend-none-right", count=len(never), labels=joined(never[:MOST]))
    wrong = [said for _, said in rows.tuned() if said.correct is False]
    sure = sum((said.probability or 0.0) >= SURE for said in wrong)
    if sure:
        share = percent(sure / len(wrong))
        yield text("record.trend-sure", total=len(wrong), count=sure, share=share, sure=SURE)
    yield from _of_levels(rows)


def _too_often(rows: Rows) -> Iterator[str]:
    often = [x for x, _ in rows.said.most_common() if too_often(x, rows.said, rows.gold)][:5]
    if often:
        counts = text("record.list").join(f"{x} {rows.said[x]} / {rows.gold[x]}" for x in often)
        yield text("record.trend-too-often", labels=joined(often), counts=counts)


def _of_levels(rows: Rows) -> Iterator[str]:
    """Of a hierarchy: how good each level is, and how many errors stay within their branch."""
    deepest = levels(rows)
    if deepest < 2:
        return
    scores = (rows.facts.metrics or {})["systems"]["tuned"]
    for level in range(1, deepest):
        score = scores.get(f"accuracy_level{level}", {})
        if score.get("value") is not None:
            yield text(
                "record.trend-level",
                level=level,
                value=percent(score["value"]),
                whole=percent(scores["accuracy"]["value"]),
            )
    wrong = [(row, said) for row, said in rows.tuned() if said.correct is False and said.label]
    if wrong:
        near = sum(above(rows, r.gold) == above(rows, said.label or "") for r, said in wrong)
        yield text(
            "record.trend-branch",
            count=len(wrong),
            near=near,
            share=percent(near / len(wrong)),
            far=len(wrong) - near,
        )


def _of_sets(rows: Rows) -> Iterator[str]:
    never = [x for x, _ in rows.gold.most_common() if x in rows.trained and not rows.said[x]]
    if never:
        yield text("record.trend-never", count=len(never), labels=joined(never[:MOST]))
    known = len((rows.facts.metrics or {})["labels"])
    yield text("record.trend-unique", kinds=len(rows.said), labels=known)
    scores = (rows.facts.metrics or {})["systems"]["tuned"]
    found = rows.tuned()
    exact = sum(bool(said.correct) for _, said in found)
    yield text("record.trend-exact", count=exact, share=percent(exact / len(found)))
    error = scores.get("length_error", {}).get("value")
    if error is not None and abs(error) >= EVEN:
        kind = "more" if error > 0 else "fewer"
        yield text(f"record.trend-{kind}", count=f"{abs(error):.2f}")


def _of_texts(rows: Rows) -> Iterator[str]:
    found = rows.tuned()
    exact = sum(bool(said.correct) for _, said in found)
    yield text("record.trend-exact", count=exact, share=percent(exact / len(found)))
    empty = rows.said[""]
    if empty:
        yield text("record.trend-empty", count=empty)
    repeated = [(x, n) for x, n in rows.said.most_common() if x and n > max(1, rows.gold[x])]
    if repeated:
        answer, count = repeated[0]
        yield text("record.trend-repeated", answer=shown(answer, 60), count=count)
    yield from factual.trends(found)
    ratio = (rows.facts.metrics or {})["systems"]["tuned"].get("length_ratio", {}).get("value")
    if ratio is not None and abs(ratio - 1) >= EVEN:
        kind = "longer" if ratio > 1 else "shorter"
        yield text(f"record.trend-{kind}", ratio=number(ratio))


def levels_of_cells(
    rows: Rows, cells: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The cells of a confusion table summed up to the first level, and that level's labels."""
    counted: Counter[tuple[str, str | None]] = Counter()
    for cell in cells:
        gold, said = above(rows, cell["gold"])[0], cell["predicted"]
        counted[gold, None if said is None else above(rows, said)[0]] += cell["count"]
    names = dict.fromkeys(
        above(rows, label)[0] for label in (rows.facts.metrics or {}).get("labels", ())
    )
    made = [{"gold": g, "predicted": p, "count": n} for (g, p), n in counted.items()]
    return made, list(names)
