"""The scores of all systems on the test rows, their intervals, and what they amount to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from kunren.config.schema import EvaluateConfig
from kunren.errors import BrokenMetric, Problem
from kunren.evaluation import calibration, counts, generation, sets, statistics
from kunren.evaluation import labels as one_label
from kunren.evaluation import text as free_text
from kunren.evaluation.metric import Kind, Metric, Space, make_space
from kunren.evaluation.register import beside_gold
from kunren.evaluation.rounds import Round, described, repetitions
from kunren.evaluation.systems import System, Test, compare, corrected, score
from kunren.evaluation.told import is_baseline, metric_name
from kunren.messages import text
from kunren.tasks import Answers
from kunren.types import Item, Paired, Prediction

SCHEMA = 1

CHECKED = 200
"""Items on which each metric is tried with gold as the answer."""

EXACT = 1e-6
"""How far from its best value, as a share of it, rounding may bring a metric there."""

KINDS: Mapping[Answers, Kind] = {
    "label": one_label.KIND,
    "set": sets.KIND,
    "text": free_text.KIND,
}
"""The metrics of each kind of answers; ``labels.of_space`` fits those of labels."""

Base = Literal["model", "probe"]
"""What the system ``base`` is: the untuned model itself, or a logistic regression on its
embeddings, where a model without a classification head could not answer by itself."""


def evaluate(
    items: Sequence[Item],
    labels: Sequence[str],
    predictions: Mapping[str, Sequence[Prediction]],
    config: EvaluateConfig,
    answers: Answers,
    levels: Callable[[str], tuple[str, ...]] | None = None,
    base: Base = "model",
    *,
    most_frequent: Sequence[str] = (),
    rounds: Sequence[Round] = (),
    subject: str = "tuned",
) -> dict[str, Any]:
    """Score every system on the same test items.

    Args:
        items: the test items with their gold answers.
        labels: the closed set; empty for free text.
        predictions: system name ("base", "tuned", "tuned_<decoding>" or a baseline's) → its
            predictions, matched to the items by ``item_id``; a missing one counts as unscored.
        config: resamples and seed.
        answers: what an answer is.
        levels: label → its path in the hierarchy, from the top.
        base: what the system "base" is.
        rounds: where the model was trained several times (folds, seeds), each training with its
            predictions. The value of "tuned" is then the mean over the seeds; what is counted by
            label is of the first one.
        most_frequent: the five most frequent labels of the data before any filter, outside which
            answers count as diverse (set); empty: there is no diversity.
        subject: the system that is compared with every other one.

    Returns:
        ``eval_metrics.json`` as DESIGN.md has it, and beside: ``items``, ``labels``, ``bootstrap``,
        ``answers``, ``base``; which metrics there are (``primary``, ``headline``, ``compared``, and
        ``metrics`` with unit and better direction); of each system ``per_label`` (label and set),
        ``confusion`` and ``calibration`` (label; see ``calibration.table``), ``frequencies`` of the
        predicted labels (set, with "gold") and ``generation`` (set; see ``generation.notable``);
        ``most_frequent`` (set); ``register`` (text, see ``register.beside_gold``); and ``rounds``
        and ``spread`` where there are several rounds.

    Raises:
        BrokenMetric: see ``check_metrics``.
    """
    rows, n_rows = statistics.group_rows([item.row_id for item in items])
    space = make_space(labels, items, levels, most_frequent)
    weights = statistics.bootstrap_weights(max(n_rows, 1), config.bootstrap, config.seed)
    test = Test(items, space, rows, n_rows, weights[:, :n_rows], config.seed)
    kind = _kind(answers, space, config)
    again = {"tuned": repetitions(rounds)[1:]} if rounds else {}
    systems = {
        name: System(name, said, test, again.get(name, ())) for name, said in predictions.items()
    }
    primary = kind.metrics[kind.primary]
    answered = {name: s for name, s in systems.items() if s.table(primary).places.size}

    check_metrics(kind, test)

    def why_missing(system: str, metric: Metric) -> str:
        if not items:
            return text("evaluate.no-rows")
        if system not in answered:
            return text("evaluate.no-predictions")
        if system == "few_shot" and metric.missing == "does-not-generate":
            return text("evaluate.only-chose")
        unasked = metric.missing == "does-not-generate" and not config.generate
        return text(
            "evaluate.not-generated"
            if unasked and not is_baseline(system)
            else f"evaluate.{metric.missing}"
        )

    scored = {
        name: {
            metric.name: asdict(score(test, system, metric, partial(why_missing, name, metric)))
            for metric in kind.metrics.values()
        }
        for name, system in systems.items()
    }
    by_metric = [
        corrected(_compared(test, answered, subject, metric), metric.better)
        for metric in map(kind.metrics.__getitem__, kind.compared)
    ]
    order = list(answered)
    paired = sorted((p for pairs in by_metric for p in pairs), key=lambda p: order.index(p.b))
    return {
        "schema": SCHEMA,
        "answers": answers,
        "base": base,
        "rows": n_rows,
        "items": len(items),
        "labels": list(labels),
        **_described(kind, config),
        "systems": scored,
        "paired": [asdict(pair) for pair in paired],
        **described(rounds, kind.metrics, test),
        **(_by_label(answers, answered, test) if answers != "text" else {}),
        **({"register": beside_gold(test, answered.get("tuned"))} if answers == "text" else {}),
    }


def _compared(
    test: Test, answered: Mapping[str, System], subject: str, metric: Metric
) -> list[Paired]:
    """One system against every other."""
    if subject not in answered:
        return []
    others = [system for name, system in answered.items() if name != subject]
    one = answered[subject]
    pairs = (compare(test, one, other, metric, max(1, len(others))) for other in others)
    return [pair for pair in pairs if pair is not None]


def _kind(answers: Answers, space: Space, config: EvaluateConfig) -> Kind:
    """The metrics of a kind of answers, with those that the labels and the config ask for."""
    if answers == "label":
        return one_label.of_space(space)
    if answers == "text" and config.bertscore is not None:
        from kunren.evaluation.bertscore import with_bertscore

        return with_bertscore(KINDS[answers], config.bertscore)
    return KINDS[answers]


def check_metrics(kind: Kind, test: Test) -> None:
    """See that every metric gives gold, scored against itself, the best value there is.

    A tokenizer that finds no words in Japanese, or a dictionary that is not there, gives 0 for
    everything (seed 003 had BLEU, ROUGE and BERTScore of 0.0); here it is found before any number
    is believed. On the first ``CHECKED`` items, since a fault of that kind shows on any.

    Raises:
        BrokenMetric: with every metric that does not.
    """
    items = test.items[:CHECKED]
    space = make_space(test.space.names, items)
    space = replace(space, levels=test.space.levels, frequent=test.space.frequent)
    n = np.arange(len(items))
    gold = System(
        "gold",
        [_gold(item, space) for item in items],
        Test(items, space, n, len(items), np.zeros((0, len(items))), 0),
    )
    problems = []
    fields: dict[str, object]
    for metric in kind.metrics.values():
        if metric.perfect is None or metric.lacks:
            continue
        try:
            if not gold.table(metric).places.size:
                continue
        except (OSError, RuntimeError, AssertionError) as error:  # MeCab without its dictionary
            said = next((line for line in str(error).splitlines() if line.strip()), repr(error))
            fields = {"metric": metric_name(metric.name), "error": said}
            problems.append(Problem("evaluate.failing-metric", None, fields))
            continue
        value = float(metric.value(gold.table(metric).found.sum(axis=0), space))
        if not (np.isnan(value) or abs(value - metric.perfect) <= EXACT * max(1, metric.perfect)):
            gives = {"value": value, "best": metric.perfect}
            fields = {"metric": metric_name(metric.name), **gives}
            problems.append(Problem("evaluate.broken-metric", None, fields))
    if problems:
        raise BrokenMetric(problems)


def _gold(item: Item, space: Space) -> Prediction:
    """The gold answer as a system would give it that is sure of it."""
    chosen = space.gold(item)
    certain = tuple(float(n in chosen) for n in range(len(space.names)))
    labels = item.labels if space.names else None
    return Prediction(item.id, labels, 1.0, certain, item.answer)


def _described(kind: Kind, config: EvaluateConfig) -> dict[str, Any]:
    return {
        "primary": kind.primary,
        "headline": list(kind.headline),
        "compared": list(kind.compared),
        "metrics": {n: {"unit": m.unit, "better": m.better} for n, m in kind.metrics.items()},
        "bootstrap": {
            "resamples": config.bootstrap,
            "seed": config.seed,
            "unit": "row",
            "interval": "percentile 95 %; exact (Clopper-Pearson) where all rows agree",
        },
    }


def _by_label(answers: Answers, answered: Mapping[str, System], test: Test) -> dict[str, Any]:
    names = test.space.names
    counted = KINDS[answers].metrics["macro_f1"]
    sums = {name: system.table(counted).found.sum(axis=0) for name, system in answered.items()}
    found: dict[str, Any] = {
        "per_label": {name: counts.per_label(total, names) for name, total in sums.items()}
    }
    if answers == "label":
        cells = {
            name: one_label.confusion(*system.answered(counted), test.space)
            for name, system in answered.items()
        }
        binned = KINDS[answers].metrics["ece"]
        bins = {
            name: calibration.table(system.table(binned).found.sum(axis=0))
            for name, system in answered.items()
            if system.table(binned).places.size
        }
        return found | {"confusion": cells, "calibration": bins}
    asked = np.zeros(len(names))
    for item in test.items:
        asked[test.space.gold(item)] += 1
    said = {name: np.split(total, 3)[1] for name, total in sums.items()}
    frequencies = {
        name: counts.frequencies(total, names) for name, total in ({"gold": asked} | said).items()
    }
    notable = {
        name: generation.notable(system.by_row(counted), names) for name, system in answered.items()
    }
    frequent = {"most_frequent": list(test.space.frequent)}
    return found | frequent | {"frequencies": frequencies, "generation": notable}


def validation_metrics(
    answers: Answers, items: Sequence[Item], said: Sequence[Prediction], labels: Sequence[str]
) -> dict[str, float]:
    """The values of the kind's ``validation`` metrics, without intervals, for the end of an epoch.

    A metric that is undefined on these items is left out; all are where no item has a prediction.
    """
    system, space = _alone(items, said, labels)
    metrics = [KINDS[answers].metrics[name] for name in KINDS[answers].validation]
    values = {m.name: float(m.value(system.table(m).found.sum(axis=0), space)) for m in metrics}
    return {name: value for name, value in values.items() if not np.isnan(value)}


def _alone(
    items: Sequence[Item], said: Sequence[Prediction], labels: Sequence[str]
) -> tuple[System, Space]:
    space = make_space(labels, items)
    test = Test(items, space, np.arange(len(items)), len(items), np.zeros((0, len(items))), 0)
    return System("", said, test), space


@dataclass(frozen=True, slots=True)
class Judged:
    """One prediction against its gold answer.

    Attributes:
        correct: whether it is right (a set: all of it); None: it cannot be said.
        score: the item's value of the primary metric, in its unit; None likewise.
    """

    correct: bool | None
    score: float | None


def judge(
    answers: Answers, items: Sequence[Item], said: Sequence[Prediction], labels: Sequence[str]
) -> dict[str, Judged]:
    """Item id → how right the prediction for it is, for the items that have one."""
    system, _ = _alone(items, said, labels)
    kind = KINDS[answers]
    right = _of_items(system, kind.metrics[kind.right])
    value = _of_items(system, kind.metrics[kind.primary])
    return {
        p.item_id: Judged(
            right[p.item_id] == 1.0 if p.item_id in right else None, value.get(p.item_id)
        )
        for p in said
    }


def _of_items(system: System, metric: Metric) -> dict[str, float]:
    answered, _ = system.answered(metric)
    column = system.table(metric).found[:, 0]
    return {item.id: float(value) for item, value in zip(answered, column, strict=True)}
