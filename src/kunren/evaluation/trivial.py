"""What one answer to everything gets on the rows that choose the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kunren.config.checks import BASELINES
from kunren.config.schema import LOWER_IS_BETTER
from kunren.evaluation.baselines import run_baselines
from kunren.evaluation.score import validation_metrics
from kunren.tasks import Task
from kunren.types import Item

_SAME = ("majority", "constant")
"""Baselines that answer the same to everything."""


def trivial(
    task: Task, kind: str, items: Mapping[str, Sequence[Item]], labels: Sequence[str]
) -> dict[str, float]:
    """Metric → what the best constant answer gets; empty where there are no validation items.

    Args:
        task: asks for the answers.
        kind: of the task, as the config has it.
        items: of ``train``, from which the answer is taken, and of ``validation``.
        labels: the closed set.
    """
    answers, tried, held = task.answers, items["train"], items["validation"]
    if not held:
        return {}
    names = tuple(name for name in BASELINES[kind] if name in _SAME)
    said = run_baselines(names, answers, tried, held, held, labels)
    found = [validation_metrics(answers, held, answer, labels) for answer in said.values()]
    shared = set(found[0]).intersection(*found[1:])
    return {
        name: (min if name in LOWER_IS_BETTER else max)(value[name] for value in found)
        for name in sorted(shared)
    }
