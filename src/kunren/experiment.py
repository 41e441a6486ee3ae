"""The whole story of an experiment: check, load, measure, train, measure again, record.

Each stage leaves its result in the run folder, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.config.load import DATA_PATHS, dump
from kunren.config.load import load as load_config
from kunren.config.schema import Config, Decoding
from kunren.data.read import capped
from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.models import Family, family_class, make_family
from kunren.models.answering import Options, answer, choose_threshold, decide, writes
from kunren.plan import SPLITS, Plan, prepare, with_family
from kunren.progress import Progress, Silent
from kunren.progress import Task as Bar
from kunren.records import predictions as stored_predictions
from kunren.records.folder import Run
from kunren.records.task_file import TaskFile, read_task_file, write_task_file
from kunren.tasks import filters
from kunren.types import AnyExample, Item, PairExample, Prediction, Where

if TYPE_CHECKING:
    from kunren.models.vocabulary import Added

Examples = Mapping[str, Sequence[AnyExample]]

_VERIFIED_ROWS = 8

_LEAST_TOKENS = 16
"""Room to write: cut right after a label, an answer that goes on would look right."""


@dataclass(frozen=True)
class Result:
    """A finished experiment."""

    folder: Path
    metrics: dict[str, Any]
    verdict: str
    findings: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Ready:
    """The untuned model, and the rows as it reads them."""

    plan: Plan
    family: Family
    added: Added | None
    examples: Examples


def run(config: Path, overrides: Sequence[str], output: Path, progress: Progress) -> Result:
    """Run the experiment of a YAML file.

    Raises:
        InputError: the config, the data or the model source is wrong; nothing has been written.
        TrainingStopped: training met a non-finite loss or gradient, or the saved model is not the
            one that was trained.
    """
    plan = prepare(load_config(config, overrides))
    if plan.filtered.steps:
        progress.say("\n".join(filters.lines(plan.filtered)))
    ready = _ready(plan, progress)
    plan = ready.plan
    begin_with = {
        "config.yaml": dump(plan.config, plan.folder, output / plan.config.name),
        "work/split.json": json.dumps(plan.fingerprint),
    }
    made = Run.create(output, plan.config.name, datetime.now().astimezone().date(), begin_with)
    with made.watched():
        return _Experiment(plan, made, progress).carry_out(ready)


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
        return _Experiment(plan, found, progress).carry_out(None)


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


def _ready(plan: Plan, progress: Progress) -> Ready:
    """Fetch and load the model, decide what depends on it, and check that it fits the rows.

    Raises:
        InputError: the model cannot be had, or does not fit; nothing has been written.
    """
    from kunren.models.load import Head, infer_family, load
    from kunren.models.sources import locate
    from kunren.training.scaling import warn_fp16

    folder = locate(plan.model, progress, plan.texts)
    plan = with_family(plan, plan.config.model.family or infer_family(folder))
    head = Head(plan.labels, plan.task.answers == "set") if plan.labels else None
    loaded = load(plan.model, plan.config.train.precision, progress, folder=folder, head=head)
    family = make_family(str(plan.config.model.family), loaded)
    added = _extend(plan, family)
    if plan.config.train.precision == "fp16":
        warn_fp16(len(added.tokens) if added else 0)
    plan = _settled(plan, family)
    return Ready(plan, family, added, _encode(plan, family))


def _extend(plan: Plan, family: Family) -> Added | None:
    """Add the tokens that the config asks for, and see that the model can write every label."""
    from kunren.models import vocabulary

    wanted = plan.config.model.add_tokens
    tokens = plan.labels if wanted == "labels" else wanted
    added = vocabulary.extend(family.loaded, tokens) if tokens else None
    if family.generates:
        sets = plan.task.answers == "set"
        answers = [item.answer for item in plan.items["train"]] if sets else []
        problems = vocabulary.check_round_trip(family.loaded.tokenizer, plan.labels, answers)
        if problems:
            raise InputError(capped(problems))
    return added


def _settled(plan: Plan, family: Family) -> Plan:
    """The plan with all defaults that depend on the model, so that the record shows them."""
    from kunren.training.rates import learning_rate

    config = plan.config
    train, evaluate = config.train, config.evaluate
    if train.learning_rate is None:
        pretrained = _pretrained(family)
        rate = learning_rate(str(config.model.family), config.tuning.kind, pretrained)
        train = train.model_copy(update={"learning_rate": rate})
    if evaluate.max_new_tokens is None:
        longest = max(family.tokens([item.answer for item in plan.items["train"]]))
        room = max(_LEAST_TOKENS, longest + -(-longest // 4))
        evaluate = evaluate.model_copy(update={"max_new_tokens": room})
    return replace(plan, config=config.model_copy(update={"train": train, "evaluate": evaluate}))


def _pretrained(family: Family) -> bool:
    return bool(family.loaded.provenance.get("pretrained", True))


def _encode(plan: Plan, family: Family) -> Examples:
    """Rows as token sequences; those that the model could not be given whole are errors."""
    weights = plan.label_weights
    weight = None if weights is None else _weight_of(weights)
    examples = {
        name: family.encode(plan.rows[name], plan.items[name], weight if name == "train" else None)
        for name in SPLITS
    }
    limit = _limit(plan, family)
    where = {row.id: row.where for name in SPLITS for row in plan.rows[name]}
    problems = [
        Problem("run.row-too-long", where[made.row_id], {"tokens": _length(made), "limit": limit})
        for name in SPLITS
        for made in examples[name]
        if _length(made) > limit
    ]
    if problems:
        raise InputError(capped(problems))
    return examples


def _limit(plan: Plan, family: Family) -> int:
    """How many tokens a row may have: ``train.max_length``, or fewer if the model reads fewer."""
    limit = plan.config.train.max_length
    positions = getattr(family.loaded.model.config, "max_position_embeddings", None)
    return limit if positions is None else min(limit, positions)


def _weight_of(weights: Mapping[str, float]) -> Callable[[Item], float]:
    """The weight of an answer: the mean of its labels'."""

    def weight(item: Item) -> float:
        return sum(weights[label] for label in item.labels) / len(item.labels)

    return weight


