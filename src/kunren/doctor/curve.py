"""What a curve shows beyond its own noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_NORMAL = 0.6745
"""Median of the absolute value of a standard normal variable."""

Values = Sequence[float] | NDArray[np.float64]


def noise(values: Values) -> float | None:
    """Standard deviation of a curve's points around its own course.

    From second differences, whose standard deviation is sqrt(6) times that of the points where the
    course is nearly straight from one point to the next (Rice 1984, Ann. Statist. 12:1215, for
    first differences; a slope cancels in the second). The median makes single jumps harmless.

    Returns:
        None below five points: three differences are the least that have a median worth a name.
    """
    if len(values) < 5:
        return None
    second = np.diff(np.asarray(values, dtype=float), n=2)
    return float(np.median(np.abs(second)) / (_NORMAL * math.sqrt(6)))


def smooth(values: Values) -> NDArray[np.float64]:
    """A curve in which no lone outlier is taken for the best point.

    Running median of three points, of five from 20 on; a curve below eight points is left alone.
    """
    curve = np.asarray(values, dtype=float)
    if len(curve) < 8:
        return curve
    return running_median(curve, 3 if len(curve) < 20 else 5)


def running_median(values: Values, width: int) -> NDArray[np.float64]:
    """Median of ``width`` (odd) neighbours; at the ends of those that there are."""
    curve = np.asarray(values, dtype=float)
    half = width // 2
    padded = np.pad(curve, half, constant_values=math.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    return np.asarray(np.nanmedian(windows, axis=1), dtype=float)


def ends(values: Values, share: float = 1 / 3) -> tuple[float, float, float]:
    """Mean of the first and of the last part of a curve, and the standard error of their gap.

    The error is of the points' noise alone: a part that falls is not uncertain for that.

    Args:
        values: at least one.
        share: of the curve that is a part.
    """
    curve = np.asarray(values, dtype=float)
    size = max(1, int(len(curve) * share))
    first, last = curve[:size], curve[-size:]
    error = (noise(curve) or 0.0) * math.sqrt(2 / size)
    return float(first.mean()), float(last.mean()), error


def jitter(loss: float, rows: float | None) -> float:
    """How far an evaluation loss may move from one evaluation to another with nothing changed.

    The losses of single rows spread about as widely as they are large (an exponential variable has
    its mean as its standard deviation). Two checkpoints are judged on the same rows, so that about
    half of it cancels: 2 * 0.5 * loss / sqrt(rows) is about two standard errors. 0 if the number of
    rows is unknown.
    """
    return loss / math.sqrt(rows) if rows else 0.0


def chance(share: float, rows: float | None) -> float:
    """Two standard errors of a share; 0.01 if the number of rows is unknown."""
    if not rows:
        return 0.01
    kept = min(max(share, 0.5 / rows), 1 - 0.5 / rows)
    return 2 * math.sqrt(max(kept * (1 - kept), 0.0) / rows)
