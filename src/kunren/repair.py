"""``kunren run --fix``: train, look, mend the config, train again; then score the best once.

An attempt is a run folder in which training is done and no test row has been answered. What is
mended, when it ends and which attempt is kept rests on training and validation rows alone; only
the attempt that is kept is scored on the test rows, as any interrupted run that is resumed.

Cures are tried one at a time, the likeliest first (``doctor.cures``). One that helps on the
validation rows is kept, and what its training then shows is mended next; after one that does not,
the next is tried on the best attempt so far. None is tried twice.
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
from kunren.doctor.cures import cures
from kunren.doctor.fixes import MEASURING, PROTECTED, Change, Merged, Refused, checked, shown
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
        overrides: of its keys, as the latest attempt has them.
        max_fixes: how many times the config may be changed.
        attempts: in their order.
        chosen: number of the attempt that is scored, from 0; None: not decided.
        ended: why there is no further attempt: the reason's name in ``repair.toml``.
        kept: of its keys, as the best attempt so far has them.
        best_so_far: number of that attempt, from 0; None: there is none yet.
        untried: what is left to try on it, the likeliest first: changes as dicts.
        tried: every set of changes that was tried, on whichever attempt.
    """

    config: str
    overrides: list[str]
    max_fixes: int
    attempts: list[Attempt] = field(default_factory=list)
    chosen: int | None = None
    ended: str | None = None
    kept: list[str] = field(default_factory=list)
    best_so_far: int | None = None
    untried: list[list[dict[str, Any]]] = field(default_factory=list)
    tried: list[list[str]] = field(default_factory=list)

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
        if _is_better(story, attempt):
            story.kept, story.best_so_far = list(story.overrides), len(story.attempts)
            found = _mend(config, story.kept, looked)
            attempt = replace(attempt, refused=_refused(found))
            story.untried = [[asdict(change) for change in one.changes] for one in found]
        merged = _next(story)
        story.ended = _ended(story, merged)
        if story.ended is None:
            story.overrides = [*story.kept, *merged.overrides]
            story.tried.append(merged.overrides)
            _tell(story, merged, progress)
            attempt = replace(attempt, changes=tuple(asdict(change) for change in merged.changes))
        story.attempts.append(replace(attempt, onto=story.best_so_far))
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


def _mend(config: Path, overrides: Sequence[str], looked: Looked) -> list[Merged]:
    """What is worth trying, the likeliest first, as far as attempts stay comparable.

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
    asked = [f for f in looked.findings if f not in harmless]
    found = cures(asked, looked.config, protected=protected) or [Merged()]
    left = tuple(
        Refused(f["slug"], key, value, text("fix.refused-harmless"))
        for f in harmless
        for key, value in ((f["fix"] or {}).get("set") or {}).items()
    )
    found[0] = replace(found[0], refused=(*found[0].refused, *left))
    return [checked(config, one, overrides) for one in found]


def _suspected(finding: Mapping[str, Any]) -> bool:
    """Whether it was found before training, and may turn out to do no harm."""
    return finding["severity"] != "critical" and BY_SLUG[finding["slug"]] in check.RULES


def _is_better(story: Story, attempt: Attempt) -> bool:
    """Whether an attempt is the one to go on from: the first, or better than all before."""
    if story.best_so_far is None:
        return True
    best = story.attempts[story.best_so_far]
    # Of attempts that were stopped the latest knows most: what stopped the first may be mended.
    return attempt.standing > best.standing or best.error is not None


def _next(story: Story) -> Merged:
    """The likeliest cure of the best attempt that was not tried yet; without changes: none."""
    while story.untried:
        changes = story.untried.pop(0)
        merged = Merged(tuple(Change(**change) for change in changes))
        if merged.changes and merged.overrides not in story.tried:
            return merged
    return Merged()


def _ended(story: Story, merged: Merged) -> str | None:
    """Why no further attempt follows; None: one does."""
    if not merged.changes:
        on_best = story.best_so_far == len(story.attempts)
        return "nothing-left" if on_best else "no-better"
    if len(story.attempts) >= story.max_fixes:
        return "enough"
    return None


def _refused(found: Sequence[Merged]) -> tuple[dict[str, Any], ...]:
    return tuple(asdict(one) for merged in found for one in merged.refused)


def _tell(story: Story, merged: Merged, progress: Progress) -> None:
    if story.best_so_far != len(story.attempts):
        assert story.best_so_far is not None  # noqa: S101  (an attempt was rejected for it)
        progress.say(text("repair.rejected", number=story.best_so_far + 1))
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
