"""The scores of all systems on the test rows, their intervals, and what they amount to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from kunren.config.schema import EvaluateConfig
from kunren.errors import BrokenMetric, Problem
from kunren.evaluation import calibration, counts, generation, sets, statistics
from kunren.evaluation import labels as one_label
from kunren.evaluation import text as free_text
from kunren.evaluation.metric import Kind, Metric, Space, Unit, make_space
from kunren.evaluation.register import beside_gold
from kunren.evaluation.rounds import Round, described, repetitions
from kunren.evaluation.systems import System, Test, compare, corrected, score
from kunren.messages import language, text
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
    return [pair for other in others if (pair := compare(test, one, other, metric)) is not None]


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
    return Prediction(item.id, item.labels or None, 1.0, certain, item.answer)


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


def is_baseline(system: str) -> bool:
    """Whether a system is something trivial; base, tuned and its other decodings are not."""
    return system not in ("base", "tuned") and not system.startswith("tuned_")


def primary(metrics: Mapping[str, Any]) -> str:
    """The metric that verdicts rest on. A file without this key is of one label an item."""
    name: str = metrics.get("primary", one_label.KIND.primary)
    return name


def headline(metrics: Mapping[str, Any]) -> Sequence[str]:
    """The metrics of the short table that some system has a value of."""
    names: Sequence[str] = metrics.get("headline", one_label.KIND.headline)
    systems = metrics["systems"].values()
    known = [n for n in names if any(s.get(n, {}).get("value") is not None for s in systems)]
    return known or names


def compared(metrics: Mapping[str, Any]) -> Sequence[str]:
    """The metrics that systems were compared on."""
    names: Sequence[str] = metrics.get("compared", one_label.KIND.compared)
    return names


def shown(metrics: Mapping[str, Any]) -> list[str]:
    """All metrics, those of the short table first."""
    first = headline(metrics)
    scored = {name for scores in metrics["systems"].values() for name in scores}
    known = metrics.get("metrics", [n for n in one_label.METRICS if n in scored])
    return [*first, *(n for n in known if n not in first)]


def unit(metrics: Mapping[str, Any], metric: str) -> Unit:
    """What the values of a metric are; a file that does not say it is of one label an item."""
    known = one_label.METRICS[metric].unit if metric in one_label.METRICS else "share"
    found: Unit = metrics.get("metrics", {}).get(metric, {}).get("unit", known)
    return found


def find_pair(
    metrics: Mapping[str, Any], b: str, metric: str | None = None
) -> dict[str, Any] | None:
    """The comparison of tuned with ``b``, if it was made; ``metric`` None: by the primary one.

    Of tuned, or of what the file says was compared with all others.
    """
    wanted = (metrics.get("subject", "tuned"), b, metric or primary(metrics))
    made: Iterable[dict[str, Any]] = metrics["paired"]
    return next((p for p in made if (p["a"], p["b"], p["metric"]) == wanted), None)


def best_baseline(metrics: Mapping[str, Any], metric: str | None = None) -> str | None:
    """The baseline with the highest value; the first of equals, None where none was scored.

    By the primary metric, if none is named.
    """
    by = metric or primary(metrics)
    values = {
        system: scores[by]["value"]
        for system, scores in metrics["systems"].items()
        if is_baseline(system) and scores[by]["value"] is not None
    }
    return max(values, key=lambda system: values[system]) if values else None


def system_name(system: str, metrics: Mapping[str, Any] | None = None) -> str:
    """What a system is called to the user; a name the catalogue does not know is its own.

    Args:
        system: its key in ``systems``.
        metrics: the file it is in, which says what "base" is; None: the untuned model.
    """
    if system == "base" and (metrics or {}).get("base") == "probe":
        return text("evaluate.system-probe")
    if system.startswith("tuned_"):
        return text("evaluate.system-tuned-otherwise", name=system.removeprefix("tuned_"))
    try:
        return text(f"evaluate.system-{system}")
    except KeyError:
        return system


def metric_name(metric: str) -> str:
    """What a metric is called to the user, within a sentence."""
    name, _, level = metric.partition("_level")
    said = text(f"evaluate.metric-{name}")
    return text("evaluate.metric-at-level", metric=said, level=level) if level else said


def percent(share: float) -> str:
    """0.456 → ``45.6 %``."""
    return f"{round(100 * share, 1) + 0.0:.1f} %"  # of a difference just below 0 no "-0.0 %"


def number(value: float, of: Unit = "share") -> str:
    """A value of a metric: ``45.6 %``, ``26.9`` points, a count (``16``, ``0.35``) or ``0.456``."""
    if of == "share":
        return percent(value)
    if of == "points":
        return f"{value:.1f}"
    if of == "coefficient":
        return f"{value:.3f}"
    return f"{value:.0f}" if value == round(value) else f"{value:.2f}"


def gap(difference: float, of: Unit = "share") -> str:
    """A difference, with its sign and without the unit: of shares in percentage points."""
    if of == "count":
        return f"{difference:+.2f}"
    if of == "coefficient":
        return f"{difference:+.3f}"
    return f"{100 * difference if of == 'share' else difference:+.1f}"


def cell(score: Mapping[str, Any] | None, of: Unit = "share") -> str:
    """A score for a table: ``45.6 % [30.1, 60.9]``; a dash where there is none."""
    if score is None or score["value"] is None:
        return "—"
    said = number(score["value"], of)
    if score["ci95"] is None:
        return said
    low, high = (number(end, of).removesuffix(" %") for end in score["ci95"])
    return f"{said} [{low}, {high}]"


def p_value(p: float) -> str:
    """``p = 0.034``, or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _within(name: str) -> str:
    """A metric's name where Japanese has no space before it: Latin letters get one."""
    return f" {name}" if language() == "ja" and name[0].isascii() else name


def verdict_sentence(metrics: Mapping[str, Any]) -> str:
    """One sentence: tuned against the untuned model, and against the best trivial baseline.

    Args:
        metrics: what ``evaluate`` returned, or ``eval_metrics.json`` read back.
    """
    by = primary(metrics)
    of = unit(metrics, by)
    tuned = metrics["systems"].get("tuned", {}).get(by)
    if tuned is None or tuned["value"] is None:
        return text("evaluate.verdict-none")
    untuned = metrics.get("base", "model")
    fields: dict[str, object] = {
        "rows": metrics["rows"],
        "metric": _within(metric_name(by)),
        "tuned": number(tuned["value"], of),
        "base_name": text(f"evaluate.base-{untuned}"),
    }
    kinds = []
    for role, system in (("base", "base"), ("trivial", best_baseline(metrics))):
        pair = find_pair(metrics, system) if system else None
        if pair is None or system is None:
            kinds.append("absent")
            continue
        other = number(metrics["systems"][system][by]["value"], of)
        fields |= {
            role: text(f"evaluate.base-{untuned}-value", value=other) if role == "base" else other,
            f"{role}_name": fields.get(f"{role}_name") or system_name(system),
            f"{role}_gap": gap(pair["difference"], of),
            f"{role}_p": p_value(pair.get("p_holm", pair["p"])),
        }
        kinds.append(pair["verdict"])
    return text(f"evaluate.verdict-{kinds[0]}-{kinds[1]}", **fields)
