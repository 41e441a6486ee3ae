"""An experiment from its YAML to its record: the whole story, stage by stage.

What a stage finds out is kept in the run folder before the next one begins, so that a run that was
killed goes on where it stopped and ends in the same numbers.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.config.load import DATA_PATHS, dump
from kunren.config.load import Loaded as LoadedConfig
from kunren.config.load import load as load_config
from kunren.config.schema import Config, ModelConfig
from kunren.data.read import capped, read_files
from kunren.data.split import split_files
from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.models import sources
from kunren.progress import Progress
from kunren.records import predictions as stored_predictions
from kunren.records.folder import Run
from kunren.records.task_file import TaskFile, write_task_file
from kunren.tasks import make_task
from kunren.types import Example, Item, Prediction, Row, Where

if TYPE_CHECKING:
    from kunren.models.causal import Causal
    from kunren.models.load import Loaded

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Plan:
    """A checked experiment: its config, and its rows as the model is to see them.

    ``folder`` is what relative paths of the config refer to; ``model`` is the config's, with its
    path resolved.
    """

    config: Config
    folder: Path
    model: ModelConfig
    rows: dict[str, tuple[Row, ...]]
    items: dict[str, list[Item]]
    labels: tuple[str, ...]
    fingerprint: str


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
        TrainingStopped: training met a non-finite loss or gradient.
    """
    plan = prepare(load_config(config, overrides))
    loaded = _load(plan, progress)
    family = _family(plan, loaded)
    examples = _encode(plan, family)
    begin_with = {
        "config.yaml": dump(plan.config, plan.folder, output / plan.config.name),
        "work/split.json": json.dumps(plan.fingerprint),
    }
    made = Run.create(output, plan.config.name, datetime.now().astimezone().date(), begin_with)
    with made.watched():
        return _Experiment(plan, made, progress).carry_out(family, examples)


def resume(folder: Path, progress: Progress) -> Result:
    """Go on with a run that was interrupted.

    Raises:
        InputError: not an unfinished run, or its data has changed since.
    """
    found = Run.open(folder)
    found.resume()
    with found.watched():
        plan = prepare(load_config(found.path / "config.yaml"))
        if found.cached("split") != plan.fingerprint:
            raise InputError(Problem("run.data-changed", Where(str(folder))))
        progress.say(text("run.resuming", path=folder, stage=found.state.stage))
        return _Experiment(plan, found, progress).carry_out(None, None)


def report(folder: Path) -> Path:
    """Make a finished run's diagnosis and record again, from its folder alone.

    Raises:
        InputError: not a run folder, or the run is not finished.
    """
    open_finished(folder)
    from kunren.report.render import render

    render(folder)
    return folder


def open_finished(folder: Path) -> tuple[Run, Config]:
    """A finished run and its config.

    Raises:
        InputError: not a run folder, or the run stopped before its end.
    """
    found = Run.open(folder)
    state = found.state
    if state.status != "finished":
        said: dict[str, object] = {"stage": state.stage, "path": folder}
        raise InputError(Problem("run.unfinished", Where(str(folder)), said))
    return found, load_config(found.path / "config.yaml").config


def prepare(loaded: LoadedConfig) -> Plan:
    """Read and check all that can be checked without a model, and split the rows.

    Raises:
        InputError: with everything that is wrong, at once.
    """
    config = loaded.config
    task = make_task(config.task)
    files = read_files(config.data, loaded.folder)
    model = _local(config.model, loaded.folder)
    problems = [*files.problems, *task.problems(files.rows), *sources.check(model)]
    if problems:
        raise InputError(capped(problems))
    splits = split_files(files, task.stratum, config.data.split)
    labels = task.labels(task.prepare(splits.train))
    if config.task.system is None and not any(r.messages[0].role == "system" for r in files.rows):
        # Written into the config, so that the record shows it and the same run repeats it.
        asked = config.task.model_copy(update={"system": task.default_system(labels)})
        config = config.model_copy(update={"task": asked})
        task = make_task(asked)
    rows = {name: task.prepare(getattr(splits, name)) for name in SPLITS}
    items = {name: task.items(rows[name]) for name in SPLITS}
    return Plan(config, loaded.folder, model, rows, items, labels, splits.fingerprint)


