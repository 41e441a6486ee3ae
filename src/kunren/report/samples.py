"""Rows worth reading: good ones, bad ones, and the same input answered in several ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kunren.evaluation.told import metric_name, number, primary, system_name, unit
from kunren.messages import text
from kunren.records.facts import Facts
from kunren.records.predictions import Answer, Predicted
from kunren.report import data, factual, setup
from kunren.report.format import Table, answer, clip, joined, shown, untemplated
from kunren.tasks import Answers

EXAMPLES = 5

SURE = 0.8
"""A wrong answer at least this probable is called a confident one."""

FEW = 5
"""So few training rows of a label may explain why it is not found."""

TOO_OFTEN = 2.0
"""A label predicted this many times as often as gold has it is answered too often."""

SHORT, LONG = 0.5, 2.0
"""Lengths of a text, as shares of gold's, beyond which they are a fault of their own."""

Found = tuple[Predicted, Answer]


@dataclass(frozen=True, slots=True)
class Rows:
    """The test items of a run, and what is needed to show and judge them.

    Attributes:
        facts: the run.
        rows: its test items, their texts as users wrote them.
        before: item id → what was said before in the same chat, short; for later turns only.
        trained: label → training items that have it.
        said: how often the tuned model gave each answer, or each label of a set.
        gold: how often gold has it.
    """

    facts: Facts
    rows: Sequence[Predicted]
    before: Mapping[str, str]
    trained: Mapping[str, int]
    said: Counter[str]
    gold: Counter[str]

    def input(self, row: Predicted) -> str:
        """The text, behind what came before it."""
        before = self.before.get(row.id)
        return clip(row.text) if before is None else f"{before} {clip(row.text)}"

    def right(self, row: Predicted) -> str:
        """The gold answer."""
        answers = self.facts.answers
        if answers == "label":
            return row.gold
        return joined(row.gold_labels) if answers == "set" else shown(row.gold)

    def answer(self, said: Answer | None) -> str:
        """What a system answered."""
        if said is None:
            return "—"
        if self.facts.answers == "label":
            return answer(said.label, said.probability)
        if self.facts.answers == "text":
            if said.generated is None:
                return "—"
            whole = shown(said.generated) or text("record.empty")
            return f"{whole} {text('record.cut')}" if said.ended is False else whole
        if said.labels is None:
            return "—"
        wild = text("record.beside", invalid=clip(" ".join(said.invalid), 24))
        return joined(said.labels) + (f" {wild}" if said.invalid else "")

    def score(self, said: Answer) -> str:
        """The item's value of the primary metric."""
        if said.score is None:
            return "—"
        return f"{said.score:.{1 if self.facts.answers == 'text' else 2}f}"

    def tuned(self) -> list[Found]:
        """Items that the tuned model answered and that could be scored, the best first."""
        found = [
            (row, said)
            for row in self.rows
            if (said := row.systems.get("tuned")) is not None and said.score is not None
        ]
        return sorted(found, key=lambda pair: -(pair[1].score or 0.0))


def read(facts: Facts) -> Rows:
    """The test items of a run."""
    template = (facts.config or {}).get("task", {}).get("template", "{text}")
    rows = [replace(r, text=untemplated(r.text, template)) for r in facts.predictions or ()]
    tuned = [found for row in rows if (found := row.systems.get("tuned")) is not None]
    if facts.answers == "text":
        said = Counter(a.generated.strip() for a in tuned if a.generated is not None)
        gold = Counter(row.gold.strip() for row in rows)
    else:
        said = Counter(label for a in tuned for label in a.labels or ())
        gold = Counter(label for row in rows for label in row.gold_labels)
    return Rows(facts, rows, _before(rows), data.trained(facts), said, gold)


def _before(rows: Sequence[Predicted]) -> dict[str, str]:
    """What was said before each later turn of a chat: its last question and gold answer."""
    found: dict[str, str] = {}
    last: dict[str, tuple[int, Predicted]] = {}
    for row in rows:
        if row.row_id in last:
            turn, earlier = last[row.row_id]
            said = text(
                "record.before",
                turn=turn + 1,
                text=clip(earlier.text, 24),
                gold=clip(earlier.gold, 24),
            )
            found[row.id] = said
        last[row.row_id] = (last[row.row_id][0] + 1 if row.row_id in last else 1, row)
    return found


def _base(row: Predicted) -> Answer:
    return row.systems.get("base") or Answer()


