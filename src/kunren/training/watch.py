"""What looks wrong while training runs: told once, with what to do, and kept for the record.

A guard stops a training whose every later number would be worthless (``guards.py``). What stands
here may still come right, so it is only said. Nothing is said of what chance alone would do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, variance
from typing import Any

from kunren.messages import text
from kunren.training.checkpoint import Row

FIRST_STEPS = 3
"""So many steps with a loss of zero are no accident."""

ZERO = 1e-8
"""A float32 mean of cross-entropies is above this unless nothing was counted."""

WINDOW = 5
"""Steps that a mean loss is taken over, so that one odd batch is not called an explosion."""

EXPLODED = 2.0
"""A mean loss this many times that of the first steps, and thrice the lowest, has exploded."""

LOW_SCALE = 2.0**8
"""fp16 begins at 2^16 and loses a few halvings while it settles; here it has lost eight."""

MIN_STEPS = 30
"""Fewer steps after the warm-up than this do not show whether the loss falls."""

NEAR_CHANCE = 0.03
"""A loss this share below ln k or above it is that of an even guess among k labels."""

IN_A_ROW = 2
"""Evaluations that must agree on a collapse: in its first epochs every model leans on one
answer."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that was told.

    Attributes:
        slug: of what it was.
        step: optimiser step at which it was told.
        epoch: likewise; None where no epoch had ended.
        message: as it was told.
    """

    slug: str
    step: int
    epoch: float | None
    message: str


class Watch:
    """Looks at each step and each evaluation of one training.

    Args:
        say: tells the user one line.
        keep: writes down all that was seen, after each evaluation and notice.
        epochs: that are planned.
        labels: of a head that gives one label: their number, so that the loss of a guess is known.
        kept: what an earlier process of the same training wrote down.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        keep: Callable[[Mapping[str, Any]], None],
        epochs: int,
        labels: int | None = None,
        kept: Mapping[str, Any] | None = None,
    ) -> None:
        self._say = say
        self._keep = keep
        self._epochs = epochs
        self._labels = labels
        self._kept = kept or {}
        self._lowest = math.inf
        self._first = math.inf
        self.rows: list[Row] = []
        self.notices: list[Notice] = []
        self.answers: list[dict[str, Any]] = []

    def restore(self, rows: Sequence[Row], step: int) -> None:
        """Stand at a step of an earlier process; what it told later is found again."""
        done = max((row["epoch"] or 0.0 for row in rows), default=0.0)
        kept = self._kept
        self.notices = [Notice(**n) for n in kept.get("notices", ()) if n["step"] <= step]
        self.answers = [a for a in kept.get("answers", ()) if a["epoch"] <= done + 1e-6]
        for row in rows:
            self.step(row)

    def step(self, row: Row) -> None:
        """Look at a step of the training log."""
        self.rows.append(row)
        losses = [loss for r in self.rows[-WINDOW:] if (loss := r["loss"]) is not None]
        if len(self.rows) == FIRST_STEPS and max(map(abs, losses), default=1.0) < ZERO:
            self._tell("zero-loss", steps=FIRST_STEPS)
        scale = row.get("loss_scale")
        if scale is not None and scale <= LOW_SCALE:
            self._tell("fp16-scale", scale=scale, skipped=row.get("skipped_steps"))
        if len(self.rows) < WINDOW or len(losses) < WINDOW:
            return
        now = fmean(losses)
        if len(self.rows) == WINDOW:
            self._first = now
        if now > EXPLODED * self._first and now > 3 * self._lowest:
            self._tell("exploding", now=now, lowest=self._lowest)
        self._lowest = min(self._lowest, now)

    def evaluated(self, leaning: Mapping[str, Any] | None) -> None:
        """Look at the evaluation that follows the latest step.

        Args:
            leaning: the commonest answer on the validation rows, with ``label``, ``share``,
                ``gold_share`` and ``collapsed``; None where answers have no labels.
        """
        epoch = self.rows[-1]["epoch"] or 0.0
        if leaning is not None:
            self.answers.append({"epoch": epoch, **leaning})
            last = self.answers[-IN_A_ROW:]
            agreed = len(last) == IN_A_ROW and all(a["collapsed"] for a in last)
            if agreed and 2 * epoch >= self._epochs:
                since = self._since()
                said = {key: leaning[key] for key in ("label", "share", "gold_share")}
                self._tell("collapse", **_percent(said), since=since)
        if self._labels is not None and epoch > 1 and self._guesses():
            chance = math.log(self._labels)
            self._tell("not-learning", labels=self._labels, chance=chance, epoch=epoch)
        self._write()

    def _since(self) -> float:
        """The epoch from which on all evaluations were a collapse."""
        since: float = self.answers[-1]["epoch"]
        for found in reversed(self.answers):
            if not found["collapsed"]:
                break
            since = found["epoch"]
        return since

    def _guesses(self) -> bool:
        """Whether the loss since the warm-up is that of a guess and does not fall.

        It falls if the mean of the last third of the steps is below that of the first third by more
        than two standard errors of the difference.
        """
        assert self._labels is not None  # noqa: S101  (asked only then)
        rates = [row["learning_rate"] or 0.0 for row in self.rows]
        warm = rates.index(max(rates))
        losses = [loss for row in self.rows[warm:] if (loss := row["loss"]) is not None]
        if len(losses) < MIN_STEPS:
            return False
        third = len(losses) // 3
        first, last = losses[:third], losses[-third:]
        error = math.sqrt((variance(first) + variance(last)) / third)
        falls = fmean(first) - fmean(last) > 2 * error
        chance = math.log(self._labels)
        return abs(fmean(last) - chance) < NEAR_CHANCE * chance and not falls

    def _tell(self, slug: str, **fields: object) -> None:
        if any(notice.slug == slug for notice in self.notices):
            return
        row = self.rows[-1]
        said = text(f"train.watch-{slug}", **{"step": row["step"], **fields})
        step = int(row["step"] or 0)
        self.notices.append(Notice(slug, step, row["epoch"], said))
        self._say(said)
        self._write()

    def _write(self) -> None:
        notices = [asdict(notice) for notice in self.notices]
        self._keep({"notices": notices, "answers": self.answers})


def _percent(said: Mapping[str, Any]) -> dict[str, object]:
    return {k: 100 * v if isinstance(v, float) else v for k, v in said.items()}