def _length(example: AnyExample) -> int:
    written = len(example.target_ids) if isinstance(example, PairExample) else 0
    return max(len(example.input_ids), written)


class _Experiment:
    """The stages of one run; each leaves its result in the run folder."""

    def __init__(self, plan: Plan, run: Run, progress: Progress) -> None:
        self._plan = plan
        self._run = run
        self._progress = progress
        self._timings: dict[str, float] = run.cached("timings") or {}

    def carry_out(self, ready: Ready | None) -> Result:
        """Do what is not done yet. ``ready`` is the untuned model, if it is there already."""
        base = self._stored("base")
        if base is None or self._run.cached("training") is None:
            ready = ready or _ready(self._plan, self._progress)
            base = base or self._base(ready.family)
            self._prompted(ready.family)
            self._train(ready)
        # Memory for one model only: the untuned one has to go before the tuned one comes.
        ready = None
        gc.collect()
        prompted = self._prompted(None)
        return self._record({"base": base} | self._tuned() | prompted | self._baselines())

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

    def _store(self, name: str, said: Sequence[Prediction]) -> list[Prediction]:
        self._run.store(name, stored_predictions.dump(said))
        return list(said)

    def _options(self, decoding: Decoding, threshold: float = 0.5) -> Options:
        config = self._plan.config.evaluate
        assert config.max_new_tokens is not None  # noqa: S101  (see _settled)
        free = config.generate
        return Options(config.batch_size, config.max_new_tokens, decoding, free, threshold)

    def _base(self, family: Family) -> list[Prediction]:
        plan, decoding = self._plan, self._plan.config.evaluate.decoding
        with self._stage("base"):
            if family.generates:
                said = self._ask("base", family, self._options(decoding), "base")
                return self._store("base", said)
            train, tuned_on, test = (plan.items[name] for name in SPLITS)
            with self._progress.stage(text("run.stage-base-probe"), None) as bar:
                said = family.predict_untuned(
                    train, [*tuned_on, *test], plan.labels, plan.config.evaluate.batch_size, bar
                )
            if plan.task.answers == "set":
                cut = choose_threshold(tuned_on, said[: len(tuned_on)], plan.labels)
                said = decide(said, plan.labels, cut)
            return self._store("base", said[len(tuned_on) :])

    def _prompted(self, family: Family | None) -> dict[str, list[Prediction]]:
        """What the untuned model says with examples or passages in its prompt, as far as is known.

        ``family`` is the untuned model, where it is loaded: what is not known yet is then asked.
        """
        facts = self._run.cached("prompted") or {}
        if family is not None:
            from kunren.evaluation import prompted

            plan, config = self._plan, self._plan.config.evaluate
            passages, written = plan.documents.passages, writes(family, plan.task.answers)
            limit = _limit(plan, family)
            source = prompted.Source(plan.rows["train"], passages, limit, written)
            for name, reason in prompted.systems(config, family, passages).items():
                if name in facts:
                    continue
                with self._stage(name):
                    if reason:
                        facts[name] = {"reason": reason}
                    else:
                        made = prompted.prompted(name, family, source, plan.items["test"], config)
                        if made.items:
                            options = replace(self._options(config.decoding), generate=False)
                            options = replace(options, batch_size=made.batch_size)
                            said = self._ask(name, family, options, name, made.items)
                            self._store(name, said)
                        facts[name] = made.facts
                    self._run.store("prompted", facts)
        known = {name: self._stored(name) for name in facts}
        return {name: said for name, said in known.items() if said is not None}

    def _ask(
        self,
        stage: str,
        family: Family,
        options: Options,
        system: str,
        items: Sequence[Item] | None = None,
    ) -> list[Prediction]:
        """The test items, or these in their place, asked and timed; the speed is kept."""
        from kunren.evaluation.speed import timed

        plan = self._plan
        items = plan.items["test"] if items is None else items

        def ask(some: Sequence[Item], how: Options, bar: Bar) -> list[Prediction]:
            return answer(family, plan.task, some, plan.labels, how, bar)

        with Silent().stage("", None) as unseen:  # the first call allocates and compiles
            ask(items[:1], replace(options, max_new_tokens=1), unseen)
        twice = options.generate and family.generates and plan.task.answers == "label"
        with self._progress.stage(text(f"run.stage-{stage}"), len(items) * (1 + twice)) as bar:
            said, speed = timed(lambda: ask(items, options, bar), items, family.loaded.device)
        speed["batch_size"] = options.batch_size
        self._run.store("speed", (self._run.cached("speed") or {}) | {system: speed})
        return said

    def _train(self, ready: Ready) -> None:
        if self._run.cached("training") is not None:
            return
        import torch

        from kunren.models import adapter
        from kunren.records.trainlog import NAME, write_log
        from kunren.training.fit import fit

        plan, family, added = self._plan, ready.family, ready.added
        config, name = plan.config, str(plan.config.model.family)
        pretrained = _pretrained(family)
        with self._stage("train"):
            family.start_head(plan.items["train"])
            torch.manual_seed(config.train.seed)  # LoRA's new layers start at random
            model = adapter.prepare(
                family.loaded.model,
                config.tuning,
                name,
                [token.id for token in added.tokens] if added else (),
                pretrained,
            )
            moving, total = adapter.trainable_parameters(model)
            tuned = make_family(name, replace(family.loaded, model=model))
            weights = plan.label_weights
            fitted = fit(
                model,
                name,
                family.pad_token,
                ready.examples["train"],
                ready.examples["validation"],
                config.train,
                config.tuning,
                self._run.work / "checkpoints",
                resume=True,
                progress=self._progress,
                evaluate=self._validation(tuned),
                class_weights=None if weights is None else [weights[la] for la in plan.labels],
                levels=plan.levels,
            )
        with self._stage("save"):
            target = self._run.path / "model"
            self._save(tuned, added, target)
            reload = self._verified(tuned, target)
            write_log(self._run.path / NAME, fitted.history)
            facts = {k: v for k, v in asdict(fitted).items() if k != "history"}
            used = family.loaded.provenance | {"parameters": total, "trainable": moving}
            origin = plan.model
            used["id"] = Path(origin.id).name if Path(origin.id).exists() else origin.id
            used |= {"family": name, "reload": reload, "added_tokens": _told(added)}
            self._run.store("training", {"fitted": facts, "model": used})

    def _save(self, tuned: Family, added: Added | None, target: Path) -> None:
        from kunren.models import adapter

        plan = self._plan
        adapter.save(tuned.loaded, target, plan.model, added)
        threshold = None
        if plan.task.answers == "set" and not tuned.generates:
            items = plan.items["validation"]
            with Silent().stage("", None) as bar:
                said = tuned.predict(items, plan.labels, plan.config.evaluate.batch_size, bar)
            threshold = choose_threshold(items, said, plan.labels)
        write_task_file(target, TaskFile(plan.labels, _system(plan), threshold))

    def _verified(self, tuned: Family, target: Path) -> dict[str, Any]:
        """See in a fresh process that what was saved is what was trained."""
        from kunren.models.verify import verify

        items = [*self._plan.items["test"], *self._plan.items["train"]][:_VERIFIED_ROWS]
        with self._progress.stage(text("run.stage-verify"), None):
            same = verify(tuned, target, items, self._plan.config.train.precision)
        return {"rows": same.rows, "max_difference": same.largest_difference}

    def _validation(self, family: Family) -> Callable[[Any], dict[str, float]] | None:
        """Task metrics on the validation rows, for the end of each epoch.

        Free text is written only where a metric of it decides: it takes long, and the loss is
        measured anyway.
        """
        from kunren.evaluation.score import validation_metrics

        plan, items = self._plan, self._plan.items["validation"]
        answers, config = plan.task.answers, plan.config
        if answers == "text" and config.train.metric == "loss":
            return None
        options = replace(self._options(config.evaluate.decoding), generate=False)

        def measure(_: Any) -> dict[str, float]:
            with Silent().stage("", None) as bar:
                said = answer(family, plan.task, items, plan.labels, options, bar)
            if answers == "set" and not writes(family, answers):
                said = decide(said, plan.labels, choose_threshold(items, said, plan.labels))
            return validation_metrics(answers, items, said, plan.labels)

        return measure

    def _tuned(self) -> dict[str, list[Prediction]]:
        """The tuned model, read back from disk: what is scored is what the user will load."""
        from kunren.models.adapter import load_saved

        config = self._plan.config
        ways = {"tuned": config.evaluate.decoding}
        ways |= {f"tuned_{name}": decoding for name, decoding in config.evaluate.also.items()}
        known = {name: self._stored(name) for name in ways}
        if missing := [name for name, said in known.items() if said is None]:
            target = self._run.path / "model"
            loaded = load_saved(target, False, config.train.precision, self._progress)
            family = make_family(str(config.model.family), loaded)
            threshold = read_task_file(target).threshold
            cut = 0.5 if threshold is None else threshold
            with self._stage("tuned"):
                for name in missing:
                    said = self._ask("tuned", family, self._options(ways[name], cut), name)
                    known[name] = self._store(name, said)
        return {name: said for name, said in known.items() if said is not None}

    def _baselines(self) -> dict[str, list[Prediction]]:
        from kunren.evaluation.baselines import run_baselines

        plan = self._plan
        with self._stage("baselines"), self._progress.stage(text("run.stage-baselines"), None):
            return run_baselines(
                plan.config.evaluate.baselines,
                plan.task.answers,
                plan.items["train"],
                plan.items["validation"],
                plan.items["test"],
                plan.labels,
            )

    def _record(self, said: dict[str, list[Prediction]]) -> Result:
        from kunren.doctor.engine import write_findings
        from kunren.evaluation.score import evaluate, verdict_sentence
        from kunren.report.render import render

        plan, run = self._plan, self._run
        with self._progress.stage(text("run.stage-record"), None):
            with self._stage("evaluate"):
                items, family = plan.items["test"], str(plan.config.model.family)
                metrics = evaluate(
                    items,
                    plan.labels,
                    said,
                    plan.config.evaluate,
                    plan.task.answers,
                    plan.task.levels,
                    base="model" if family_class(family).generates else "probe",
                )
                metrics["speed"] = run.cached("speed") or {}
                metrics["prompted"] = run.cached("prompted") or {}
                rows = stored_predictions.predicted(items, said, plan.task.answers, plan.labels)
                stored_predictions.write_predictions(run.path / stored_predictions.NAME, rows)
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
        data = provenance.data_facts(paths, plan.items, plan.labels)
        if plan.filtered.steps:
            data["filters"] = filters.as_json(plan.filtered)
        if plan.documents.files:
            data["documents"] = provenance.file_facts(plan.documents.files)
        content = provenance.manifest(
            seeds={
                "split": config.data.split.seed,
                "train": config.train.seed,
                "evaluate": config.evaluate.seed,
            },
            data=data,
            model=known["model"],
            training=known["fitted"],
            timings=self._timings,
            accelerators=_accelerators(),
            repository=plan.folder,
        )
        content["artefacts"] = provenance.artefacts(run.path)
        run.write_json("manifest.json", content)


def _told(added: Added | None) -> dict[str, Any] | None:
    """What the manifest says of added tokens."""
    if added is None:
        return None
    return {
        "count": len(added.tokens),
        "examples": [token.string for token in added.tokens[:10]],
        "tied": added.tied,
        "vocabulary": added.vocabulary,
        "embedding_rows": added.embedding_rows,
    }


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
