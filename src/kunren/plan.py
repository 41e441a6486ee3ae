"""An experiment before it runs: everything that can be checked and decided without weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from kunren.config.checks import METRICS, check
from kunren.config.load import Loaded as LoadedConfig
from kunren.config.schema import Config, ModelConfig, TrainConfig
from kunren.data.columns import perhaps_unread
from kunren.data.documents import Documents, read_documents
from kunren.data.overlap import Overlap
from kunren.data.read import Files, capped, read_files
from kunren.data.split import Splits, fold_files, split_files
from kunren.doctor import settings
from kunren.errors import InputError, Problem
from kunren.models import family_class, sources
from kunren.nearest import nearest
from kunren.tasks import Task, filters, make_task, prompting, templates, truncation
from kunren.tasks.filters import Filtered
from kunren.tasks.settle import settle
from kunren.types import Item, Row
from kunren.userfile import located

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Plan:
    """A checked experiment.

    Attributes:
        config: with all that has been decided so far.
        folder: what relative paths of the config refer to.
        model: the config's, with its path resolved.
        task: made from the config.
        filtered: what the label filters left of the training file.
        folds: the sides of each fold of a cross-validation; elsewhere the one split.
        known: the rows whose labels make up the closed set: the training rows; of a
            cross-validation all rows of their file, so that every fold has the same set.
        raw: the rows of each split as they were read.
        rows: the same as the model is to see them; without a default system prompt until the
            family is known.
        items: what there is to predict in them.
        labels: the closed set; empty for free text.
        fold: which of ``folds`` this plan is of, from 0.
        documents: what the config's ``data.documents`` holds.
        notes: what was understood of the data without being told; see ``data.notes``.
        cuts: row id → how far it is cut, so that the model can read it; None: not decided yet.
    """

    config: Config
    folder: Path
    model: ModelConfig
    task: Task
    filtered: Filtered
    folds: tuple[Splits, ...]
    known: tuple[Row, ...]
    raw: Mapping[str, tuple[Row, ...]]
    rows: Mapping[str, tuple[Row, ...]]
    items: Mapping[str, list[Item]]
    labels: tuple[str, ...]
    fold: int = 0
    documents: Documents = field(default_factory=Documents)
    notes: tuple[Problem, ...] = ()
    cuts: Mapping[str, truncation.Cut] | None = None

    @property
    def fingerprint(self) -> str:
        """A hash of the split, or of those of all folds, and of the documents if there are any."""
        found = [splits.fingerprint for splits in self.folds]
        found += [passage.text for passage in self.documents.passages]
        return found[0] if len(found) == 1 else sha256("\n".join(found).encode()).hexdigest()

    @property
    def overlaps(self) -> Mapping[str, Overlap]:
        """What the validation and test rows of this fold have in common with its training rows."""
        return self.folds[self.fold].overlaps

    def of_fold(self, number: int) -> Plan:
        """The same plan with the rows of another fold, from 0."""
        raw = _sides(self.folds[number])
        return _prepared(replace(self, fold=number, raw=raw))

    @property
    def untested(self) -> Plan:
        """The same plan without its test rows, for decisions that must not rest on them."""
        return _prepared(replace(self, raw={**self.raw, "test": ()}))

    def of_commit(self, commit: str | None) -> Plan:
        """The same plan with this very version of a hub model, even where its branch has moved."""
        if commit is None:
            return self
        return replace(self, model=self.model.model_copy(update={"revision": commit}))

    def cut(self, cuts: Mapping[str, truncation.Cut], limit: int) -> Plan:
        """The same plan with its longer rows cut to ``limit`` tokens, and a note of how many."""
        where = self.config.train.truncate
        if where is None or not cuts:
            return replace(self, cuts=cuts)
        noted = truncation.note(cuts, self.raw, limit, where)
        notes = self.notes if noted is None else (*self.notes, noted)
        return _prepared(replace(self, cuts=cuts, notes=notes))

    @property
    def whole(self) -> Plan:
        """The same plan with no row cut: for systems that read rows of any length."""
        return _prepared(replace(self, cuts=None)) if self.cuts else self

    @property
    def texts(self) -> list[str]:
        """All that the training rows say, as a model is to read it.

        Without system prompts, and not cut: both are decided later, and a resumed run must give the
        same texts.
        """
        rows = self.whole.rows["train"]
        turns = [m for row in rows for m in row.messages if m.role != "system"]
        return [said for m in turns for said in (m.content, m.reasoning, m.calls) if said]

    @property
    def system(self) -> str | None:
        """The system prompt that all training rows begin with, if it is one."""
        prompts = {
            row.messages[0].content if row.messages[0].role == "system" else None
            for row in self.rows["train"]
        }
        return next(iter(prompts)) if len(prompts) == 1 else None

    @property
    def label_weights(self) -> dict[str, float] | None:
        """How much each label counts in the loss; None: all the same.

        ``balanced``: inversely to how often the label is a training answer (King & Zeng 2001, as
        scikit-learn has it: n / (labels x count)).
        """
        setting = self.config.train.loss.class_weights
        if setting is None:
            return None
        if setting == "balanced":
            counts = Counter(label for item in self.items["train"] for label in item.labels)
            whole = sum(counts.values()) / len(self.labels)
            # A label may have all its rows on a fold's test side: there is nothing to weigh then.
            return {label: whole / max(1, counts[label]) for label in self.labels}
        return {label: setting.get(label, 1.0) for label in self.labels}

    @property
    def levels(self) -> list[list[int]]:
        """For each upper level of a hierarchy, the number of every label's ancestor there.

        A label that ends above a level is its own ancestor.
        """
        paths = [self.task.levels(label) for label in self.labels]
        found = []
        for depth in range(max((len(path) for path in paths), default=1) - 1):
            ancestors = [path[min(depth, len(path) - 1)] for path in paths]
            number = {name: n for n, name in enumerate(dict.fromkeys(ancestors))}
            found.append([number[name] for name in ancestors])
        return found


def prepare(loaded: LoadedConfig) -> Plan:
    """Read and check all that can be checked without a model, filter and split the rows.

    Raises:
        InputError: with everything that is wrong, at once.
    """
    config = loaded.config
    ready = templates.resolve(config.task.template)
    config = _with_task(config, template=ready)
    templated = prompting.columns(config.task)
    compared = partial(prompting.compared, config=config.task)
    files = read_files(config.data, loaded.folder, config.task, templated, compared)
    settled, of_labels = settle(config.task, files.rows)
    config = config.model_copy(update={"task": settled})
    notes = (*files.notes, *of_labels)
    task = make_task(config.task)
    model = _local(config.model, loaded.folder)
    documents = read_documents(config.data.documents, loaded.folder)
    problems = [*files.problems, *task.problems(files.rows), *sources.check(model)]
    if (scorer := bertscore_model(config, loaded.folder)) is not None:
        problems += sources.check(ModelConfig(id=scorer))
    problems += [*documents.problems, *settings.check(config.doctor)]
    if problems:
        same = any(problem.code == "data.in-two-files" for problem in problems)
        raise InputError([*capped(problems), *(perhaps_unread(notes, files.rows) if same else ())])
    filtered, files = _filter(task, files)
    try:
        folds, known = _split(config, task, files)
    except InputError as error:
        raise InputError([*error.problems, *perhaps_unread(notes, files.rows)]) from None
    plan = _made(config, loaded.folder, model, task, filtered, folds, known)
    plan = replace(plan, documents=documents, notes=notes)
    problems = _weight_problems(plan)
    if problems:
        raise InputError(problems)
    if config.model.family is None:
        return plan
    return with_family(plan, config.model.family)


def with_family(plan: Plan, family: str) -> Plan:
    """The plan for a family of models: its system prompt and metric decided.

    A family that reads instructions gets a system prompt that names the labels, where neither the
    config nor any row has one.

    Raises:
        InputError: the family cannot do what the config asks for.
    """
    chosen = plan.config.model.model_copy(update={"family": family})
    config = plan.config.model_copy(update={"model": chosen, "train": _decided(plan.config)})
    problems = check(config, {}, f"model.id: {config.model.id}")
    if problems:
        raise InputError(problems)
    rows = [row for name in SPLITS for row in plan.raw[name]]
    if config.task.system is None and family_class(family).instructed:
        if any(row.messages[0].role == "system" for row in rows):
            asked = None
        else:
            # Written into the config, so that the record shows it and the same run repeats it.
            asked = plan.task.default_system(plan.labels) or None
        config = _with_task(config, system=asked)
    model = plan.model.model_copy(update={"family": family})
    made = replace(plan, config=config, model=model)
    if config.task == plan.config.task:
        return made  # the rows are as they would be made again
    return _prepared(replace(made, task=make_task(config.task)))


def _decided(config: Config) -> TrainConfig:
    """The training section with the metric and the patience that its defaults leave open."""
    train = config.train
    update: dict[str, object] = {"metric": train.metric or METRICS[config.task.kind][0]}
    early = train.early_stopping
    if early is not None and early.patience is None:
        patience = max(3, train.epochs // 4)
        update["early_stopping"] = early.model_copy(update={"patience": patience})
    return train.model_copy(update=update)


def _split(config: Config, task: Task, files: Files) -> tuple[tuple[Splits, ...], tuple[Row, ...]]:
    """The sides of each fold, or of the one split, and ``Plan.known``.

    Rows are told apart by what the model reads of them; the sides hold them as they were read.
    """
    train, validation, test = (
        None if rows is None else tuple(prompting.compared(rows, config.task))
        for rows in (files.train, files.validation, files.test)
    )
    seen = replace(files, train=train or (), validation=validation, test=test)
    raw = {row.id: row for row in files.rows}
    if config.evaluate.cv is None:
        splits = _as_read(split_files(seen, task.stratum, config.data.split), raw)
        return (splits,), splits.train
    found = fold_files(seen, task.stratum, config.evaluate.cv, config.data.split)
    return tuple(_as_read(splits, raw) for splits in found), seen.train


def _as_read(splits: Splits, raw: Mapping[str, Row]) -> Splits:
    train, validation, test = (
        tuple(raw[row.id] for row in rows)
        for rows in (splits.train, splits.validation, splits.test)
    )
    return replace(splits, train=train, validation=validation, test=test)


def _made(
    config: Config,
    folder: Path,
    model: ModelConfig,
    task: Task,
    filtered: Filtered,
    folds: tuple[Splits, ...],
    known: tuple[Row, ...],
) -> Plan:
    named = templates.with_labels(config.task.template, task.labels(known))
    config = _with_task(config, template=named)
    task = make_task(config.task)
    raw = _sides(folds[0])
    return _prepared(Plan(config, folder, model, task, filtered, folds, known, raw, {}, {}, ()))


def _sides(splits: Splits) -> dict[str, tuple[Row, ...]]:
    return {name: getattr(splits, name) for name in SPLITS}


def _prepared(plan: Plan) -> Plan:
    labels = plan.task.labels(plan.known)
    rows = {name: plan.task.prepare(_shortened(plan, plan.raw[name])) for name in SPLITS}
    items = {name: plan.task.items(rows[name]) for name in SPLITS}
    return replace(plan, rows=rows, items=items, labels=labels)


def _shortened(plan: Plan, rows: Sequence[Row]) -> Sequence[Row]:
    where = plan.config.train.truncate
    if where is None or not plan.cuts:
        return rows
    columns, cuts = prompting.columns(plan.config.task), plan.cuts
    return [
        truncation.shortened(row, cuts[row.id].most, where, columns) if row.id in cuts else row
        for row in rows
    ]


def _with_task(config: Config, **update: object) -> Config:
    return config.model_copy(update={"task": config.task.model_copy(update=update)})


def _filter(task: Task, files: Files) -> tuple[Filtered, Files]:
    """The files without what the label filters take out; labels are counted in ``train``.

    Raises:
        InputError: too little is left of one of them.
    """
    kept = task.filter(files.train)
    problems = filters.check(kept)
    others: dict[str, tuple[Row, ...] | None] = {}
    for name, rows in (("validation", files.validation), ("test", files.test)):
        held_out = None if rows is None else task.filter(rows, by=files.train)
        problems += [] if held_out is None else filters.check(held_out, held_out=True)
        others[name] = None if held_out is None else held_out.rows
    if problems:
        raise InputError(problems)
    return kept, replace(
        files, train=kept.rows, validation=others["validation"], test=others["test"]
    )


def _local(model: ModelConfig, folder: Path) -> ModelConfig:
    """The model with a path made to hold from here; the config's is relative to the YAML."""
    path = located(folder, model.id)
    return model.model_copy(update={"id": str(path)}) if path.exists() else model


def bertscore_model(config: Config, folder: Path) -> str | None:
    """The model of ``evaluate.bertscore``, a path made to hold from here; None: there is none."""
    if config.evaluate.bertscore is None:
        return None
    return _local(ModelConfig(id=config.evaluate.bertscore), folder).id


def _weight_problems(plan: Plan) -> list[Problem]:
    weights = plan.config.train.loss.class_weights
    if not isinstance(weights, dict):
        return []
    problems = []
    for name in weights:
        if name in plan.labels:
            continue
        near = nearest(name, plan.labels)
        said: dict[str, object] = {"label": name, "labels": "、".join(plan.labels[:20])}
        code = "run.weight-of-no-label" if near is None else "run.weight-of-no-label-near"
        problems.append(Problem(code, None, said | {"meant": near}))
    return problems
