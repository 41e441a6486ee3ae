"""The course of a training run, whoever ran it: its curves, and what is known of how it was run."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

LOWER = ("loss", "wer", "cer", "ter", "perplexity", "mae", "mse", "rmse", "error")
"""Parts of the names of metrics that are best when low."""

MACRO = ("macro_f1", "f1_macro", "macro-f1", "f1-macro", "f1_score_macro", "macro_avg_f1")
"""Names of macro-F1 in other people's logs."""

HUGE = 1e30
"""Numbers from here on are as good as infinite: no step on such a loss leaves finite weights."""

TOKENS = 20
"""Tokens that even a short written answer has."""

_NO_METRIC = ("runtime", "per_second", "num_tokens", "samples", "steps", "memory", "jit_", "epoch")
"""Parts of the names of what an evaluation logs beside its metrics."""

_SHARES = (
    "accuracy", "acc", "f1", "precision", "recall", "jaccard", "exact_match", "auc",
    "matthews_correlation", "mcc",
)  # fmt: skip
"""Metrics that are 1 for a perfect model, the one to judge by first."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value of a curve.

    Attributes:
        step: number of the optimiser's step, or of the row where none is logged.
        epoch: epochs done by then; None where it is not logged.
        value: may be NaN or infinite.
    """

    step: float
    epoch: float | None
    value: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation on rows that are held out.

    Attributes:
        step: as of ``Point``.
        epoch: as of ``Point``.
        values: metric → value, without the prefix ``eval_``; may be NaN.
    """

    step: float
    epoch: float | None
    values: Mapping[str, float]

    @property
    def loss(self) -> float:
        """The evaluation loss; NaN where there is none."""
        return self.values.get("loss", math.nan)


@dataclass(frozen=True, slots=True)
class Course:
    """A training run as its log tells it.

    Attributes:
        loss: training loss.
        gradient: norm of the gradient before clipping.
        rate: learning rate.
        evaluations: in the order of their steps.
        ours: whether kunren ran it, so that a change of its config can be offered.
        reward: whether the log has rewards: reinforcement learning, where the loss means something
            else.
        mean_loss: mean training loss over the whole run.
        last_step: of the run.
        last_epoch: epochs done; None if unknown.
        planned_steps: steps that were planned; None if unknown.
        rows: training rows, about; None if unknown.
        evaluation_rows: rows of an evaluation, about; None if unknown.
        labels: number of labels of a classification; None if unknown.
        vocabulary: number of tokens of a language model; None if unknown.
        kept_step: step of the evaluation whose weights were kept; None if unknown.
        best_step: step of the evaluation that was recorded as best, kept or not; None if none was.
        judged_by: metric that decided which was best; None if unknown.
        stopped_early: whether early stopping ended it.
        settings: what is known of its settings, under kunren's keys such as ``train.precision``.
    """

    loss: Sequence[Point] = ()
    gradient: Sequence[Point] = ()
    rate: Sequence[Point] = ()
    evaluations: Sequence[Evaluation] = ()
    ours: bool = False
    reward: bool = False
    mean_loss: float | None = None
    last_step: float = 0.0
    last_epoch: float | None = None
    planned_steps: float | None = None
    rows: float | None = None
    evaluation_rows: float | None = None
    labels: int | None = None
    vocabulary: int | None = None
    kept_step: float | None = None
    best_step: float | None = None
    judged_by: str | None = None
    stopped_early: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finite_loss(self) -> list[Point]:
        """The training loss without what is NaN or infinite."""
        return [point for point in self.loss if math.isfinite(point.value)]

    @property
    def evaluated(self) -> list[Evaluation]:
        """The evaluations with a finite loss."""
        return [one for one in self.evaluations if math.isfinite(one.loss)]

    @property
    def finished(self) -> bool:
        """Whether as many steps were done as were planned, as far as that is known."""
        return self.planned_steps is None or self.last_step >= 0.98 * self.planned_steps

    @property
    def judged_size(self) -> float | None:
        """How many rows' worth of evidence an evaluation loss rests on; None if unknown.

        Of text that is written each row is a mean over its tokens, twenty at the least, so that it
        says as much as so many rows with one label.
        """
        name = self.metric()
        one_label = self.labels is not None or (name is not None and "token" not in name)
        if self.evaluation_rows is None or one_label:
            return self.evaluation_rows
        return TOKENS * self.evaluation_rows

    def metric(self) -> str | None:
        """The metric to judge by beside the loss: accuracy, else F1 …; None if none is logged."""
        names = {name for one in self.evaluations for name in one.values}
        for wanted in _SHARES:
            found = [name for name in sorted(names) if wanted in name.lower().split("_")]
            exact = [name for name in found if name == wanted]
            if exact or found:
                return (exact or found)[0]
        return next((name for name in sorted(names) if name != "loss" and lower(name)), None)

    def of_metric(self, name: str) -> list[Point]:
        """The finite values of a metric."""
        return [
            Point(one.step, one.epoch, value)
            for one in self.evaluations
            if (value := one.values.get(name)) is not None and math.isfinite(value)
        ]

    def loss_between(self, begin: float, end: float) -> float | None:
        """Median of the training losses logged after step ``begin`` up to ``end``."""
        values = sorted(p.value for p in self.finite_loss if begin < p.step <= end)
        return values[len(values) // 2] if values else None


def macro_f1(names: Collection[str]) -> str | None:
    """The metric that is a macro-F1, however it is written (``macro avg_f1-score`` …)."""
    known = next((name for name in MACRO if name in names), None)
    bare = {name: "".join(c for c in name.lower() if c.isalnum()) for name in sorted(names)}
    parts = ("macrof1", "f1macro", "f1scoremacro", "macroavgf1", "macroaveragedf1")
    return known or next((n for n, b in bare.items() if any(part in b for part in parts)), None)


def accuracy(names: Collection[str]) -> str | None:
    """The metric that is an accuracy over rows, also of a named evaluation set; no other shares."""
    known = next((name for name in ("accuracy", "acc") if name in names), None)
    others = ("token", "balanced", "class", "top")
    last = [n for n in sorted(names) if n.lower().split("_")[-1] in ("accuracy", "acc")
            and not any(other in n.lower() for other in others)]  # fmt: skip
    return known or next(iter(last), None)


def lower(name: str) -> bool:
    """Whether a metric is best when low."""
    return any(part in LOWER for part in name.lower().replace("-", "_").split("_"))


def of_log(rows: Iterable[Mapping[str, Any]]) -> Course:
    """The curves of a log.

    Args:
        rows: in order, each with ``step`` and ``epoch`` where known, and ``loss``, ``grad_norm``,
            ``learning_rate``, ``eval_<metric>`` and the like; what is no number is passed over. Of
            several evaluations at a step the first counts: the last one of a Trainer that loads its
            best model repeats an earlier one.
    """
    curves: dict[str, list[Point]] = {"loss": [], "grad_norm": [], "learning_rate": []}
    evaluations: dict[float, Evaluation] = {}
    step, epoch, reward, mean = 0.0, None, False, None
    speeds: list[float] = []
    for number, row in enumerate(rows, start=1):
        found = {
            name: value
            for name, value in _numbers(row)
            # They order the rows: one that is NaN or infinite, also as a text, is none.
            if name not in ("step", "epoch") or math.isfinite(value)
        }
        step = found.get("step", float(number))
        epoch = found.get("epoch", epoch)
        reward = reward or any(name.startswith("reward") for name in found)
        mean = found.get("train_loss", mean)
        for name, curve in curves.items():
            if name in found:
                curve.append(Point(step, found.get("epoch"), found[name]))
        values = _evaluated(found)
        if values and step in evaluations:
            # A row of another evaluation set, or the same set once more: what is there counts.
            known = evaluations[step]
            evaluations[step] = replace(known, values={**values, **known.values})
        elif values:
            evaluations[step] = Evaluation(step, found.get("epoch"), values)
            speed = found.get("eval_samples_per_second", 0.0) * found.get("eval_runtime", 0.0)
            speeds += [speed] if 0 < speed < math.inf else []
    return Course(
        loss=curves["loss"],
        gradient=curves["grad_norm"],
        rate=curves["learning_rate"],
        evaluations=[evaluations[at] for at in sorted(evaluations)],
        reward=reward,
        mean_loss=mean,
        last_step=step,
        last_epoch=epoch,
        evaluation_rows=sorted(speeds)[len(speeds) // 2] if speeds else None,
    )


def _numbers(row: Mapping[str, Any], begin: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a row, also those in mappings: what ``evaluate`` and scikit-learn return.

    ``{"eval_accuracy": {"accuracy": 0.5}}`` is ``eval_accuracy``.
    """
    for key, raw in row.items():
        name = begin if begin and begin.endswith(str(key)) else f"{begin}_{key}" if begin else key
        if isinstance(raw, Mapping):
            yield from _numbers(raw, name)
        elif (value := _number(raw)) is not None:
            yield name, value


