"""One training of an experiment: the untuned model, training, the tuned model, baselines.

An experiment has one, or one for each fold and seed. Each stage leaves its result in the run
folder, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.config.schema import Decoding
from kunren.errors import InputError, Problem, TrainingStopped
from kunren.messages import text
from kunren.models import Family, make_family
from kunren.models.answering import Options, answer, choose_threshold, decide, has_empty, writes
from kunren.plan import SPLITS, Plan
from kunren.progress import Progress, Silent
from kunren.progress import Task as Bar
from kunren.ready import Ready, make_ready, pretrained, token_limit
from kunren.records import files, guards
from kunren.records import predictions as stored_predictions
from kunren.records.folder import Run
from kunren.records.task_file import TaskFile, read_task_file, write_task_file
from kunren.types import Item, Prediction, Where

if TYPE_CHECKING:
    from kunren.evaluation.prompted import Source
    from kunren.models.vocabulary import Added
    from kunren.training.watch import Watch

_VERIFIED_ROWS = 8

BASE = "untuned"
"""Under which name a run keeps what tells its untuned model from others."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which of an experiment's trainings one is.

    Attributes:
        fold: from 0.
        seed: of the training.
        first: whether it is the first of all: its model is the one that is kept.
        asks_others: whether the untuned model and the baselines are asked beside: once a fold.
    """

    fold: int
    seed: int
    first: bool
    asks_others: bool

    @property
    def name(self) -> str:
        """What its files begin with; empty for the first."""
        return "" if self.first else f"fold{self.fold + 1}_seed{self.seed}"


class Trial:
    """The stages of one training; each leaves its result in the run folder."""

    def __init__(self, plan: Plan, place: Place, run: Run, progress: Progress) -> None:
        seeded = plan.config.train.model_copy(update={"seed": place.seed})
        self._plan = replace(plan, config=plan.config.model_copy(update={"train": seeded}))
        self._place = place
        self._run = run
        self._progress = progress
        self.timings: dict[str, float] = self._cached("timings") or {}

    def carry_out(self, ready: Ready | None) -> dict[str, list[Prediction]]:
        """Do what is not done yet; what each system said to the test items.

        Args:
            ready: the untuned model, if it is there already. It is used up.
        """
        base = self._stored("base") if self._place.asks_others else []
        if base is None or self.training is None:
            ready = ready or self._same_model()
            base = self._base(ready.family) if base is None else base
            if self._place.asks_others:
                self._prompted(ready.family)
            self._train(ready)
        # Memory for one model only: the untuned one has to go before the tuned one comes.
        ready = None
        gc.collect()
        tuned = self._tuned()
        if not self._place.asks_others:
            return tuned
        return {"base": base} | tuned | self._prompted(None) | self._baselines()

    def train(self, ready: Ready | None) -> None:
        """Only train, if that is not done yet; ``ready`` is used up."""
        if self.training is None:
            self._train(ready or self._same_model())

    def _same_model(self) -> Ready:
        """The untuned model, loaded again for another training or after an interruption.

        Raises:
            InputError: it is not the one that the run began with.
        """
        from kunren.models.identity import differing
        from kunren.models.sources import kind_of

        ready = make_ready(self._plan, self._progress)
        if kind_of(self._plan.model.id) == "scratch" and self._place.fold:
            return ready  # made of its fold's rows, which have not changed
        changed = differing(self._run.cached(BASE), ready.identity)
        if changed:
            fields = {"base": self._plan.model.id, "files": ", ".join(changed)}
            raise InputError(Problem("run.base-changed", Where(str(self._run.path)), fields))
        return ready

    @property
    def training(self) -> dict[str, Any] | None:
        """How training went, and what of it the manifest tells of the model; None: not yet."""
        found: dict[str, Any] | None = self._cached("training")
        return found

    @property
    def speed(self) -> dict[str, Any]:
        """How fast each system answered, as far as it has."""
        found: dict[str, Any] = self._cached("speed") or {}
        return found

    @property
    def prompted(self) -> dict[str, Any]:
        """What was put into the prompts of systems that are prompted, as far as they were asked."""
        found: dict[str, Any] = self._cached("prompted") or {}
        return found

    @property
    def _model(self) -> Path:
        """Where the tuned model is saved: in the record, or only until it has answered."""
        kept = self._run.path / "model"
        return kept if self._place.first else self._run.work / f"model_{self._place.name}"

    def _key(self, name: str) -> str:
        return "_".join(filter(None, (self._place.name, name)))

    def _cached(self, name: str) -> Any:
        return self._run.cached(self._key(name))

    def _keep(self, name: str, result: object) -> None:
        self._run.store(self._key(name), result)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self._run.stage(name)
        begun = time.monotonic()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + time.monotonic() - begun
        self._keep("timings", self.timings)

    def _stored(self, name: str) -> list[Prediction] | None:
        kept = self._cached(name)
        return None if kept is None else stored_predictions.load(kept)

    def _store(self, name: str, said: Sequence[Prediction]) -> list[Prediction]:
        self._keep(name, stored_predictions.dump(said))
        return list(said)

    def _options(self, decoding: Decoding, threshold: float = 0.5) -> Options:
        c = self._plan.config.evaluate
        assert c.max_new_tokens is not None  # noqa: S101  (see _settled)
        return Options(c.batch_size, c.max_new_tokens, decoding, c.generate, threshold, self._empty)

    @property
    def _empty(self) -> bool:
        """Whether an answer may be an empty set."""
        return self._plan.task.answers == "set" and has_empty(self._plan.items["train"])

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
                of_held_out = said[: len(tuned_on)]
                cut = choose_threshold(tuned_on, of_held_out, plan.labels, empty=self._empty)
                said = decide(said, plan.labels, cut, empty=self._empty)
            return self._store("base", said[len(tuned_on) :])

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
        self._keep("speed", self.speed | {system: speed})
        return said

    def _prompted(self, family: Family | None) -> dict[str, list[Prediction]]:
        """What the untuned model says with examples or passages in its prompt, as far as is known.

        ``family`` is the untuned model, where it is loaded: what is not known yet is then asked.
        """
        facts = self.prompted
        if family is not None:
            from kunren.evaluation import prompted

            plan, config = self._plan, self._plan.config.evaluate
            passages, written = plan.documents.passages, writes(family, plan.task.answers)
            limit = token_limit(plan.config, family)
            source = prompted.Source(plan.rows["train"], passages, limit, written)
            for name, reason in prompted.systems(config, family, passages).items():
                if name not in facts:
                    with self._stage(name):
                        facts[name] = self._prompt(name, reason, family, source)
                        self._keep("prompted", facts)
        known = {name: self._stored(name) for name in facts}
        return {name: said for name, said in known.items() if said is not None}

    def _prompt(self, name: str, reason: str, family: Family, source: Source) -> dict[str, Any]:
        """Ask one of them, and what the record says of it."""
        from kunren.evaluation import prompted

        if reason:
            return {"reason": reason}
        config = self._plan.config.evaluate
        made = prompted.prompted(name, family, source, self._plan.items["test"], config)
        if made.items:
            options = self._options(config.decoding)
            options = replace(options, generate=False, batch_size=made.batch_size)
            self._store(name, self._ask(name, family, options, name, made.items))
        return made.facts

    def _train(self, ready: Ready) -> None:
        if self.training is not None:
            return
        import torch

        from kunren.evaluation.speed import watched
        from kunren.evaluation.trivial import trivial
        from kunren.models import adapter
        from kunren.records.trainlog import NAME, write_log
        from kunren.training.fit import fit
        from kunren.training.recorder import rectangular

        plan, family, added = self._plan, ready.family, ready.added
        watch = self._watch(family)
        config, name = plan.config, str(plan.config.model.family)
        checkpoints = self._run.work / self._key("checkpoints")
        with self._stage("train"):
            family.start_head(plan.items["train"])
            torch.manual_seed(config.train.seed)  # LoRA's new layers start at random
            model = adapter.prepare(
                family.loaded.model,
                config.tuning,
                name,
                [token.id for token in added.tokens] if added else (),
                pretrained(family),
            )
            moving, total = adapter.trainable_parameters(model)
            tuned = make_family(name, replace(family.loaded, model=model))
            weights = plan.label_weights
            if self._place.first:
                self._rehearse(tuned, added)
            try:
                train = partial(
                    fit,
                    model,
                    name,
                    family.pad_token,
                    ready.examples["train"],
                    ready.examples["validation"],
                    config.train,
                    config.tuning,
                    checkpoints,
                    resume=True,
                    progress=self._progress,
                    evaluate=self._validation(tuned, watch),
                    class_weights=None if weights is None else [weights[la] for la in plan.labels],
                    levels=plan.levels,
                    watch=watch,
                )
                fitted, memory = watched(train, family.loaded.device)
            except TrainingStopped:
                # How it came to that is worth as much as the course of a training that ended well.
                write_log(self._log_folder() / NAME, rectangular(watch.rows))
                raise
        with self._stage("save"):
            self._save(tuned, added, self._model)
            reload = self._verified(tuned, self._model) if self._place.first else None
            facts = asdict(fitted) | memory
            write_log(self._log_folder() / NAME, facts.pop("history"))
            whole = plan.whole.items
            facts["trivial"] = trivial(plan.task, plan.config.task.kind, whole, plan.labels)
            used = family.loaded.provenance | {"parameters": total, "trainable": moving}
            path = Path(plan.model.id)
            used |= {"id": path.name if path.exists() else plan.model.id, "family": name}
            told = {"reload": reload, "added_tokens": added and added.as_json()}
            self._keep("training", {"fitted": facts, "model": used | told})
            shutil.rmtree(checkpoints, ignore_errors=True)

    def _watch(self, family: Family) -> Watch:
        """What looks at the training and keeps what it sees in the run folder."""
        from kunren.training.watch import Watch

        path, plan = self._log_folder() / guards.NAME, self._plan
        head = plan.task.answers == "label" and not family.generates
        return Watch(
            self._progress.say,
            partial(files.write_json, path),
            plan.config.train.epochs,
            len(plan.labels) if head else None,
            files.read_json(path) if path.is_file() else None,
        )

    def _log_folder(self) -> Path:
        """Where the training log goes: to the record's top, or to a folder of its own."""
        if self._place.first:
            return self._run.path
        folder = self._run.path / "rounds" / self._place.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _rehearse(self, tuned: Family, added: Added | None) -> None:
        """Try saving while there is nothing to lose."""
        from kunren.models.rehearsal import rehearse

        items = [*self._plan.items["validation"], *self._plan.items["train"]][:2]
        precision = self._plan.config.train.precision
        rehearse(tuned, self._plan.model, added, items, precision, self._model)

    def _save(self, tuned: Family, added: Added | None, target: Path) -> None:
        from kunren.models import adapter
        from kunren.models.disk import writing

        plan = self._plan
        with writing(target.parent):
            adapter.save(tuned.loaded, target, plan.model, added)
        threshold = None
        if plan.task.answers == "set" and not tuned.generates:
            items = plan.items["validation"]
            with Silent().stage("", None) as bar:
                said = tuned.predict(items, plan.labels, plan.config.evaluate.batch_size, bar)
            threshold = choose_threshold(items, said, plan.labels, empty=self._empty)
        thinks = 2 * sum(item.thinks for item in plan.items["train"]) > len(plan.items["train"])
        content = TaskFile(
            plan.labels, plan.system, threshold, self._empty, thinks and tuned.reasons
        )
        write_task_file(target, content)

    def _verified(self, tuned: Family, target: Path) -> dict[str, Any]:
        """See in a fresh process that what was saved is what was trained."""
        from kunren.models.verify import verify

        items = [*self._plan.items["test"], *self._plan.items["train"]][:_VERIFIED_ROWS]
        with self._progress.stage(text("run.stage-verify"), None):
            precision = self._plan.config.train.precision
            same = verify(tuned, target, items, precision, scratch=self._run.work)
        return {"rows": same.rows, "max_difference": same.largest_difference}

    def _validation(self, family: Family, watch: Watch) -> Callable[[Any], dict[str, float]] | None:
        """Task metrics on the validation rows, for the end of each epoch.

        Free text is written only where a metric of it decides: it takes long, and the loss is
        measured anyway.
        """
        from kunren.evaluation.collapse import leaning
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
                cut = choose_threshold(items, said, plan.labels, empty=self._empty)
                said = decide(said, plan.labels, cut, empty=self._empty)
            leans = None if answers == "text" else leaning(items, said)
            watch.evaluated(None if leans is None else asdict(leans))
            return validation_metrics(answers, items, said, plan.labels)

        return measure

    def _tuned(self) -> dict[str, list[Prediction]]:
        """The tuned model, read back from disk: what is scored is what the user will load."""
        from kunren.models.adapter import load_saved

        config = self._plan.config
        ways = {"tuned": config.evaluate.decoding}
        if self._place.asks_others:
            also = config.evaluate.also.items()
            ways |= {f"tuned_{name}": decoding for name, decoding in also}
        known = {name: self._stored(name) for name in ways}
        if missing := [name for name, said in known.items() if said is None]:
            target = self._model
            loaded = load_saved(target, False, config.train.precision, self._progress)
            family = make_family(str(config.model.family), loaded)
            threshold = read_task_file(target).threshold
            cut = 0.5 if threshold is None else threshold
            with self._stage("tuned"):
                for name in missing:
                    said = self._ask("tuned", family, self._options(ways[name], cut), name)
                    known[name] = self._store(name, said)
            if not self._place.first:
                shutil.rmtree(target)
        return {name: said for name, said in known.items() if said is not None}

    def _baselines(self) -> dict[str, list[Prediction]]:
        from kunren.evaluation.baselines import run_baselines

        plan = self._plan.whole  # what can read rows of any length is given all of them
        with self._stage("baselines"), self._progress.stage(text("run.stage-baselines"), None):
            return run_baselines(
                plan.config.evaluate.baselines,
                plan.task.answers,
                plan.items["train"],
                plan.items["validation"],
                plan.items["test"],
                plan.labels,
            )
