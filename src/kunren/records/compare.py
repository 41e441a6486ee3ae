"""Several runs side by side: what differs between them, and how they differ from one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kunren.errors import InputError, Problem
from kunren.evaluation.score import KINDS
from kunren.evaluation.systems import corrected as allowing_for_many
from kunren.messages import text
from kunren.nearest import nearest
from kunren.records.entry import DIVERSITY, SPEED, VALIDATION_LOSS, Entry
from kunren.records.foreign import METRICS as FOREIGN_NAMES
from kunren.records.pairing import Rows, pair, same_rows
from kunren.records.said import name_of
from kunren.tasks import Answers
from kunren.types import Paired

SHOWN: Mapping[Answers, Sequence[str]] = {
    "label": ("accuracy", "macro_f1", "out_of_set_rate", SPEED, VALIDATION_LOSS),
    "set": (
        "jaccard", "micro_f1", "precision", "recall", "exact_match", DIVERSITY, "unique_labels",
        "top1_share", SPEED, VALIDATION_LOSS,
    ),
    "text": ("chrf", "char_f1", "exact_match", "length_ratio", DIVERSITY, SPEED, VALIDATION_LOSS),
}  # fmt: skip
"""What is compared where nobody names metrics: those of these that some run has."""


_DECIDE_LOSS = ("train.loss.", "model.id", "model.family", "model.add_tokens", "task.labels.")
"""Settings that change what a loss is the loss of."""


@dataclass(frozen=True, slots=True)
class Change:
    """A run against the baseline run, by one metric.

    Attributes:
        run: name of the run.
        metric: by what.
        before: the baseline run's value.
        after: the run's value.
        percent: the change in percent of ``before``; None where that is 0, a value is missing, or
            the two were not computed in the same way.
        paired: the paired test; None: there is none.
        rows: how the test rows relate, which says why there is no paired test.
    """

    run: str
    metric: str
    before: float | None
    after: float | None
    percent: float | None
    paired: Paired | None
    rows: Rows


@dataclass(frozen=True, slots=True)
class Group:
    """Runs whose answers are of one kind.

    Attributes:
        answers: the kind.
        entries: the runs.
        baseline: the run that the others are compared with.
        metrics: what they are compared by, the primary metric first.
        changes: of every other run and metric.
        settings: key → its value in each run, where not all are the same.
        warnings: what makes values not comparable, in words.
        unlike: metrics that are not computed in the same way in all runs.
    """

    answers: Answers
    entries: Sequence[Entry]
    baseline: Entry
    metrics: Sequence[str]
    changes: Sequence[Change]
    settings: Mapping[str, Sequence[Any]]
    warnings: Sequence[str]
    unlike: Sequence[str] = ()

    @property
    def primary(self) -> str:
        """The metric that verdicts rest on."""
        return KINDS[self.answers].primary

    def change(self, run: str, metric: str) -> Change | None:
        """How a run differs from the baseline; None of the baseline itself."""
        return next((c for c in self.changes if (c.run, c.metric) == (run, metric)), None)


def compare_runs(
    entries: Sequence[Entry], baseline: str | None = None, metrics: Sequence[str] = ()
) -> list[Group]:
    """Compare runs within each kind of answers.

    Args:
        entries: the runs.
        baseline: name of the run to compare with; None: the first of each kind that has scores.
        metrics: by what; empty: ``SHOWN``.

    Raises:
        InputError: there is no such baseline, or no run has such a metric.
    """
    _check(entries, baseline, metrics)
    groups = []
    for answers in dict.fromkeys(entry.answers for entry in entries):
        members = [entry for entry in entries if entry.answers == answers]
        chosen = next((e for e in members if e.name == baseline), None)
        scored = [e for e in members if e.value(KINDS[answers].primary) is not None]
        groups.append(_group(members, chosen or (scored or members)[0], metrics))
    return groups


def _check(entries: Sequence[Entry], baseline: str | None, metrics: Sequence[str]) -> None:
    problems = []
    names = [entry.name for entry in entries]
    if baseline is not None and baseline not in names:
        problems.append(unknown_run(baseline, names))
    known = dict.fromkeys(name for e in entries for name in (*e.scores, *SHOWN[e.answers]))
    for metric in metrics:
        if FOREIGN_NAMES.get(metric, metric) not in known:
            fields: dict[str, object] = {"metric": metric, "known": " / ".join(known)}
            problems.append(Problem("compare.unknown-metric", None, fields))
    if problems:
        raise InputError(problems)


def unknown_run(name: str, names: Sequence[str]) -> Problem:
    """What is said where a run is named that is not among those compared."""
    meant = nearest(name, names)
    listed = text("record.list").join(names)
    if meant is None:
        return Problem("compare.unknown-run", None, {"name": name, "names": listed})
    return Problem("compare.unknown-run-near", None, {"name": name, "meant": meant})


def _group(entries: Sequence[Entry], baseline: Entry, wanted: Sequence[str]) -> Group:
    answers = baseline.answers
    names = [FOREIGN_NAMES.get(name, name) for name in wanted] or SHOWN[answers]
    known = [n for n in dict.fromkeys(names) if any(e.value(n) is not None for e in entries)]
    others = [entry for entry in entries if entry is not baseline]
    return Group(
        answers=answers,
        entries=entries,
        baseline=baseline,
        metrics=known,
        changes=changes(baseline, others, known),
        settings=differing_settings(entries),
        warnings=_warnings(entries, baseline),
        unlike=list(_unlike(entries)),
    )


def changes(baseline: Entry, others: Sequence[Entry], metrics: Sequence[str]) -> list[Change]:
    """Every other run against the baseline run, p values corrected for how many there are."""
    rows = {other.name: same_rows(other, baseline) for other in others}
    tests = {
        other.name: pair(other, baseline, metrics) if rows[other.name] == "same" else {}
        for other in others
    }
    unlike = {other.name: _unlike([baseline, other]) for other in others}
    corrected: dict[str, dict[str, Paired]] = {}
    for metric in metrics:
        found = {name: made[metric] for name, made in tests.items() if metric in made}
        told = allowing_for_many(list(found.values()), baseline.better(metric))
        corrected[metric] = dict(zip(found, told, strict=True))
    return [
        Change(
            run=other.name,
            metric=metric,
            before=(before := baseline.value(metric)),
            after=(after := other.value(metric)),
            percent=None if metric in unlike[other.name] else percent_change(before, after),
            paired=corrected[metric].get(other.name),
            rows=rows[other.name],
        )
        for other in others
        for metric in metrics
    ]


def percent_change(before: float | None, after: float | None) -> float | None:
    """The change in percent; None where it is undefined."""
    if before is None or after is None or before == 0:
        return None
    return 100 * (after - before) / abs(before)


def differing_settings(entries: Sequence[Entry]) -> dict[str, list[Any]]:
    """The settings that are not the same in all runs; None where a run does not have one."""
    keys = dict.fromkeys(key for entry in entries for key in entry.settings)
    values = {key: [entry.settings.get(key) for entry in entries] for key in keys}
    return {key: found for key, found in values.items() if len(set(map(repr, found))) > 1}


def _warnings(entries: Sequence[Entry], baseline: Entry) -> list[str]:
    """What makes the values of these runs not comparable."""
    found = []
    others = [entry for entry in entries if entry is not baseline]
    for rows in ("different", "partly"):
        unlike = [e.name for e in others if same_rows(e, baseline) == rows]
        if unlike:
            said = text("record.list").join(unlike)
            found.append(text(f"compare.rows-{rows}", runs=said, baseline=baseline.name))
    unknown = [e.name for e in entries if not e.whole]
    if unknown and others:
        said = text("record.list").join(unknown)
        counts = {e.rows["test"] for e in entries if "test" in e.rows}
        sure = "-differ" if len(counts) > 1 else ""
        found.append(text(f"compare.rows-unknown{sure}", runs=said))
    sizes = {e.name: e.label_count for e in entries if e.label_count}
    if len(set(sizes.values())) > 1:
        said = text("record.list").join(f"{name} {count}" for name, count in sizes.items())
        found.append(text("compare.labels-differ", counts=said))
    found += _signatures(entries)
    losses = [entry for entry in entries if entry.value(VALIDATION_LOSS) is not None]
    if any(key.startswith(_DECIDE_LOSS) for key in _loss_settings(losses)):
        found.append(text("compare.losses-differ"))
    return found


def _loss_settings(entries: Sequence[Entry]) -> list[str]:
    """The differing settings of runs whose losses may be of different definitions.

    kunren's loss on the validation rows is always the plain one; that of other programs is not.
    """
    plain = all(entry.layout == "kunren" for entry in entries)
    keys = differing_settings(entries)
    return [key for key in keys if not (plain and key.startswith("train.loss."))]


def _signatures(entries: Sequence[Entry]) -> list[str]:
    """What is said of the metrics that are not computed in the same way in all runs."""
    ways = [
        text("compare.signature", metric=name_of(metric), ways=" / ".join(signatures))
        for metric, signatures in _unlike(entries).items()
    ]
    said = text("record.list").join(ways)
    return [text("compare.signatures-differ", metrics=said)] if ways else []


def _unlike(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Metric → how it is computed in the runs that say so, where that is not always the same."""
    found = {}
    for metric in dict.fromkeys(name for entry in entries for name in entry.scores):
        said = dict.fromkeys(
            "|".join(part for part in signature.split("|") if not _size(part))
            for entry in entries
            if entry.value(metric) is not None
            and (signature := entry.scores[metric].get("signature"))
        )
        if len(said) > 1:
            found[metric] = list(said)
    return found


def _size(part: str) -> bool:
    """Whether a part of a signature is the number of labels, which has a warning of its own."""
    name, _, count = part.partition(":")
    return name == "labels" and count.isdecimal()
