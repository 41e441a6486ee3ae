"""Whether a run's result may be believed: an answer, and the grounds for it.

Everything that decides it stands elsewhere in the record too; here it is put in the order in which
a careful colleague would ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kunren.doctor.table import RULES
from kunren.evaluation.metric import Unit
from kunren.evaluation.told import (
    best_baseline,
    find_pair,
    gap,
    judged_p,
    metric_name,
    number,
    primary,
    system_name,
    unit,
)
from kunren.messages import text
from kunren.records.facts import Facts
from kunren.records.trainlog import Epoch
from kunren.report.format import Table
from kunren.report.rounds import deviation

FEW_TEST = 20
"""Below this many test rows one row moves a share by more than 5 points."""

FEW_VALIDATION = 100
"""Below this many validation rows one row moves a share by more than 1 point."""

Line = tuple[str, str, str]
"""An aspect, how it is in this run, and what that means."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The answer in a word or two, why, and the aspects it rests on."""

    answer: str
    why: str
    table: Table


def judge(facts: Facts, epochs: Sequence[Epoch], findings: Sequence[Mapping[str, Any]]) -> Trust:
    """What a run that was scored allows to believe.

    Args:
        facts: a run with metrics.
        epochs: of its log.
        findings: of ``findings.json``.
    """
    metrics = facts.metrics or {}
    leaking = {rule.slug for rule in RULES if rule.leak}
    leaks = [f["slug"] for f in findings if f["slug"] in leaking]
    kind = _kind(metrics)
    why = [text(f"record.trust-lead-{kind}")]
    if leaks:
        why.append(text("record.trust-lead-leak"))
    if (facts.manifest or {}).get("model", {}).get("pretrained") is False:
        why.append(text("record.trust-lead-scratch"))
    rows = [*_size(metrics), *_pairs(metrics), _leak(leaks), *_checkpoint(facts, epochs)]
    rows += _seeds(facts)
    columns = [text(f"record.trust-{name}") for name in ("aspect", "here", "reading")]
    answer = text(f"record.trust-answer-{kind}")
    return Trust(answer, text("record.joined").join(why), Table(columns, rows, "lll"))


def _kind(metrics: Mapping[str, Any]) -> str:
    best = best_baseline(metrics)
    pairs = [find_pair(metrics, "base"), find_pair(metrics, best) if best else None]
    base, trivial = ("absent" if pair is None else pair["verdict"] for pair in pairs)
    if base == "better":
        return f"better-{trivial}"
    if base == "absent":
        return "absent-better" if trivial == "better" else "absent"
    return str(base)


def _size(metrics: Mapping[str, Any]) -> Iterator[Line]:
    by, rows = primary(metrics), metrics["rows"]
    score, of = metrics["systems"].get("tuned", {}).get(by), unit(metrics, by)
    if score is None or score["value"] is None:
        return
    said = {"rows": rows, "metric": metric_name(by), "value": number(score["value"], of)}
    aspect = text("record.trust-size")
    step = text("record.trust-size-tiny", step=f"{100 / max(1, rows):.0f}")
    if score["ci95"] is None:
        yield aspect, text("record.trust-size-here-alone", **said), step if rows < FEW_TEST else "—"
        return
    low, high = score["ci95"]
    half = text(f"record.trust-half-{of}", half=gap((high - low) / 2, of).lstrip("+"))
    ends = {"low": number(low, of), "high": number(high, of)}
    reading = text("record.trust-size-reading", rows=rows, half=half)
    here = text("record.trust-size-here", **said, **ends)
    yield aspect, here, step if rows < FEW_TEST else reading


def _pairs(metrics: Mapping[str, Any]) -> Iterator[Line]:
    yield _pair(metrics, "base", text("record.trust-base"))
    yield _pair(metrics, best_baseline(metrics), text("record.trust-trivial"))


def _pair(metrics: Mapping[str, Any], system: str | None, aspect: str) -> Line:
    pair = find_pair(metrics, system) if system else None
    if pair is None or system is None:
        absent = text("record.trust-pair-absent"), text("record.trust-pair-absent-reading")
        return (aspect, *absent)
    by = primary(metrics)
    of = unit(metrics, by)
    tuned, other = (number(metrics["systems"][s][by]["value"], of) for s in ("tuned", system))
    here = text(
        "record.trust-pair-here",
        verdict=text(f"record.{pair['verdict']}"),
        name=system_name(system, metrics),
        other=other,
        tuned=tuned,
        p=judged_p(pair),
    )
    kind = "needed" if pair.get("rows_needed") else pair["verdict"]
    low, high = (gap(end, of) for end in pair["ci95"])
    fields = {"low": low, "high": high, "needed": pair.get("rows_needed")}
    return aspect, here, text(f"record.trust-pair-{kind}", **fields)


def _leak(leaks: Sequence[str]) -> Line:
    kind = "found" if leaks else "none"
    return (
        text("record.trust-leak"),
        text(f"record.trust-leak-{kind}", slugs=text("record.list").join(leaks)),
        text(f"record.trust-leak-{kind}-reading"),
    )


def _checkpoint(facts: Facts, epochs: Sequence[Epoch]) -> Iterator[Line]:
    rows = (facts.manifest or {}).get("data", {}).get("rows", {}).get("validation")
    if not rows or len(epochs) < 2:
        return
    by = facts.judged_by
    metric = text("record.validation-loss") if by == "loss" else metric_name(by)
    here = text("record.trust-checkpoint-here", rows=rows, metric=metric, epochs=len(epochs))
    few = "few" if rows < FEW_VALIDATION else "reading"
    reading = text(f"record.trust-checkpoint-{few}", rows=rows)
    yield text("record.trust-checkpoint"), here, reading


def _seeds(facts: Facts) -> Iterator[Line]:
    metrics, aspect = facts.metrics or {}, text("record.trust-seeds")
    by = primary(metrics)
    spread = (metrics.get("spread") or {}).get(by)
    if spread and spread["sd"] is not None:
        of: Unit = unit(metrics, by)
        sd = deviation(spread["sd"], of)
        yield (
            aspect,
            text(
                "record.trust-seeds-many",
                rounds=spread["rounds"],
                metric=metric_name(by),
                mean=number(spread["mean"], of),
                sd=sd if of == "count" else text(f"record.trust-half-{of}", half=sd),
            ),
            text("record.trust-seeds-many-reading"),
        )
        return
    seed = (facts.config or {}).get("train", {}).get("seed", "?")
    here = text("record.trust-seeds-one", seed=seed)
    yield aspect, here, text("record.trust-seeds-one-reading")
