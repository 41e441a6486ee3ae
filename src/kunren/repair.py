"""``kunren run --fix``: train, look, mend the config, train again; then score the best once.

An attempt is a run folder in which training is done and no test row has been answered. What is
mended, when it ends and which attempt is kept rests on training and validation rows alone; only
the attempt that is kept is scored on the test rows, as any interrupted run that is resumed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kunren import experiment
from kunren.config.checks import BASELINES
from kunren.config.load import load
from kunren.config.schema import LOWER_IS_BETTER
from kunren.doctor.engine import NAME as FINDINGS
from kunren.doctor.fixes import GRAVE, MEASURING, PROTECTED, Merged, checked, merge, shown, untested
from kunren.errors import InputError, Problem, TrainingStopped
from kunren.experiment import Result
from kunren.messages import text
from kunren.plan import Plan, prepare
from kunren.progress import Progress
from kunren.records import files, trainlog
from kunren.records.facts import Facts, read_facts
from kunren.types import Where

NAME = "repair.json"

MAX_FIXES = 3

_TRIVIAL = ("majority", "constant")
"""Baselines that answer the same to everything."""


@dataclass(frozen=True)
class Attempt:
    """One training, and what the validation rows say of it.

    Attributes:
        run: name of its folder.
        error: what stopped its training; None: it came to its end.
        metric: that chose the checkpoint.
        value: its value on the validation rows; None where it could not be computed.
        trivial: value of the best constant answer there; None where the metric is the loss.
        loss: the plain one on the validation rows, of the checkpoint that was kept.
        epoch: of that checkpoint.
        findings: what was found without looking at the test rows.
        changes: what was then changed of the config; empty for the last.
        refused: patches that were not applied.
    """

    run: str
    error: str | None
    metric: str
    value: float | None
    trivial: float | None
    loss: float | None
    epoch: int | None
    findings: Sequence[Mapping[str, Any]] = ()
    changes: Sequence[Mapping[str, Any]] = ()
    refused: Sequence[Mapping[str, Any]] = ()

    @property
    def standing(self) -> tuple[bool, float, float]:
        """What attempts are compared by: higher is better.

        First that training came to its end; then the metric beyond what the best constant answer
        gets, since a change of the label set moves what is easy; then the loss.
        """
        if self.error is not None or self.value is None:
            return self.error is None, -math.inf, -math.inf
        sign = -1 if self.metric in LOWER_IS_BETTER else 1
        gain = sign * (self.value - (self.trivial or 0.0))
        return True, round(gain, 9), -math.inf if self.loss is None else -self.loss


@dataclass
class Story:
    """All attempts, as ``repair.json`` keeps them.

    Attributes:
        max_fixes: how many times the config may be changed.
        attempts: in their order.
        chosen: number of the attempt that is scored, from 0; None: not decided.
        ended: why there is no further attempt: the reason's name in ``repair.toml``.
    """

    max_fixes: int
    attempts: list[Attempt] = field(default_factory=list)
    chosen: int | None = None
    ended: str | None = None

    @property
    def best(self) -> int:
        """Number of the best attempt; the first of equals, which has the fewest changes."""
        standings = [attempt.standing for attempt in self.attempts]
        return standings.index(max(standings))

    def written(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def run(
    config: Path, overrides: Sequence[str], output: Path, progress: Progress, max_fixes: int
) -> Result:
    """Run an experiment, mending its config at most ``max_fixes`` times.

    Raises:
        InputError: the config, the data or the model source is wrong, or it has a
            cross-validation, whose validation rows are test rows of another fold.
        TrainingStopped: no attempt came to its end.
    """
    story = Story(max_fixes)
    used = list(overrides)
    while True:
        plan = _plan(config, used)
        progress.say(text("repair.attempt", number=len(story.attempts) + 1))
        aside = text("repair.aside")
        folder, stopped = experiment.train(plan, output, progress, {NAME: story.written()}, aside)
        attempt, facts = _look(folder, stopped, progress)
        merged = _mend(config, used, facts, attempt)
        story.ended = _ended(story, attempt, merged)
        if story.ended is None:
            used += merged.overrides
            _tell(merged, progress)
        attempt = _with(attempt, merged, last=story.ended is not None)
        story.attempts.append(attempt)
        files.write_text(folder / NAME, story.written())
        if story.ended is not None:
            return _finish(story, output, stopped, progress)


def _plan(config: Path, overrides: Sequence[str]) -> Plan:
    plan = prepare(load(config, overrides))
    if plan.config.evaluate.cv is not None:
        raise InputError(Problem("repair.with-cv", Where(str(config))))
    return plan


def _look(
    folder: Path, stopped: TrainingStopped | None, progress: Progress
) -> tuple[Attempt, Facts]:
    """What the training and the validation rows say of an attempt."""
    facts = read_facts(folder)
    found = untested(facts)
    files.write_json(folder / FINDINGS, found)
    grave = [finding for finding in found["findings"] if finding["severity"] in GRAVE]
    for finding in grave:
        progress.say(f"[{finding['severity']}] {finding['message']}")
    metric = facts.judged_by
    trained = (facts.manifest or {}).get("training", {})
    epoch = trained.get("best_epoch")
    number = None if epoch is None else round(epoch)
    value = trained.get("best_value")
    told = tuple({k: f[k] for k in ("code", "slug", "severity", "message")} for f in grave)
    error = None if stopped is None else str(stopped)
    trivial = None if stopped is not None else _trivial(folder, metric)
    return Attempt(
        folder.name, error, metric, value, trivial, _loss(facts, number), number, told
    ), facts


def _loss(facts: Facts, number: int | None) -> float | None:
    epochs = trainlog.by_epoch(facts.log or ())
    losses = [e.evaluation.get("eval_loss") for e in epochs if e.number == number]
    return next((x for x in losses if x is not None and math.isfinite(x)), None)


def _trivial(folder: Path, metric: str) -> float | None:
    """The best constant answer's value on the validation rows; None: the metric is the loss."""
    from kunren.evaluation.baselines import run_baselines
    from kunren.evaluation.score import validation_metrics

    if metric == "loss":
        return None
    plan = prepare(load(folder / "config.yaml"))
    answers, items = plan.task.answers, plan.items
    tried, held = items["train"], items["validation"]
    names = [name for name in BASELINES[plan.config.task.kind] if name in _TRIVIAL]
    said = run_baselines(tuple(names), answers, tried, held, held, plan.labels)
    found = [validation_metrics(answers, held, answer, plan.labels) for answer in said.values()]
    values = [value[metric] for value in found if metric in value]
    best = min if metric in LOWER_IS_BETTER else max
    return best(values, default=None)


