"""The course of training as a record tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from kunren.config.schema import Metric
from kunren.evaluation.score import KINDS
from kunren.evaluation.told import metric_name
from kunren.messages import text
from kunren.records.facts import Facts
from kunren.records.trainlog import Epoch, best_epoch
from kunren.report.format import Table, decimal, scientific

POINTS = frozenset({"chrf"})
"""Metrics whose values go to 100, not to 1."""


def kept_epoch(facts: Facts, epochs: Sequence[Epoch]) -> int | None:
    """The epoch whose weights were kept, by the manifest, else by the log."""
    said: float | None = (facts.manifest or {}).get("training", {}).get("best_epoch")
    return round(said) if said is not None else best_epoch(epochs, facts.judged_by)


def measured(facts: Facts, epochs: Sequence[Epoch]) -> list[str]:
    """The metrics that were measured on the validation rows, besides the loss."""
    usual = KINDS[facts.answers].validation
    known = [*usual, *(n for n in get_args(Metric) if n != "loss" and n not in usual)]
    return [n for n in known if any(f"eval_{n}" in e.evaluation for e in epochs)]


def table(facts: Facts, epochs: Sequence[Epoch]) -> Table | None:
    """One line an epoch; the one that was kept is marked."""
    if not epochs:
        return None
    best, names = kept_epoch(facts, epochs), measured(facts, epochs)
    columns = [text(f"record.{name}") for name in ("epoch", "train-loss", "validation-loss")]
    columns += [text("record.validation-metric", metric=metric_name(n)) for n in names]
    columns += [text("record.learning-rate")]
    rows = [
        [
            f"{epoch.number} ★" if epoch.number == best else str(epoch.number),
            decimal(epoch.loss),
            decimal(epoch.evaluation.get("eval_loss")),
            *(_measured(epoch.evaluation, name) for name in names),
            scientific(epoch.learning_rate),
        ]
        for epoch in epochs
    ]
    marked = frozenset(n for n, epoch in enumerate(epochs) if epoch.number == best)
    return Table(columns, rows, "r" * len(columns), marked)


def _measured(evaluation: Mapping[str, float], name: str) -> str:
    return decimal(evaluation.get(f"eval_{name}"), 1 if name in POINTS else 3)


def loss_said(facts: Facts, epochs: Sequence[Epoch]) -> str | None:
    """The loss on the validation rows of the weights that were kept, and where it was lowest."""
    losses = {e.number: loss for e in epochs if (loss := e.evaluation.get("eval_loss")) is not None}
    best = kept_epoch(facts, epochs)
    if best not in losses:
        return None
    lowest = min(losses, key=losses.__getitem__)
    kind = "lowest" if losses[best] <= losses[lowest] else "kept"
    return text(
        f"record.eval-loss-{kind}",
        loss=decimal(losses[best]),
        epoch=best,
        lowest=decimal(losses[lowest]),
        at=lowest,
    )


def said(facts: Facts, epochs: Sequence[Epoch]) -> str | None:
    """Which epoch was kept and why, and whether training ended as planned."""
    if not epochs:
        return None
    training: Mapping[str, Any] = (facts.manifest or {}).get("training", {})
    done = epochs[-1].number
    planned = (facts.config or {}).get("train", {}).get("epochs", done)
    best = kept_epoch(facts, epochs)
    parts = []
    if best is not None:
        why = "lowest" if facts.lower_is_better else "highest"
        name = facts.judged_by
        metric = text("record.loss") if name == "loss" else metric_name(name)
        parts.append(text(f"record.best-said-{why}", epoch=best, metric=metric))
    if training.get("stopped_early") and done < planned:
        parts.append(text("record.stopped-early", done=done, planned=planned))
    elif done < planned:
        parts.append(text("record.not-all-epochs", done=done, planned=planned))
    return text("record.joined").join(parts)
