"""The whole story of an experiment: check, load, measure, train, measure again, record.

With folds or several seeds there are as many trainings; what their models said is put together.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from kunren.check import before_training
from kunren.config.load import DATA_PATHS, Loaded, dump
from kunren.config.load import load as load_config
from kunren.config.schema import Config
from kunren.data import notes, overlap
from kunren.data.split import rarer_than_folds
from kunren.doctor import engine, remarks
from kunren.errors import InputError, Problem, TrainingStopped
from kunren.evaluation.rounds import Round
from kunren.messages import text
from kunren.models import family_class
from kunren.plan import SPLITS, Plan, bertscore_model, prepare
from kunren.progress import Progress
from kunren.ready import Ready, make_ready, token_limit
from kunren.records import predictions as stored_predictions
from kunren.records.folder import Run, check_output, sealed
from kunren.tasks import filters, make_task, truncation
from kunren.trial import BASE, Place, Trial
from kunren.types import Item, Prediction, Where
from kunren.userfile import located


@dataclass(frozen=True)
class Result:
    """A finished experiment."""

    folder: Path
    metrics: dict[str, Any]
    verdict: str
    findings: Sequence[dict[str, Any]]


def run(config: Path, overrides: Sequence[str], output: Path, progress: Progress) -> Result:
    """Run the experiment of a YAML file.

    Raises:
        InputError: the config, the data or the model source is wrong; nothing has been written.
        TrainingStopped: training met a non-finite loss or gradient, or the saved model is not the
            one that was trained.
    """
    loaded = load_config(config, overrides)
    earlier = _earlier(loaded)
    made, ready = _begin(prepare(loaded), output, progress, earlier)
    with made.watched():
        return _Experiment(ready.plan, made, progress).carry_out(ready)


def train(
    plan: Plan, output: Path, progress: Progress, begin_with: Mapping[str, str], aside: str
) -> tuple[Path, TrainingStopped | None]:
    """Train, and leave the run where ``resume`` goes on: no test row has been answered.

    Args:
        plan: of one split.
        output: where the run folder is made.
        progress: shown its stages.
        begin_with: further files of the run folder, name → text.
        aside: why the run ends here, for its record.

    Returns:
        The run folder, and what stopped the training if a guard did.

    Raises:
        InputError: the model cannot be had, or does not fit; nothing has been written.
    """
    made, ready = _begin(plan, output, progress, begin_with)
    return _trained(made, ready.plan, ready, progress, aside)


def go_on_training(
    folder: Path, progress: Progress, aside: str
) -> tuple[Path, TrainingStopped | None]:
    """Bring an interrupted training of ``train`` to its end; likewise.

    Raises:
        InputError: not an unfinished run, or its data has changed since.
    """
    made, plan = _reopened(folder, progress)
    return _trained(made, plan, None, progress, aside)


def _trained(
    made: Run, plan: Plan, ready: Ready | None, progress: Progress, aside: str
) -> tuple[Path, TrainingStopped | None]:
    try:
        with made.watched():
            _Experiment(plan, made, progress).train(ready)
    except TrainingStopped as stopped:
        return made.path, stopped
    made.pause(aside)
    return made.path, None


def _begin(
    plan: Plan, output: Path, progress: Progress, begin_with: Mapping[str, str]
) -> tuple[Run, Ready]:
    """Look at data and config, load the model, and make the run folder."""
    check_output(output)
    for note in plan.notes:
        progress.say(notes.said(note))
    if plan.filtered.steps:
        progress.say("\n".join(filters.lines(plan.filtered)))
    for warning in overlap.warnings(plan.overlaps):
        progress.say(str(warning))
    rare = _rarer_than_folds(plan)
    if rare is not None:
        progress.say(str(rare))
    ready = make_ready(plan, progress)
    for note in ready.plan.notes[len(plan.notes) :]:
        progress.say(notes.said(note))
    plan = ready.plan
    found = before_training(ready)
    for line in remarks.lines(found["findings"]):
        progress.say(line)
    config = dump(plan.config, plan.folder, output / plan.config.name)
    files = {
        engine.BEFORE: json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False) + "\n",
        "config.yaml": config,
        "work/config.json": sealed(sha256(config.encode()).hexdigest()),
        "work/split.json": sealed(plan.fingerprint),
        f"work/{BASE}.json": sealed(ready.identity),
    }
    if plan.cuts is not None:
        limit = token_limit(plan.config, ready.family)
        files["work/cuts.json"] = sealed(truncation.as_json(plan.cuts, limit))
    today = datetime.now().astimezone().date()
    return Run.create(output, plan.config.name, today, {**files, **begin_with}), ready


def _rarer_than_folds(plan: Plan) -> Problem | None:
    folds = plan.config.evaluate.cv
    return None if folds is None else rarer_than_folds(plan.known, plan.task.stratum, folds)


def resume(folder: Path, progress: Progress) -> Result:
    """Go on with a run that was interrupted.

    Raises:
        InputError: not an unfinished run, or its data has changed since.
    """
    found, plan = _reopened(folder, progress)
    with found.watched():
        return _Experiment(plan, found, progress).carry_out(None)


def _reopened(folder: Path, progress: Progress) -> tuple[Run, Plan]:
    found = Run.open(folder)
    found.resume()
    with found.watched():
        path = found.path / "config.yaml"
        loaded = load_config(path)
        if found.cached("config") != sha256(path.read_bytes()).hexdigest():
            raise InputError(Problem("run.config-changed", Where(str(folder)), {"path": path}))
        plan = prepare(loaded)
        split = found.cached("split")
        if split is None:
            raise InputError(_lost("split", folder, path))
        if split != plan.fingerprint:
            raise InputError(Problem("run.data-changed", Where(str(folder))))
        base = found.cached(BASE)
        if base is None:
            raise InputError(_lost(BASE, folder, path))
        plan = plan.of_commit(base.get("commit"))
        if plan.config.train.truncate is not None:
            cuts = found.cached("cuts")
            if cuts is None:
                raise InputError(_lost("cuts", folder, path))
            plan = plan.cut(*truncation.from_json(cuts))
        progress.say(text("run.resuming", path=folder, stage=found.state.stage))
        return found, plan


def _lost(kept: str, folder: Path, config: Path) -> Problem:
    fields: dict[str, object] = {"file": f"work/{kept}.json", "path": config}
    return Problem("run.split-lost", Where(str(folder)), fields)


def _earlier(loaded: Loaded) -> dict[str, str]:
    """The copy of the earlier run that the config names, as file → text; empty: it names none.

    Raises:
        InputError: it is no run folder, or of another task.
    """
    named = loaded.config.evaluate.against
    if named is None:
        return {}
    from kunren.records.earlier import NAME, as_json, read_against

    answers = make_task(loaded.config.task).answers
    found = as_json(read_against(loaded.resolve(named), answers))
    return {NAME: json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False) + "\n"}


def report(folder: Path, against: Path | None = None) -> Path:
    """Make a finished run's diagnosis and record again, from its folder alone.

    Args:
        folder: the run folder.
        against: folder of an earlier run, to be kept and compared with from now on.

    Raises:
        InputError: not a run folder, the run is not finished, its files are not those that it
            ended with, or it cannot be compared with ``against``; nothing has been written.
    """
    _, config = open_finished(folder)
    from kunren.records.provenance import check_sources
    from kunren.report.render import render

    check_sources(folder)

    if against is not None:
        from kunren.records.earlier import read_against, write_earlier

        if against.resolve() == folder.resolve():
            raise InputError(Problem("compare.against-itself", Where(str(against))))
        write_earlier(folder, read_against(against, make_task(config.task).answers))
    render(folder)
    return folder


def open_finished(folder: Path) -> tuple[Run, Config]:
    """A finished run and its config.

    Raises:
        InputError: not a run folder, or the run stopped before its end.
    """
    found = Run.open(folder)
    state = found.state
    if state.status == "running":
        fields: dict[str, object] = {"stage": state.stage, "pid": state.pid}
        raise InputError(Problem("run.still-running", Where(str(folder)), fields))
    if state.status != "finished":
        said: dict[str, object] = {"stage": state.stage, "path": folder}
        raise InputError(Problem("run.unfinished", Where(str(folder)), said))
    return found, load_config(found.path / "config.yaml").config


class _Experiment:
    """All trainings of one run, and its record."""

    def __init__(self, plan: Plan, run: Run, progress: Progress) -> None:
        self._plan = plan
        self._run = run
        self._progress = progress
        self._timings: dict[str, float] = {}
        self._ended = datetime.now().astimezone()

    def carry_out(self, ready: Ready | None) -> Result:
        """Do what is not done yet. ``ready`` is the untuned model, if it is there already."""
        said: dict[str, list[Prediction]] = {}
        repeated: dict[str, list[Prediction]] = {}
        rounds: list[Round] = []
        trials: list[Trial] = []
        places = self._places()
        for place in places:
            plan = self._plan if place.fold == self._plan.fold else self._plan.of_fold(place.fold)
            if len(places) > 1:
                where = {"number": len(trials) + 1, "total": len(places), "seed": place.seed}
                self._progress.say(text("run.round", **where, fold=place.fold + 1))
            trial = Trial(plan, place, self._run, self._progress)
            found = trial.carry_out(ready)
            ready = None
            trials.append(trial)
            rounds.append(
                Round(place.fold + 1 if self._folded else None, place.seed, found["tuned"])
            )
            for system, predictions in found.items():
                if place.asks_others:
                    said.setdefault(system, []).extend(predictions)
                else:
                    repeated.setdefault(f"{system}_seed{place.seed}", []).extend(predictions)
        return self._record(said, repeated, rounds, trials)

    def train(self, ready: Ready | None) -> None:
        """Do the first training, and nothing that needs the test rows' answers."""
        trial = Trial(self._plan, self._places()[0], self._run, self._progress)
        trial.train(ready)
        self._ended = datetime.now().astimezone()
        self._write_manifest([trial])

    @property
    def _folded(self) -> bool:
        return self._plan.config.evaluate.cv is not None

    def _places(self) -> list[Place]:
        config = self._plan.config
        seeds = config.evaluate.seeds or (config.train.seed,)
        return [
            Place(fold, seed, first=not fold and not n, asks_others=not n)
            for fold in range(len(self._plan.folds))
            for n, seed in enumerate(seeds)
        ]

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self._run.stage(name)
        begun = time.monotonic()
        yield
        self._timings[name] = time.monotonic() - begun

    def _record(
        self,
        said: dict[str, list[Prediction]],
        repeated: dict[str, list[Prediction]],
        rounds: Sequence[Round],
        trials: Sequence[Trial],
    ) -> Result:
        from kunren.evaluation.score import evaluate
        from kunren.evaluation.told import verdict_sentence
        from kunren.report.render import render

        plan, run = self._plan, self._run
        with self._progress.stage(text("run.stage-record"), None):
            with self._stage("evaluate"):
                items, family = self._tested(), str(plan.config.model.family)
                scorer = bertscore_model(plan.config, plan.folder)
                metrics = evaluate(
                    items,
                    plan.labels,
                    said,
                    plan.config.evaluate.model_copy(update={"bertscore": scorer}),
                    plan.task.answers,
                    plan.task.levels,
                    base="model" if family_class(family).generates else "probe",
                    rounds=rounds,
                    most_frequent=plan.filtered.most_frequent,
                )
                metrics |= _together(trials)
                every = said | repeated
                rows = stored_predictions.predicted(items, every, plan.task.answers, plan.labels)
                stored_predictions.write_predictions(run.path / stored_predictions.NAME, rows)
                run.write_json("eval_metrics.json", metrics)
            self._ended = datetime.now().astimezone()
            with self._stage("record"):
                self._write_manifest(trials)
                findings = engine.write_findings(run.path)
                render(run.path)
            self._write_manifest(
                trials
            )  # with the time of the last stage, and the hashes of all files
            run.finish()
        return Result(run.path, metrics, verdict_sentence(metrics), findings["findings"])

    def _write_manifest(self, trials: Sequence[Trial]) -> None:
        from kunren.records import provenance

        plan, run = self._plan, self._run
        config = plan.config
        first = trials[0].training
        assert first is not None  # noqa: S101  (it has been carried out)
        timings = dict(self._timings)
        for stage, seconds in (pair for trial in trials for pair in trial.timings.items()):
            timings[stage] = timings.get(stage, 0.0) + seconds
        named = {key: getattr(config.data, key) for key in DATA_PATHS}
        paths = {k: located(plan.folder, p) for k, p in named.items() if p is not None}
        overlaps = {side: one.as_json() for side, one in plan.overlaps.items()}
        data = provenance.data_facts(paths, plan.items, plan.labels, overlaps=overlaps)
        if plan.filtered.steps:
            data["filters"] = filters.as_json(plan.filtered)
        data["notes"] = notes.as_json(plan.notes)
        if plan.documents.files:
            data["documents"] = provenance.file_facts(plan.documents.files)
        if self._folded:
            folds = [{name: len(getattr(s, name)) for name in SPLITS} for s in plan.folds]
            data["folds"] = folds
        content = provenance.manifest(
            seeds={
                "split": config.data.split.seed,
                "train": list(config.evaluate.seeds) or config.train.seed,
                "evaluate": config.evaluate.seed,
            },
            data=data,
            model=first["model"],
            training=first["fitted"] | self._rounds(trials),
            timings=timings,
            accelerators=_accelerators(),
            repository=plan.folder,
        )
        # In local time, without saying which zone that is: a record does not tell where.
        began = datetime.fromisoformat(run.state.started).astimezone()
        content["period"] = [f"{one:%Y-%m-%dT%H:%M}" for one in (began, self._ended)]
        content["artefacts"] = provenance.artefacts(run.path)
        run.write_json("manifest.json", content)

    def _tested(self) -> list[Item]:
        """The test items of all folds."""
        others = (self._plan.of_fold(n) for n in range(1, len(self._plan.folds)))
        return [item for plan in (self._plan, *others) for item in plan.items["test"]]

    def _rounds(self, trials: Sequence[Trial]) -> dict[str, Any]:
        """What the manifest says of how each training went, where there are several."""
        if len(trials) < 2:
            return {}
        told = ("best_epoch", "epochs_done", "stopped_early")
        return {
            "rounds": [
                {"fold": place.fold + 1 if self._folded else None, "seed": place.seed}
                | {key: (trial.training or {})["fitted"].get(key) for key in told}
                for place, trial in zip(self._places(), trials, strict=True)
            ]
        }


def _together(trials: Sequence[Trial]) -> dict[str, Any]:
    """Speed and prompts of all folds, as ``eval_metrics.json`` has them."""
    from kunren.evaluation import prompted, speed

    asked = [trial for trial in trials if trial.prompted or trial.speed]
    return {
        "speed": speed.together([trial.speed for trial in asked]),
        "prompted": prompted.together([trial.prompted for trial in asked]),
    }


def _accelerators() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