def _mend(config: Path, overrides: Sequence[str], facts: Facts, attempt: Attempt) -> Merged:
    """What the findings ask to be changed, as far as attempts stay comparable."""
    protected = {**PROTECTED, **MEASURING}
    if attempt.metric == "loss":
        # With other rows, texts or tokens it would be another loss.
        protected |= {"task": "measuring", "model": "measuring"}
    merged = merge(untested(facts)["findings"], facts.config or {}, GRAVE, protected)
    return checked(config, merged, overrides)


def _ended(story: Story, attempt: Attempt, merged: Merged) -> str | None:
    """Why no further attempt follows this one; None: one does."""
    before = [earlier.standing for earlier in story.attempts if earlier.error is None]
    if attempt.error is None and before and attempt.standing <= max(before):
        return "no-better"
    if not merged.changes:
        return "nothing-left"
    if len(story.attempts) >= story.max_fixes:
        return "enough"
    return None


def _with(attempt: Attempt, merged: Merged, *, last: bool) -> Attempt:
    changes = () if last else tuple(asdict(change) for change in merged.changes)
    refused = tuple(asdict(refused) for refused in merged.refused)
    return replace(attempt, changes=changes, refused=refused)


def _tell(merged: Merged, progress: Progress) -> None:
    for change in merged.changes:
        said = {"key": change.key, "old": shown(change.old), "new": shown(change.new)}
        progress.say(text("repair.change", **said, slugs=", ".join(change.slugs)))


def _finish(
    story: Story, output: Path, stopped: TrainingStopped | None, progress: Progress
) -> Result:
    """Score the best attempt on the test rows, and write the story into its record."""
    from kunren.report.render import render

    story.chosen = story.best
    chosen = story.attempts[story.chosen]
    folders = [output / attempt.run for attempt in story.attempts]
    for folder in folders:
        files.write_text(folder / NAME, story.written())
        if folder != folders[story.chosen] or chosen.error is not None:
            render(folder)
    if chosen.error is not None:
        assert stopped is not None  # noqa: S101  (where none came to its end, the last did not)
        raise stopped
    said = {"number": story.chosen + 1, "total": len(story.attempts)}
    progress.say(text(f"repair.ended-{story.ended}", **said))
    progress.say(text("repair.chosen", **said))
    return experiment.resume(folders[story.chosen], progress)
