"""Rows worth reading, what goes wrong in them, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import emoji

from kunren.evaluation.labels import answer_key
from kunren.evaluation.score import percent
from kunren.messages import text
from kunren.records.facts import Facts
from kunren.records.predictions import Answer, Predicted
from kunren.report.format import Table, answer, clip

EXAMPLES = 5
CONFUSIONS = 10
SURE = 0.8
"""A wrong answer at least this probable is called a confident one."""

FEW = 5
"""So few training rows of a label may explain why it is not found."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Free generations outside the label set: a sentence, and the commonest of them."""

    said: str
    table: Table | None


def _tuned(rows: Iterable[Predicted], *, correct: bool) -> list[tuple[Predicted, Answer]]:
    found = [
        (row, said)
        for row in rows
        if (said := row.systems.get("tuned")) is not None and said.correct is correct
    ]
    return sorted(found, key=lambda pair: -(pair[1].probability or 0.0))


def _spread(
    found: Sequence[tuple[Predicted, Answer]], first: Sequence[bool]
) -> list[tuple[Predicted, Answer]]:
    """Up to ``EXAMPLES`` rows: those marked ``first`` before others, one a gold label at first."""
    order = sorted(range(len(found)), key=lambda n: not first[n])
    seen: Counter[str] = Counter()
    rank = {}
    for n in order:
        gold = found[n][0].gold
        rank[n] = seen[gold]
        seen[gold] += 1
    chosen = sorted(order, key=lambda n: rank[n])[:EXAMPLES]
    return [found[n] for n in chosen]


def _base(row: Predicted) -> Answer:
    return row.systems.get("base") or Answer(None, None, None, None)


def good(rows: Sequence[Predicted]) -> Table | None:
    """Rows that tuned answers rightly: first those base got wrong, one a label, the surest."""
    found = _tuned(rows, correct=True)
    if not found:
        return None
    chosen = _spread(found, [_base(row).correct is False for row, _ in found])
    columns = [text(f"record.{name}") for name in ("input", "gold", "base-said", "tuned-said")]
    made = [
        [
            clip(row.text),
            row.gold,
            answer(_base(row).label, _base(row).probability),
            answer(said.label, said.probability),
        ]
        for row, said in chosen
    ]
    return Table(columns, made, "llll")


def bad(rows: Sequence[Predicted], trained: Mapping[str, int]) -> Table | None:
    """Rows that tuned answers wrongly, with what is wrong; those that base got right first."""
    found = _tuned(rows, correct=False)
    if not found:
        return None
    chosen = _spread(found, [bool(_base(row).correct) for row, _ in found])
    columns = [text(f"record.{name}") for name in ("input", "gold", "tuned-said", "problem")]
    made = [
        [clip(row.text), row.gold, answer(said.label, said.probability), _wrong(row, said, trained)]
        for row, said in chosen
    ]
    return Table(columns, made, "llll")


def _wrong(row: Predicted, said: Answer, trained: Mapping[str, int]) -> str:
    parts = []
    if trained and not trained.get(row.gold):
        parts.append(text("record.wrong-never-trained", gold=row.gold))
    elif trained and trained[row.gold] <= FEW:
        parts.append(text("record.wrong-few", gold=row.gold, count=trained[row.gold]))
    if _base(row).correct:
        parts.append(text("record.wrong-was-right"))
    if (said.probability or 0.0) >= SURE:
        parts.append(text("record.wrong-sure"))
    if not parts:
        parts.append(text("record.wrong-confused", gold=row.gold, predicted=said.label))
    return text("record.joined-short").join(parts)


def _confused(rows: Sequence[Predicted]) -> Counter[tuple[str, str]]:
    return Counter((row.gold, said.label or "") for row, said in _tuned(rows, correct=False))


def confusions(rows: Sequence[Predicted]) -> Table | None:
    """Confusions of the tuned model that happened more than once, the commonest first."""
    repeated = [(pair, count) for pair, count in _confused(rows).items() if count > 1]
    if not repeated:
        return None
    order = sorted(repeated, key=lambda pair: (-pair[1], pair[0]))[:CONFUSIONS]
    columns = [text(f"record.{name}") for name in ("gold", "predicted", "count")]
    return Table(columns, [[g, p, str(count)] for (g, p), count in order], "llr")