def _number(value: object) -> float | None:
    """A number, also one that a logger wrote as text (``"0.6931"``, ``"nan"``)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    except OverflowError:
        return math.inf
    return math.copysign(math.inf, number) if abs(number) > HUGE else number


def _evaluated(found: Mapping[str, float]) -> dict[str, float]:
    """Metrics of an evaluation. Of several evaluation sets the first loss stands for all."""
    values = {
        name.removeprefix("eval_"): value
        for name, value in found.items()
        if name.startswith("eval_") and not any(part in name for part in _NO_METRIC)
    }
    if values and "loss" not in values:
        other = next((name for name in values if name.endswith("_loss")), None)
        if other is not None:
            values["loss"] = values.pop(other)
    return values


def of_run(
    log: Sequence[Mapping[str, float | None]],
    config: Mapping[str, Any],
    training: Mapping[str, Any],
    judged_by: str,
    rows: Mapping[str, int],
    labels: int | None,
) -> Course:
    """The course of one of our own runs.

    Args:
        log: rows of ``train_log.csv``.
        config: ``config.yaml``; empty if there is none.
        training: what the manifest says of training; empty if there is none.
        judged_by: metric that chose the checkpoint.
        rows: of each split, as far as they are known.
        labels: size of the closed set, of one label a text.
    """
    course = of_log(log)
    train = config.get("train", {})
    settings = {f"train.{key}": value for key, value in train.items() if value is not None}
    settings |= {
        key: value
        for key, value in (
            ("tuning.kind", config.get("tuning", {}).get("kind")),
            ("model.add_tokens", config.get("model", {}).get("add_tokens")),
            ("model.family", config.get("model", {}).get("family")),
            ("model.id", config.get("model", {}).get("id")),
        )
        if value is not None
    }
    kept = training.get("best_epoch")
    at = [e.step for e in course.evaluations if e.epoch is not None and kept is not None
          and math.ceil(e.epoch - 1e-6) == round(kept)]  # fmt: skip
    return replace(
        course,
        ours=True,
        rows=rows.get("train"),
        evaluation_rows=rows.get("validation"),
        labels=labels,
        kept_step=at[-1] if at else None,
        best_step=at[-1] if at else None,
        judged_by=judged_by,
        stopped_early=bool(training.get("stopped_early")),
        settings=settings,
    )
