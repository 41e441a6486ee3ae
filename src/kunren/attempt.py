"""One attempt of ``kunren run --fix``: what training and validation rows say of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kunren import check
from kunren.config.checks import METRICS
from kunren.config.load import load
from kunren.config.schema import sign
from kunren.doctor import engine, fixes
from kunren.errors import InputError, TrainingStopped
from kunren.evaluation.score import KINDS
from kunren.models import sources
from kunren.plan import Plan, prepare
from kunren.records import files, trainlog
from kunren.records.facts import Facts, read_facts


@dataclass(frozen=True)
class Attempt:
    """One training, and what the validation rows say of it.

    Attributes:
        run: name of its folder; None: it could not be begun.
        error: what stopped its training; None: it came to its end.
        metric: that chose the checkpoint.
        value: its value on the validation rows; None where it could not be computed.
        trivial: value of the best constant answer there; None where the metric is the loss.
        loss: the plain one on the validation rows, of the checkpoint that was kept.
        epoch: of that checkpoint.
        beyond: by how much it does better than the best constant answer in the metric that the
            record's verdict rests on; None where that is not known.
        findings: what was found without looking at the test rows.
        changes: what was then changed of the config; empty for the last.
        refused: patches that were not applied.
        onto: number of the attempt, from 0, whose config they then changed: the best so far.
    """

    run: str | None
    error: str | None
    metric: str
    value: float | None
    trivial: float | None
    loss: float | None
    epoch: int | None
    beyond: float | None = None
    findings: Sequence[Mapping[str, Any]] = ()
    changes: Sequence[Mapping[str, Any]] = ()
    refused: Sequence[Mapping[str, Any]] = ()
    onto: int | None = None

    @property
    def useless(self) -> bool:
        """Whether it came to its end and does no better than the best constant answer."""
        return self.error is None and self.beyond is not None and self.beyond <= 0

    @property
    def standing(self) -> tuple[bool, float, float]:
        """What attempts are compared by: higher is better.

        First that training came to its end; then the metric beyond what the best constant answer
        gets, since a change of the label set moves what is easy; then the loss.
        """
        if self.error is not None or self.value is None:
            return self.error is None, -math.inf, -math.inf
        gain = sign(self.metric) * (self.value - (self.trivial or 0.0))
        return True, round(gain, 9), -math.inf if self.loss is None else -self.loss


@dataclass(frozen=True)
class Looked:
    """An attempt, with all that was found in it.

    Attributes:
        attempt: what is kept of it.
        findings: of every severity, the gravest first.
        config: as it was trained, with all that had been decided.
    """

    attempt: Attempt
    findings: Sequence[Mapping[str, Any]]
    config: Mapping[str, Any]


def look(folder: Path, stopped: TrainingStopped | None) -> Looked:
    """An attempt as training and validation rows show it; its findings are written to its folder.

    Args:
        folder: its run folder.
        stopped: what stopped its training; None: it came to its end.
    """
    facts = read_facts(folder)
    plan = prepare(load(folder / "config.yaml"))
    found = untested(plan, facts)
    files.write_json(folder / engine.NAME, found)
    trained = (facts.manifest or {}).get("training", {})
    epoch = trained.get("best_epoch")
    number = None if epoch is None else round(epoch)
    metric, primary = facts.judged_by, KINDS[plan.task.answers].primary
    trivial = trained.get("trivial", {})
    attempt = Attempt(
        run=folder.name,
        error=None if stopped is None else str(stopped),
        metric=metric,
        value=trained.get("best_value"),
        trivial=trivial.get(metric),
        beyond=_beyond(primary, _at(facts, number, primary), trivial.get(primary)),
        loss=_at(facts, number, "loss"),
        epoch=number,
        findings=_grave(found),
    )
    return Looked(attempt, found["findings"], facts.config or {})


def refused(plan: Plan, error: InputError) -> Looked:
    """An attempt that could not be begun, since its training could not have meant anything."""
    found = untested(plan, None)
    metric = plan.config.train.metric or METRICS[plan.config.task.kind][0]
    attempt = Attempt(None, str(error), metric, None, None, None, None, findings=_grave(found))
    return Looked(attempt, found["findings"], plan.config.model_dump(mode="json"))


def untested(plan: Plan, facts: Facts | None) -> dict[str, Any]:
    """What the rules find in the training and validation rows, the config and the training.

    Test rows, their answers and their scores are taken out before any rule sees the evidence, so
    that a rule cannot use them by accident: what needs them is skipped.

    Args:
        plan: of the run; its model is looked at without its weights.
        facts: the run folder; None: there is none.
    """
    plan, reading = plan.untested, None
    folder = sources.at_hand(plan.model, plan.texts)
    if folder is not None:
        plan, reading = check.read(plan, folder)
    # The label filters have counted all rows, test rows among them.
    evidence = check.evidence_of(plan, reading).without("filtered")
    settings = plan.config.doctor.model_dump(mode="json")
    before = engine.examine(evidence, settings, check.RULES)
    return before if facts is None else fixes.untested(facts, before)


def _grave(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {key: finding[key] for key in ("code", "slug", "severity", "message")}
        for finding in found["findings"]
        if finding["severity"] in fixes.GRAVE
    ]


def _beyond(metric: str, value: float | None, trivial: float | None) -> float | None:
    return None if value is None or trivial is None else sign(metric) * (value - trivial)


def _at(facts: Facts, number: int | None, metric: str) -> float | None:
    """What was measured on the validation rows after an epoch; None: not that, or not finite."""
    epochs = trainlog.by_epoch(facts.log or ())
    values = [e.evaluation.get(f"eval_{metric}") for e in epochs if e.number == number]
    return next((x for x in values if x is not None and math.isfinite(x)), None)
