"""``kunren run --fix``: train, look, mend the config, train again; then score the best once.

An attempt is a run folder in which training is done and no test row has been answered. What is
mended, when it ends and which attempt is kept rests on training and validation rows alone; only
the attempt that is kept is scored on the test rows, as any interrupted run that is resumed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kunren import check, experiment
from kunren.attempt import Attempt, Looked, look, refused
from kunren.config.load import load
from kunren.doctor.fixes import GRAVE, MEASURING, PROTECTED, Merged, Refused, checked, merge, shown
from kunren.doctor.table import BY_SLUG
from kunren.errors import InputError, Problem, TrainingStopped
from kunren.experiment import Result
from kunren.messages import text
from kunren.plan import Plan, prepare
from kunren.progress import Progress
from kunren.records import files
from kunren.types import Where

NAME = "repair.json"

MAX_FIXES = 3

_COLLAPSE = "validation-collapse"


@dataclass
class Story:
    """All attempts, as ``repair.json`` keeps them.

    Attributes:
        config: the YAML, relative to the run folder.
        overrides: of its keys, those that mend it last.
        max_fixes: how many times the config may be changed.
        attempts: in their order.
        chosen: number of the attempt that is scored, from 0; None: not decided.
        ended: why there is no further attempt: the reason's name in ``repair.toml``.
    """

    config: str
    overrides: list[str]
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
    story = Story(os.path.relpath(config, output / "run"), list(overrides), max_fixes)
    return _go_on(story, config, output, progress)


def under_way(folder: Path) -> bool:
    """Whether a run folder is an attempt of a repair that was interrupted."""
    path = folder / NAME
    return path.is_file() and files.read_json(path).get("chosen", "") is None


def resume(folder: Path, progress: Progress) -> Result:
    """Go on with a repair that was interrupted, from any of its attempts.

    Raises:
        InputError: the config is gone, or the data has changed since.
        TrainingStopped: no attempt came to its end.
    """
    folder, story = _latest(folder)
    config = Path(os.path.normpath(folder / story.config))
    if story.ended is not None:
        return _finish(story, folder.parent, None, progress)
    last = story.attempts[-1].run if story.attempts else None
    if last == folder.name:
        return _go_on(story, config, folder.parent, progress)
    progress.say(text("repair.attempt", number=len(story.attempts) + 1))
    trained = experiment.go_on_training(folder, progress, text("repair.aside"))
    return _go_on(story, config, folder.parent, progress, trained)


def _latest(folder: Path) -> tuple[Path, Story]:
    """The newest attempt of the repair that a run folder belongs to."""
    story = _read(folder)
    number, newest = len(story.attempts), folder
    for path in folder.parent.glob(f"*/{NAME}"):
        other = _read(path.parent)
        named = [attempt.run for attempt in other.attempts]
        if folder.name in named and len(named) >= number and path.parent != folder:
            number, newest, story = len(named), path.parent, other
    return newest, story


def _read(folder: Path) -> Story:
    said = files.read_json(folder / NAME)
    return Story(**said | {"attempts": [Attempt(**attempt) for attempt in said["attempts"]]})


_Trained = tuple[Path, TrainingStopped | None]


def _go_on(
    story: Story, config: Path, output: Path, progress: Progress, trained: _Trained | None = None
) -> Result:
    """Make further attempts, and score the best.

    Args:
        story: of the attempts so far; it is continued.
        config: the YAML.
        output: where run folders are made.
        progress: shown the stages.
        trained: an attempt whose training is done already.
    """
    while True:
        looked, stopped = _try(story, config, output, progress, trained)
        attempt, trained = looked.attempt, None
        for finding in attempt.findings:
            if BY_SLUG[finding["slug"]] not in check.RULES:  # those were told before training
                progress.say(
                    text(
                        "doctor.line",
                        severity=text(f"doctor.severity-{finding['severity']}"),
                        slug=finding["slug"],
                        message=finding["message"],
                    )
                )
        merged = _mend(config, story.overrides, looked)
        story.ended = _ended(story, attempt, merged)
        if story.ended is None:
            story.overrides += merged.overrides
            _tell(merged, progress)
        story.attempts.append(_with(attempt, merged, last=story.ended is not None))
        if attempt.run is not None:
            files.write_text(output / attempt.run / NAME, story.written())
        if story.ended is not None:
            return _finish(story, output, stopped, progress)


def _try(
    story: Story, config: Path, output: Path, progress: Progress, trained: _Trained | None
) -> tuple[Looked, InputError | TrainingStopped | None]:
    """Train once, and look at what came of it."""
    if trained is not None:
        return look(*trained), trained[1]
    plan = _plan(config, story.overrides)
    progress.say(text("repair.attempt", number=len(story.attempts) + 1))
    aside = text("repair.aside")
    try:
        folder, stopped = experiment.train(plan, output, progress, {NAME: story.written()}, aside)
    except InputError as error:
        if any(problem.code != check.STOPPED for problem in error.problems):
            raise
        return refused(plan, error), error
    return look(folder, stopped), stopped


def _plan(config: Path, overrides: Sequence[str]) -> Plan:
    plan = prepare(load(config, overrides))
    if plan.config.evaluate.cv is not None:
        raise InputError(Problem("repair.with-cv", Where(str(config))))
    return plan


def _mend(config: Path, overrides: Sequence[str], looked: Looked) -> Merged:
    """What the findings ask to be changed, as far as attempts stay comparable.

    What only looks wrong in the data or the config is left as it is where training went well.
    """
    attempt = looked.attempt
    useless = attempt.useless or any(f["slug"] == _COLLAPSE for f in looked.findings)
    protected = {**PROTECTED, **MEASURING}
    if attempt.metric == "loss":
        # With other rows, texts or tokens it would be another loss.
        protected |= {"task": "measuring", "model": "measuring"}
    elif not useless:
        protected |= {"task.labels": "scope"}
    well = attempt.error is None and not useless
    harmless = [f for f in looked.findings if well and _suspected(f)]
    merged = merge(
        [f for f in looked.findings if f not in harmless], looked.config, GRAVE, protected
    )
    left = (
        Refused(f["slug"], key, value, text("fix.refused-harmless"))
        for f in harmless
        for key, value in ((f["fix"] or {}).get("set") or {}).items()
    )
    return checked(config, replace(merged, refused=(*merged.refused, *left)), overrides)


def _suspected(finding: Mapping[str, Any]) -> bool:
    """Whether it was found before training, and may turn out to do no harm."""
    return finding["severity"] != "critical" and BY_SLUG[finding["slug"]] in check.RULES


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
    story: Story,
    output: Path,
    stopped: InputError | TrainingStopped | None,
    progress: Progress,
) -> Result:
    """Score the best attempt on the test rows, and write the story into its record."""
    from kunren.report.render import render

    story.chosen = story.best
    chosen = story.attempts[story.chosen]
    for attempt in story.attempts:
        if attempt.run is None:
            continue
        files.write_text(output / attempt.run / NAME, story.written())
        if attempt != chosen or chosen.error is not None:
            render(output / attempt.run)
    if chosen.error is not None and stopped is not None:
        raise stopped
    said = {"number": story.chosen + 1, "total": len(story.attempts)}
    progress.say(text(f"repair.ended-{story.ended}", **said))
    progress.say(text("repair.chosen", **said))
    assert chosen.run is not None  # noqa: S101  (it was trained)
    return experiment.resume(output / chosen.run, progress)
