"""From a plan to the untuned model and the rows as it reads them; nothing is written yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kunren.config.schema import Config
from kunren.data.read import capped
from kunren.doctor.reading import length
from kunren.errors import InputError, Problem
from kunren.models import Family, make_family
from kunren.plan import SPLITS, Plan, bertscore_model, with_family
from kunren.progress import Progress
from kunren.tasks import prompting, truncation
from kunren.types import AnyExample, Item, Row

if TYPE_CHECKING:
    from kunren.models.vocabulary import Added

Examples = Mapping[str, Sequence[AnyExample]]

LEAST_TOKENS = 16
"""Room to write: cut right after a label, an answer that goes on would look right."""

_MOST_ANSWERS = 2_000
"""Different answers, the longest by characters, among which that of most tokens is looked for: of
100,000 it would take half a minute, and a quarter more than the longest is given anyway."""


@dataclass(frozen=True)
class Ready:
    """The untuned model, what tells it from others, and the rows as it reads them."""

    plan: Plan
    family: Family
    added: Added | None
    examples: Examples
    identity: Mapping[str, str]


def make_ready(plan: Plan, progress: Progress) -> Ready:
    """Fetch and load the model, decide what depends on it, and check that it fits the rows.

    Raises:
        InputError: the model cannot be had, or does not fit; nothing has been written.
    """
    from kunren.models.folder import infer_family
    from kunren.models.identity import identity
    from kunren.models.load import Head, load
    from kunren.models.sources import locate

    folder = locate(plan.model, progress, plan.texts)
    plan = with_family(plan, plan.config.model.family or infer_family(folder))
    if (scorer := bertscore_model(plan.config, plan.folder)) is not None:
        from kunren.evaluation.bertscore import check_model

        check_model(scorer, progress)
    head = Head(plan.labels, plan.task.answers == "set") if plan.labels else None
    loaded = load(plan.model, plan.config.train.precision, progress, folder=folder, head=head)
    family = make_family(str(plan.config.model.family), loaded)
    added = _extend(plan, family)
    plan = fitted(settled(plan, family), family)
    known = identity(folder, loaded.provenance)
    return Ready(plan, family, added, _encode(plan, family), known)


def _extend(plan: Plan, family: Family) -> Added | None:
    """Add the tokens that the config asks for, and see that the model can write every label."""
    from kunren.models import vocabulary

    wanted = plan.config.model.add_tokens
    tokens = plan.labels if wanted == "labels" else wanted
    added = vocabulary.extend(family.loaded, tokens) if tokens else None
    if family.generates:
        sets = plan.task.answers == "set"
        known = plan.task.items(plan.task.prepare(plan.known)) if sets else []
        answers = [item.answer for item in known]
        problems = vocabulary.check_round_trip(family.loaded.tokenizer, plan.labels, answers)
        if problems:
            raise InputError(capped(problems))
    return added


def settled(plan: Plan, family: Family) -> Plan:
    """The plan with all defaults that depend on the model, so that the record shows them."""
    from kunren.training.rates import learning_rate

    config = plan.config
    train, evaluate = config.train, config.evaluate
    if train.learning_rate is None:
        kind = config.tuning.kind
        rate = learning_rate(str(config.model.family), kind, pretrained(family))
        train = train.model_copy(update={"learning_rate": rate})
    if evaluate.max_new_tokens is None:
        answers = dict.fromkeys(_written(plan, family))
        longest = max(family.tokens(sorted(answers, key=len, reverse=True)[:_MOST_ANSWERS]))
        room = max(LEAST_TOKENS, longest + -(-longest // 4))
        evaluate = evaluate.model_copy(update={"max_new_tokens": room})
    return replace(plan, config=config.model_copy(update={"train": train, "evaluate": evaluate}))


def fitted(plan: Plan, family: Family, looked_at: Sequence[Row] | None = None) -> Plan:
    """The plan with rows cut that the model could not be given whole, where the config asks for it.

    Args:
        plan: settled.
        family: around the model or its outline, with the added tokens.
        looked_at: rows as they were read, the only ones to look at; None: all.
    """
    where = plan.config.train.truncate
    if where is None or plan.cuts is not None:
        return plan
    limit = token_limit(plan.config, family)
    rows = [row for name in SPLITS for row in plan.raw[name]] if looked_at is None else looked_at
    columns = prompting.columns(plan.config.task)

    def tokens(some: Sequence[Row]) -> list[int]:
        made = plan.task.prepare(some)
        return taken(family, made, plan.task.items(made), answer_room(plan.config, family))

    return plan.cut(truncation.cuts(rows, limit, tokens, where, columns), limit)


def answer_room(config: Config, family: Family) -> int:
    """Tokens that are kept free behind a question for its answer, where both are read as one."""
    return (config.evaluate.max_new_tokens or 0) if family.name == "causal" else 0


def taken(family: Family, rows: Sequence[Row], items: Sequence[Item], room: int) -> list[int]:
    """How many tokens of the model's length each row takes, in training and when it is asked."""
    sizes = {row.id: 0 for row in rows}
    if family.name == "causal":
        sizes |= {made.row_id: length(made) for made in family.encode(rows, items)}
    for item, prompt in zip(items, family.prompts(items), strict=True):
        sizes[item.row_id] = max(sizes[item.row_id], len(prompt) + room)
    return [sizes[row.id] for row in rows]


def _written(plan: Plan, family: Family) -> list[str]:
    """All that a model is to write for the training rows: of one that reasons, that too."""
    if not family.reasons:
        return [item.answer for item in plan.items["train"]]
    turns = [m for row in plan.rows["train"] for m in row.messages if m.is_answer]
    return [f"{m.reasoning}\n\n{m.content}" if m.reasoning else m.content for m in turns]


def pretrained(family: Family) -> bool:
    """Whether the model was trained on anything before; one of ``scratch:`` was not."""
    return bool(family.loaded.provenance.get("pretrained", True))


def readable(family: Family) -> int | None:
    """How many tokens the model can read; None: no limit is known."""
    longest = getattr(family, "longest", None)
    if longest is None:
        longest = getattr(family.loaded.model.config, "max_position_embeddings", None)
    return longest


def _encode(plan: Plan, family: Family) -> Examples:
    """Rows as token sequences; those that the model could not be given whole are errors."""
    weights = plan.label_weights
    weight = None if weights is None else _weight_of(weights)
    examples = {
        name: family.encode(plan.rows[name], plan.items[name], weight if name == "train" else None)
        for name in SPLITS
    }
    limit = token_limit(plan.config, family)
    where = {row.id: row.where for name in SPLITS for row in plan.rows[name]}
    code = "run.row-too-long" if limit == plan.config.train.max_length else "run.row-too-long-model"
    if plan.config.train.truncate is not None:
        code = "run.row-too-long-cut"
    problems = [
        Problem(code, where[made.row_id], {"tokens": length(made), "limit": limit})
        for name in SPLITS
        for made in examples[name]
        if length(made) > limit
    ]
    if problems:
        raise InputError(capped(problems))
    return examples


def token_limit(config: Config, family: Family) -> int:
    """How many tokens a row may have: ``train.max_length``, or fewer if the model reads fewer."""
    limit = config.train.max_length
    positions = readable(family)
    return limit if positions is None else min(limit, positions)


def _weight_of(weights: Mapping[str, float]) -> Callable[[Item], float]:
    """The weight of an answer: the mean of its labels', 1 for an empty set."""

    def weight(item: Item) -> float:
        if not item.labels:
            return 1.0
        return sum(weights[label] for label in item.labels) / len(item.labels)

    return weight
