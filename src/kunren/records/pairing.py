"""Two runs on the same test rows: whether they are the same, and what the paired tests say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kunren.config.schema import EvaluateConfig, Labels, TaskConfig
from kunren.evaluation import statistics
from kunren.evaluation.labels import of_space
from kunren.evaluation.metric import answer_key, make_space
from kunren.evaluation.score import KINDS
from kunren.evaluation.systems import System, Test, compare
from kunren.records.entry import Entry, answer_of
from kunren.records.predictions import Answer, Predicted
from kunren.tasks import make_task
from kunren.types import Item, Message, Paired, Prediction

Rows = Literal["same", "partly", "different", "unknown"]
"""How the test rows of two runs relate; unknown: one of them does not have them all."""


def same_rows(a: Entry, b: Entry) -> Rows:
    """Whether two runs were tested on the same rows: by id, gold answer and text.

    Texts are not looked at where the prompt templates differ, since they stand around the text.
    """
    if not (a.whole and b.whole):
        return "unknown"
    of_a, of_b = _identities(a), _identities(b)
    if a.template != b.template:
        of_a, of_b = {(i, g) for i, g, _ in of_a}, {(i, g) for i, g, _ in of_b}
    if of_a == of_b:
        return "same"
    return "partly" if of_a & of_b else "different"


def _identities(entry: Entry) -> set[tuple[str, ...]]:
    return {(row.id, _gold(row), row.text) for row in entry.items}


def _gold(row: Predicted) -> str:
    """The gold answer whatever the order, spelling or separators of its labels."""
    return "\x1f".join(sorted(map(answer_key, row.gold_labels))) or answer_key(row.gold)


def pair(a: Entry, b: Entry, metrics: Sequence[str]) -> dict[str, Paired]:
    """The tuned model of run a against that of run b, on test rows that are the same.

    The tests, resamples and seed are those by which a run compares its own systems. Labels of
    either closed set count as labels. Metrics that have no paired test are left out.
    """
    items = [
        Item(row.id, row.row_id, (Message("user", row.text),), row.gold, row.gold_labels)
        for row in a.items
    ]
    separator = a.settings.get("task.labels.hierarchy")
    levels = None
    if separator:
        task = TaskConfig(kind="classify", labels=Labels(hierarchy=separator))
        levels = make_task(task).levels
    usual = EvaluateConfig()
    rows, n_rows = statistics.group_rows([item.row_id for item in items])
    seed = b.bootstrap.get("seed", usual.seed)
    resamples = b.bootstrap.get("resamples", usual.bootstrap)
    weights = statistics.bootstrap_weights(max(n_rows, 1), resamples, seed)
    frequent = a.frequent if a.frequent == b.frequent else ()
    space = make_space(_union(a.labels, b.labels), items, levels, frequent)
    test = Test(items, space, rows, n_rows, weights, seed)
    kind = of_space(space) if a.answers == "label" else KINDS[a.answers]
    systems = [_system(entry, test) for entry in (a, b)]
    made = {}
    for name in metrics:
        metric = kind.metrics.get(name)
        if metric is None or metric.part == "distinct":
            continue
        found = compare(test, systems[0], systems[1], metric)
        if found is not None:
            made[name] = found
    return made


def _system(entry: Entry, test: Test) -> System:
    """The tuned model of a run, with all its trainings where it had several seeds."""
    names = dict.fromkeys(name for row in entry.items for name in row.systems)
    first, *again = ([_prediction(row, name) for row in entry.items] for name in names)
    return System(entry.name, first, test, again)


def _prediction(row: Predicted, system: str) -> Prediction:
    said = row.systems.get(system) or Answer()
    return Prediction(
        row.id, said.labels, said.probability, (), said.generated, tuple(said.invalid)
    )


def _union(a: Sequence[str], b: Sequence[str]) -> list[str]:
    by_key = {answer_key(label): label for label in (*a, *b)}
    return list(by_key.values())


@dataclass(frozen=True, slots=True)
class Differing:
    """A test item that two runs answered differently well.

    Attributes:
        id: of the item in run a.
        text: its input.
        gold: its gold labels, or gold text.
        a: run a's answer.
        b: run b's.
        difference: score of a minus score of b, in the unit of the primary metric.
    """

    id: str
    text: str
    gold: Predicted
    a: Answer
    b: Answer
    difference: float


def differing_rows(a: Entry, b: Entry) -> tuple[list[Differing], int]:
    """Items that one of two runs got right or better and the other not, most different first.

    Items are matched by id where the test rows are the same, else by text and gold answer.

    Returns:
        The items, and how many both runs have in common.
    """
    by_id = same_rows(a, b) == "same"

    def key(row: Predicted) -> tuple[str, ...]:
        return (row.id,) if by_id else (row.text, _gold(row))

    of_b = {key(row): row for row in b.items}
    common = [(row, of_b[key(row)]) for row in a.items if key(row) in of_b]
    found = []
    for row, other in common:
        said_a, said_b = answer_of(row), answer_of(other)
        if said_a is None or said_b is None or said_a.score is None or said_b.score is None:
            continue
        difference = said_a.score - said_b.score
        if abs(difference) > 1e-9:
            found.append(Differing(row.id, row.text, row, said_a, said_b, difference))
    found.sort(key=lambda each: -abs(each.difference))
    return found, len(common)


def correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None of fewer than three pairs, or where one is constant."""
    if len(a) < 3 or len(set(a)) < 2 or len(set(b)) < 2:
        return None
    from scipy import stats

    found = float(stats.spearmanr(a, b).statistic)
    return None if np.isnan(found) else found