def _spread(found: Sequence[Found], first: Sequence[bool]) -> list[Found]:
    """Up to ``EXAMPLES`` rows: those marked ``first`` before others, one a gold label at first."""
    order = sorted(range(len(found)), key=lambda n: not first[n])
    seen: Counter[str] = Counter()
    rank = {}
    for n in order:
        gold = found[n][0].gold_labels[:1] or (found[n][0].gold,)
        rank[n] = seen[gold[0]]
        seen[gold[0]] += 1
    chosen = sorted(order, key=lambda n: rank[n])[:EXAMPLES]
    return [found[n] for n in chosen]


def _better_half(ranked: Sequence[Found]) -> list[Found]:
    """The better half of the answers, without those that are wholly wrong."""
    return [pair for pair in ranked[: (len(ranked) + 1) // 2] if pair[1].score]


def change(row: Predicted, answers: Answers) -> str:
    """What training did to an answer; empty where tuned or base has none.

    Of one label ``fixed``, ``broken``, ``right`` or ``wrong``; of a set or a text, which are more
    or less right, ``better``, ``worse`` or ``same``.
    """
    base, tuned = row.systems.get("base"), row.systems.get("tuned")
    if answers != "label":
        if tuned is None or tuned.score is None or base is None or base.score is None:
            return ""
        if tuned.score == base.score:
            return "same"
        return "better" if tuned.score > base.score else "worse"
    if tuned is None or tuned.correct is None:
        return ""
    if base is not None and base.correct is not None and base.correct != tuned.correct:
        return "fixed" if tuned.correct else "broken"
    return "right" if tuned.correct else "wrong"


def good(rows: Rows) -> Table | None:
    """Answers that are right, or of the better half: first those base had worse."""
    ranked = rows.tuned()
    if rows.facts.answers == "label":
        found = [pair for pair in ranked if pair[1].correct]
        found.sort(key=lambda pair: -(pair[1].probability or 0.0))
    else:
        found = _better_half(ranked)
    if not found:
        return None
    chosen = _spread(found, [(_base(row).score or 0) < (said.score or 0) for row, said in found])
    names = ["input", "gold", *_said_columns(rows, "base-said", "tuned-said")]
    made = [
        [
            rows.input(row),
            rows.right(row),
            rows.answer(row.systems.get("base")),
            rows.answer(said),
            *_score_cell(rows, said),
        ]
        for row, said in chosen
    ]
    return _table(rows, names, made)


def bad(rows: Rows) -> Table | None:
    """Answers that are wrong, or of the worse half, with what is wrong."""
    ranked = rows.tuned()
    if rows.facts.answers == "label":
        found = [pair for pair in ranked if pair[1].correct is False]
        found.sort(key=lambda pair: -(pair[1].probability or 0.0))
    else:
        found = [p for p in ranked[len(_better_half(ranked)) :] if not p[1].correct]
        found.sort(key=lambda pair: pair[1].score or 0.0)
    if not found:
        return None
    chosen = _spread(found, [(_base(row).score or 0) > (said.score or 0) for row, said in found])
    names = ["input", "gold", *_said_columns(rows, "tuned-said")]
    made = [
        [
            rows.input(row),
            rows.right(row),
            rows.answer(said),
            *_score_cell(rows, said),
            text("record.joined-short").join(_wrong(rows, row, said)[:2]),
        ]
        for row, said in chosen
    ]
    table = _table(rows, names, made)
    return replace(table, columns=[*table.columns, text("record.problem")], align=table.align + "l")


def _said_columns(rows: Rows, *names: str) -> list[str]:
    """One label is shown with its probability, and the heading says so."""
    return [n if rows.facts.answers == "label" else f"{n}-plain" for n in names]


def _score_cell(rows: Rows, said: Answer) -> list[str]:
    return [] if rows.facts.answers == "label" else [rows.score(said)]


def _table(rows: Rows, names: Sequence[str], made: Sequence[Sequence[str]]) -> Table:
    columns = [text(f"record.{name}") for name in names]
    if rows.facts.answers == "label":
        return Table(columns, made, "l" * len(columns))
    return Table([*columns, _measure(rows.facts)], made, "l" * len(columns) + "r")


def _measure(facts: Facts) -> str:
    return metric_name(primary(facts.metrics or {}))


def _wrong(rows: Rows, row: Predicted, said: Answer) -> list[str]:
    """What is wrong with an answer, the likeliest explanation first."""
    kinds = {"label": _wrong_label, "set": _wrong_set, "text": _wrong_text}
    found = kinds[rows.facts.answers](rows, row, said)
    if rows.facts.answers != "label" and (_base(row).score or 0) > (said.score or 0):
        found.insert(1, text("record.wrong-was-better"))
    return found


def _untrained(rows: Rows, row: Predicted) -> list[str]:
    never = [label for label in row.gold_labels if not rows.trained.get(label)]
    if rows.trained and never:
        return [text("record.wrong-never-trained", gold=joined(never))]
    return []


def _wrong_label(rows: Rows, row: Predicted, said: Answer) -> list[str]:
    parts = _untrained(rows, row)
    count = rows.trained.get(row.gold, 0)
    if 0 < count <= FEW:
        parts.append(text("record.wrong-few", gold=row.gold, count=count))
    if _base(row).correct:
        parts.append(text("record.wrong-was-right"))
    if (said.probability or 0.0) >= SURE:
        parts.append(text("record.wrong-sure"))
    return parts or [text("record.wrong-confused", gold=row.gold, predicted=said.label)]


def _wrong_set(rows: Rows, row: Predicted, said: Answer) -> list[str]:
    parts = _untrained(rows, row)
    chosen = said.labels or ()
    if not chosen:
        parts.append(text("record.wrong-empty-set"))
    often = [x for x in chosen if x not in row.gold_labels and too_often(x, rows.said, rows.gold)]
    if often:
        parts.append(text("record.wrong-too-often", labels=joined(often)))
    if said.invalid:
        parts.append(text("record.wrong-beside", invalid=clip(" ".join(said.invalid), 24)))
    hit, gold = len({*chosen} & {*row.gold_labels}), len(row.gold_labels)
    if hit == gold:
        return [*parts, text("record.wrong-extra", extra=len(chosen) - hit)]
    kind = "wrong-some" if hit else "wrong-no-overlap"
    return [*parts, text(f"record.{kind}", hit=hit, gold=gold, said=len(chosen))]


def _wrong_text(rows: Rows, row: Predicted, said: Answer) -> list[str]:
    wrote = (said.generated or "").strip()
    if not wrote:
        return [text("record.wrong-empty-text")]
    parts = factual.wrong(row, said)
    if rows.said[wrote] > max(1, rows.gold[wrote]):
        parts.append(text("record.wrong-repeated", count=rows.said[wrote]))
    share = len(wrote) / max(1, len(row.gold.strip()))
    if not SHORT <= share <= LONG:
        kind = "wrong-short" if share < SHORT else "wrong-long"
        parts.append(text(f"record.{kind}", said=len(wrote), gold=len(row.gold.strip())))
    return parts or [text("record.wrong-other-words")]


def too_often(label: str, said: Counter[str], gold: Counter[str]) -> bool:
    """Whether a label is predicted far more often than it is right."""
    return said[label] >= FEW and said[label] >= TOO_OFTEN * gold[label]


def decodings(rows: Rows) -> tuple[str, Table] | None:
    """The same inputs, answered by the tuned model in each way of writing, and how much differs."""
    ways = {
        system: how
        for system, how in setup.decodings(rows.facts).items()
        if any(system in row.systems for row in rows.rows)
    }
    if len(ways) < 2:
        return None
    answered = [row for row in rows.rows if all(system in row.systems for system in ways)]
    different = [row for row in answered if len({rows.answer(row.systems[s]) for s in ways}) > 1]
    metrics = rows.facts.metrics or {"systems": {}}
    by = primary(metrics)
    scores = [
        (system_name(system, metrics), setup.decoding_said(how), score["value"])
        for system, how in ways.items()
        if (score := metrics["systems"].get(system, {}).get(by)) is not None
    ]
    ways_said = " / ".join(
        text(
            "record.decoding-scored",
            name=name,
            how=how,
            metric=metric_name(by),
            value="—" if value is None else number(value, unit(metrics, by)),
        )
        for name, how, value in scores
    )
    said = text("record.decodings-said", ways=ways_said, count=len(different), total=len(answered))
    columns = [text("record.input"), text("record.gold")]
    columns += [system_name(system, metrics) for system in ways]
    made = [
        [rows.input(row), rows.right(row), *(rows.answer(row.systems[s]) for s in ways)]
        for row in (different or answered)[:EXAMPLES]
    ]
    return said, Table(columns, made, "l" * len(columns))
