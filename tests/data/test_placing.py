"""Whole numbers shared out in proportion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.data.placing import apportion, largest_remainder


@given(st.lists(st.tuples(st.floats(0, 50), st.integers(0, 50)), min_size=1), st.data())
def test_apportion_sums_and_keeps_its_limits(
    pairs: list[tuple[float, int]], data: st.DataObject
) -> None:
    ideals, most = [i for i, _ in pairs], [m for _, m in pairs]
    total = data.draw(st.integers(0, sum(most)))
    found = apportion(total, ideals, most)
    assert sum(found) == total
    assert all(0 <= n <= limit for n, limit in zip(found, most, strict=True))


@given(st.integers(0, 10_000), st.lists(st.integers(1, 100), min_size=1, max_size=10))
def test_largest_remainder_is_within_one(total: int, weights: list[int]) -> None:
    found = largest_remainder(total, weights)
    assert sum(found) == total
    ideals = [total * weight / sum(weights) for weight in weights]
    assert all(abs(n - ideal) < 1 for n, ideal in zip(found, ideals, strict=True))


def test_rounding_of_floats_costs_no_row() -> None:
    assert largest_remainder(100, [0.71, 0.29]) == [71, 29]
    with pytest.raises(ValueError, match="at most 3 fit"):
        apportion(4, [2.0, 2.0], [1, 2])