def _by_recall(per_label: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    known = [(name, said) for name, said in per_label.items() if said["support"]]
    return sorted(known, key=lambda pair: (pair[1]["recall"], -pair[1]["support"]))


def weakest(per_label: Mapping[str, Mapping[str, Any]], trained: Mapping[str, int]) -> Table | None:
    """The labels that are found least often, with how many rows taught them."""
    missed = [(name, said) for name, said in _by_recall(per_label) if said["recall"] < 1]
    if not missed:
        return None
    names = ("label", "found", "answered", "precision", "f1", "trained-rows")
    rows = [
        [
            name,
            f"{round(said['recall'] * said['support'])} / {said['support']}",
            str(said["predicted"]),
            "—" if said["precision"] is None else percent(said["precision"]),
            "—" if said["f1"] is None else f"{said['f1']:.2f}",
            str(trained.get(name, 0)) if trained else "—",
        ]
        for name, said in missed[:CONFUSIONS]
    ]
    return Table([text(f"record.{name}") for name in names], rows, "lrrrrr")


def outside(rows: Sequence[Predicted], labels: Sequence[str]) -> Outside | None:
    """Free generations of the tuned model that are not in the label set; None: none were made."""
    said = [
        tuned.generated
        for row in rows
        if (tuned := row.systems.get("tuned")) is not None and tuned.generated is not None
    ]
    if not said:
        return None
    known = {answer_key(label) for label in labels}
    wild = Counter(answer_key(word) for word in said if answer_key(word) not in known)
    if not wild:
        return Outside(text("record.outside-none", total=len(said)), None)
    new = sum(n for word, n in wild.items() if emoji.is_emoji(word))
    sentence = text(
        "record.outside-some",
        total=len(said),
        count=wild.total(),
        share=percent(wild.total() / len(said)),
        emoji=new,
    )
    order = sorted(wild.items(), key=lambda pair: (-pair[1], pair[0]))[:CONFUSIONS]
    lines = [[clip(word, 40) or text("record.empty"), _kind(word), str(n)] for word, n in order]
    columns = [text(f"record.{name}") for name in ("generated", "kind", "count")]
    return Outside(sentence, Table(columns, lines, "llr"))


def _kind(word: str) -> str:
    if not word:
        return text("record.kind-empty")
    if emoji.is_emoji(word):
        return text("record.kind-emoji")
    return text("record.kind-emojis" if emoji.purely_emoji(word) else "record.kind-text")


def next_steps(
    facts: Facts, findings: Sequence[Mapping[str, Any]], trained: Mapping[str, int]
) -> Table:
    """What to do next and why: first what the findings ask for, then what the errors suggest."""
    steps: list[list[str]] = []
    if facts.metrics is None:
        steps.append(_unfinished(facts))
    for finding in findings:
        said = _advice(finding)
        if said is not None and said not in steps:
            steps.append(said)
    rows = facts.predictions or ()
    per_label = (facts.metrics or {}).get("per_label", {}).get("tuned", {})
    weak = [name for name, said in _by_recall(per_label) if said["recall"] < 0.5][:3]
    if weak:
        counts = text("record.list").join(f"{name} ({trained.get(name, '?')})" for name in weak)
        steps.append(
            [
                text("record.next-more-rows", labels=text("record.list").join(weak)),
                text("record.next-more-rows-why", counts=counts),
            ]
        )
    confused = sorted(_confused(rows).items(), key=lambda pair: (-pair[1], pair[0]))
    if confused and confused[0][1] >= 2:
        (gold, said_), count = confused[0]
        steps.append(
            [
                text("record.next-pair", gold=gold, predicted=said_),
                text("record.next-pair-why", gold=gold, predicted=said_, count=count),
            ]
        )
    if facts.metrics is not None:
        steps.append([text("record.next-chat"), text("record.next-chat-why")])
    return Table([text("record.action"), text("record.why")], steps, "ll")


def _unfinished(facts: Facts) -> list[str]:
    if "non-finite" in " ".join(facts.state.codes):
        return [text("record.next-mend"), text("record.next-mend-why")]
    return [text("record.next-resume"), text("record.next-resume-why")]


def _advice(finding: Mapping[str, Any]) -> list[str] | None:
    """What a finding asks for: its patch of the config, or the step that belongs to its rule."""
    fix = finding.get("fix")
    if fix and finding["severity"] != "info":
        options = " ".join(f"--set {key}={_plain(value)}" for key, value in fix["set"].items())
        return [text("record.next-fix", options=options), text("record.next-fix-why", **finding)]
    try:
        slug = finding["slug"]
        return [text(f"record.next-{slug}"), text(f"record.next-{slug}-why")]
    except KeyError:
        return None


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