def _local(model: ModelConfig, folder: Path) -> ModelConfig:
    """The model with a path made to hold from here; the config's is relative to the YAML."""
    path = folder / Path(model.id).expanduser()
    return model.model_copy(update={"id": str(path)}) if path.exists() else model


def _load(plan: Plan, progress: Progress) -> Loaded:
    from kunren.models.load import load

    return load(plan.model, plan.config.train.precision, progress)


def _with_learning_rate(plan: Plan) -> Plan:
    """The plan with the learning rate that will be used, so that the record shows it."""
    if plan.config.train.learning_rate is not None:
        return plan
    from kunren.training.fit import LEARNING_RATES

    rate = LEARNING_RATES[plan.config.tuning.kind]
    train = plan.config.train.model_copy(update={"learning_rate": rate})
    return replace(plan, config=plan.config.model_copy(update={"train": train}))


def _family(plan: Plan, loaded: Loaded) -> Causal:
    from kunren.models import make_family

    return make_family(plan.config.model.family, loaded)


def _encode(plan: Plan, family: Causal) -> dict[str, list[Example]]:
    """Rows as token sequences; those that the model could not be given whole are errors."""
    examples = {name: family.encode(plan.rows[name]) for name in SPLITS}
    limit = plan.config.train.max_length
    problems = [
        Problem("run.row-too-long", row.where, {"tokens": len(made.input_ids), "limit": limit})
        for name in SPLITS
        for row, made in zip(plan.rows[name], examples[name], strict=True)
        if len(made.input_ids) > limit
    ]
    if problems:
        raise InputError(capped(problems))
    return examples


