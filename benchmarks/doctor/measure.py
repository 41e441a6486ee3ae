"""Runs one planted fault or healthy run, and collects what was told of it, by whom and when."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.doctor import peer
from benchmarks.doctor.case import MOMENTS, Experiment, Fault, Healthy, Moment
from tests.forked import ask_forked_process

from kunren import check, experiment
from kunren.doctor import engine
from kunren.doctor.look import look
from kunren.errors import InputError, KunrenError, TrainingStopped
from kunren.models import verify
from kunren.progress import Silent
from kunren.records import files, guards

Told = dict[str, str]
"""Slug → severity."""

_ALSO: Mapping[str, str] = {
    "train.non-finite": "non-finite",
    "model.weights-not-finite": "non-finite",
    "train.fp16-overflow": "non-finite",
    "config.focal-and-smoothing": "focal-with-smoothing",
    "data.garbled": "garbled-text",
    "collapse": "mode-collapse",
}
"""Code of an error, or slug of a live notice → the rule that finds the same."""


@dataclass(slots=True)
class Outcome:
    """What came of one run.

    Attributes:
        name: the fault's or the run's.
        told: moment → slug → severity, of everything that kunren told.
        messages: slug → as it was told.
        peer: what the peer found; None: it is not installed, or there is no log that it can read.
        ended: how the run ended: finished, stopped, refused, crashed, or foreign.
        seconds: all in all.
    """

    name: str
    told: dict[Moment, Told] = field(default_factory=lambda: {moment: {} for moment in MOMENTS})
    messages: dict[str, str] = field(default_factory=dict)
    peer: list[dict[str, str]] | None = None
    ended: str = "finished"
    seconds: float = 0.0

    def first(self, slugs: Sequence[str]) -> Moment | None:
        """The first moment at which one of these was told."""
        return next((m for m in MOMENTS if self.told[m].keys() & set(slugs)), None)

    def of(self, severity: str) -> list[str]:
        """What was told with a severity, at any moment."""
        return list(
            dict.fromkeys(
                slug for told in self.told.values() for slug, s in told.items() if s == severity
            )
        )


def measure(case: Fault | Healthy, folder: Path) -> Outcome:
    """Run one case in an empty folder."""
    begun = time.monotonic()
    made = case.make(folder)
    outcome = Outcome(case.name)
    if isinstance(made, Path):
        outcome.ended = "foreign"
        _tell(outcome, "after", look(made)["findings"])
        outcome.peer = peer.ask(made)
    else:
        with patch.object(verify, "_ask_fresh_process", ask_forked_process), made.bug():
            try:
                _experiment(outcome, made, folder)
            except Exception as error:  # a crash of kunren is a result, and the worst one
                outcome.ended = "crashed"
                outcome.messages["crash"] = f"{type(error).__name__}: {error}"
    outcome.seconds = time.monotonic() - begun
    return outcome


def _tell(outcome: Outcome, moment: Moment, findings: Sequence[Mapping[str, Any]]) -> None:
    for one in findings:
        outcome.told[moment].setdefault(one["slug"], one["severity"])
        outcome.messages.setdefault(one["slug"], one["message"])


def _experiment(outcome: Outcome, made: Experiment, folder: Path) -> None:
    output = folder / "out"
    with _errors(outcome, "before"):
        checked = check.check(made.config, made.overrides, Silent())
        _tell(outcome, "before", checked.found["findings"])
    with _errors(outcome, "before"):
        _run(outcome, made, output)
    if outcome.ended == "refused":
        _for_the_peer(made, output)
    runs = [path for path in output.rglob("train_log.csv") if path.parent.name != "rounds"]
    if runs:
        stopped = outcome.ended == "stopped"
        outcome.peer = peer.ask(peer.write_state(runs[0].parent, folder / "state", stopped))


def _run(outcome: Outcome, made: Experiment, output: Path) -> None:
    try:
        experiment.run(made.config, made.overrides, output, Silent())
    except TrainingStopped as stopped:
        outcome.ended = "stopped"
        _tell(outcome, "during", _as_findings(stopped))
    for folder in output.glob("*"):
        before = folder / engine.BEFORE
        _tell(outcome, "before", files.read_json(before)["findings"])
        for seen in sorted(folder.rglob(guards.NAME)):
            notices = files.read_json(seen)["notices"]
            told = [{"slug": _ALSO.get(n["slug"], n["slug"]), **_message(n)} for n in notices]
            _tell(outcome, "during", told)
        known = {slug for told in outcome.told.values() for slug in told}
        after = engine.diagnose(folder)["findings"]
        _tell(outcome, "after", [one for one in after if one["slug"] not in known])


def _message(notice: Mapping[str, Any]) -> dict[str, str]:
    return {"severity": "warning", "message": notice["message"]}


def _as_findings(error: KunrenError) -> list[dict[str, str]]:
    return [
        {"slug": _ALSO.get(p.code, p.code), "severity": "critical", "message": str(p)}
        for p in error.problems
    ]


@contextmanager
def _errors(outcome: Outcome, moment: Moment) -> Iterator[None]:
    """What is wrong with config, data or model is told before anything is written."""
    try:
        yield
    except InputError as error:
        outcome.ended = "refused"
        plain = [
            {"slug": slug, "severity": "critical", "message": one["message"]}
            for one, p in zip(_as_findings(error), error.problems, strict=True)
            if (slug := str(p.fields.get("slug", one["slug"])))
        ]
        _tell(outcome, moment, plain)


def _for_the_peer(made: Experiment, output: Path) -> None:
    """Train all the same what kunren refuses to train, where that is possible.

    The peer looks at the log of a training, and must not lose for want of one.
    """
    try:
        with patch.object(check, "STOPS", ()):
            experiment.run(made.config, made.overrides, output, Silent())
    except (KunrenError, RuntimeError, ValueError, IndexError):
        return
