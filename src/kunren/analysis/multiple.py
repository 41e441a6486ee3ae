"""Many tests at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def tarone_level(least: ArrayLike, level: float) -> float:
    """The level of each of many tests, so that any false finding is as rare as ``level``.

    Bonferroni's correction, but for the tests that could find something at all (Tarone 1990,
    Biometrics 46:515): of fifty labels most are too rare to tell anything, and need not be paid
    for. Valid where the least p value is known without the outcome, as with exact tests.

    Args:
        least: of each test the smallest p value that it can give, [tests].
        level: of all together.

    Returns:
        What a p value must not exceed.
    """
    ordered = np.sort(np.asarray(least, dtype=np.float64))
    counts = np.arange(1, ordered.size + 1)
    able = np.searchsorted(ordered, level / counts, side="right") <= counts
    return level / int(counts[able.argmax()]) if ordered.size else level