class _Experiment:
    """The stages of one run; each leaves its result in the run folder."""

    def __init__(self, plan: Plan, run: Run, progress: Progress) -> None:
        self._plan = plan
        self._run = run
        self._progress = progress
        self._timings: dict[str, float] = run.cached("timings") or {}

    def carry_out(self, family: Causal | None, examples: dict[str, list[Example]] | None) -> Result:
        """Do what is not done yet.

        Args:
            family: the untuned model, if it has been loaded already.
            examples: the encoded rows, likewise.
        """
        base = self._stored("base")
        if base is None or self._run.cached("training") is None:
            family = family or _family(self._plan, _load(self._plan, self._progress))
            examples = examples or _encode(self._plan, family)
            base = base or self._predict("base", family)
            self._train(family, examples)
        # Memory for one model only: the untuned one has to go before the tuned one comes.
        family = None
        gc.collect()
        tuned = self._stored("tuned") or self._predict("tuned", self._tuned())
        return self._record({"base": base, "tuned": tuned} | self._baselines())

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self._run.stage(name)
        begun = time.monotonic()
        yield
        self._timings[name] = self._timings.get(name, 0.0) + time.monotonic() - begun
        self._run.store("timings", self._timings)

    def _stored(self, name: str) -> list[Prediction] | None:
        kept = self._run.cached(name)
        return None if kept is None else stored_predictions.load(kept)

    def _predict(self, system: str, family: Causal) -> list[Prediction]:
        config, items = self._plan.config.evaluate, self._plan.items["test"]
        with self._stage(system):
            with self._progress.stage(text(f"run.stage-{system}"), len(items)) as bar:
                said = family.predict(items, self._plan.labels, config.batch_size, bar)
            if config.generate:
                title = text(f"run.stage-{system}-generate")
                with self._progress.stage(title, len(items)) as bar:
                    written = family.generate(items, config.max_new_tokens, config.batch_size, bar)
                said = [replace(p, generated=w) for p, w in zip(said, written, strict=True)]
            self._run.store(system, stored_predictions.dump(said))
        return said

    def _train(self, family: Causal, examples: dict[str, list[Example]]) -> None:
        if self._run.cached("training") is not None:
            return
        import torch

        from kunren.models import adapter
        from kunren.records.trainlog import NAME, write_log
        from kunren.training.fit import fit

        config = self._plan.config
        with self._stage("train"):
            torch.manual_seed(config.train.seed)  # LoRA's new layers start at random
            model = adapter.prepare(family.loaded.model, config.tuning)
            moving, total = adapter.trainable_parameters(model)
            tuned = replace(family, loaded=replace(family.loaded, model=model))
            fitted = fit(
                model,
                family.pad_token,
                examples["train"],
                examples["validation"],
                config.train,
                config.tuning,
                self._run.work / "checkpoints",
                resume=True,
                progress=self._progress,
                evaluate=self._validation(tuned),
            )
            target = self._run.path / "model"
            origin = self._plan.model
            adapter.save(
                model,
                family.loaded.tokenizer,
                target,
                origin.id,
                origin.revision,
                origin.trust_remote_code,
            )
            write_task_file(target, TaskFile(self._plan.labels, _system(self._plan)))
            write_log(self._run.path / NAME, fitted.history)
            facts = {k: v for k, v in asdict(fitted).items() if k != "history"}
            used = family.loaded.provenance | {"parameters": total, "trainable": moving}
            used["id"] = Path(origin.id).name if Path(origin.id).exists() else origin.id
            self._run.store("training", {"fitted": facts, "model": used})

    def _validation(self, family: Causal) -> Callable[[Any], dict[str, float]]:
        """Task metrics on the validation rows, for the end of each epoch."""
        from kunren.evaluation.labels import validation_metrics
        from kunren.progress import Silent

        items = self._plan.items["validation"]

        def measure(_: Any) -> dict[str, float]:
            with Silent().stage("", None) as task:
                said = family.predict(
                    items, self._plan.labels, self._plan.config.evaluate.batch_size, task
                )
            return validation_metrics(items, said, self._plan.labels)

        return measure

    def _tuned(self) -> Causal:
        """The tuned model, read back from disk: what is scored is what the user will load."""
        from kunren.models.adapter import load_saved

        precision = self._plan.config.train.precision
        loaded = load_saved(self._run.path / "model", False, precision, self._progress)
        return _family(self._plan, loaded)

    def _baselines(self) -> dict[str, list[Prediction]]:
        from kunren.evaluation.baselines import run_baselines

        with self._stage("baselines"), self._progress.stage(text("run.stage-baselines"), None):
            return run_baselines(
                self._plan.config.evaluate.baselines,
                self._plan.items["train"],
                self._plan.items["test"],
                self._plan.labels,
            )

    def _record(self, said: dict[str, list[Prediction]]) -> Result:
        from kunren.doctor.engine import write_findings
        from kunren.evaluation.score import evaluate, verdict_sentence
        from kunren.report.render import render

        plan, run = self._plan, self._run
        with self._progress.stage(text("run.stage-record"), None):
            with self._stage("evaluate"):
                items = plan.items["test"]
                metrics = evaluate(items, plan.labels, said, plan.config.evaluate)
                stored_predictions.write_predictions(
                    run.path / stored_predictions.NAME, stored_predictions.predicted(items, said)
                )
                run.write_json("eval_metrics.json", metrics)
            with self._stage("record"):
                self._write_manifest()
                findings = write_findings(run.path)
                render(run.path)
            self._write_manifest()  # with the time of the last stage, and the hashes of all files
            run.finish()
        return Result(run.path, metrics, verdict_sentence(metrics), findings["findings"])

    def _write_manifest(self) -> None:
        from kunren.records import provenance

        plan, run = self._plan, self._run
        config = plan.config
        known = run.cached("training")
        named = {key: getattr(config.data, key) for key in DATA_PATHS}
        paths = {k: plan.folder / Path(p).expanduser() for k, p in named.items() if p is not None}
        content = provenance.manifest(
            seeds={
                "split": config.data.split.seed,
                "train": config.train.seed,
                "evaluate": config.evaluate.seed,
            },
            data=provenance.data_facts(paths, plan.items, plan.labels),
            model=known["model"],
            training=known["fitted"],
            timings=self._timings,
            accelerators=_accelerators(),
            repository=plan.folder,
        )
        content["artefacts"] = provenance.artefacts(run.path)
        run.write_json("manifest.json", content)


def _system(plan: Plan) -> str | None:
    """The system prompt that all training rows begin with, if it is one."""
    prompts = {
        row.messages[0].content if row.messages[0].role == "system" else None
        for row in plan.rows["train"]
    }
    return next(iter(prompts)) if len(prompts) == 1 else None


def _accelerators() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
