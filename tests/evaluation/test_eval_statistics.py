from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import sparse

from kunren.evaluation import statistics
from kunren.evaluation.metric import Floats


def ratio(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


def test_mcnemar_midp_of_a_published_example() -> None:
    # Bentur et al., as in the supplement of Fagerland et al. 2013: 1 and 7 discordant pairs of 21.
    assert statistics.mcnemar_midp([-1] * 7 + [1] + [0] * 13) == pytest.approx(0.0390625)


def test_mcnemar_midp_of_balanced_pairs() -> None:
    # Same source: where both counts are equal, 1 minus half the point probability.
    assert statistics.mcnemar_midp([1, 1, -1, -1]) == pytest.approx(1 - 0.375 / 2)


def test_mcnemar_without_differences_proves_nothing() -> None:
    assert statistics.mcnemar_midp([0, 0, 0]) == 1.0
    assert statistics.mcnemar_midp([]) == 1.0


@pytest.mark.parametrize("differences", [[2, 1, -1, 3], [2, -2, 1], [5], [1, 1, 2, 0, -1]])
def test_mcnemar_of_rows_with_several_items_by_enumeration(differences: list[int]) -> None:
    sizes = [abs(d) for d in differences if d]
    sums = [
        abs(sum(s * z for s, z in zip(signs, sizes, strict=True)))
        for signs in product((-1, 1), repeat=len(sizes))
    ]
    observed = abs(sum(differences))
    expected = (sum(s > observed for s in sums) + sum(s == observed for s in sums) / 2) / len(sums)
    assert statistics.mcnemar_midp(differences) == pytest.approx(expected)


def test_three_rows_are_never_a_proof() -> None:
    assert statistics.mcnemar_midp([1, 1, 1]) > statistics.SIGNIFICANCE
    a, b = np.array([[1.0, 1]] * 3), np.array([[0.0, 1]] * 3)
    assert statistics.randomisation_p([a], [b], ratio, 1000, 0) > statistics.SIGNIFICANCE


def test_randomisation_by_enumeration() -> None:
    a = np.array([[1.0, 1], [1, 1], [1, 1], [0, 1], [1, 1]])
    b = np.array([[0.0, 1], [0, 1], [0, 1], [1, 1], [0, 1]])
    observed = abs(float(ratio(a.sum(0)) - ratio(b.sum(0))))
    count = 0
    for swaps in product((0, 1), repeat=5):
        s = np.array(swaps)[:, None]
        x, y = np.where(s, b, a), np.where(s, a, b)
        count += abs(float(ratio(x.sum(0)) - ratio(y.sum(0)))) >= observed - 1e-12
    p = statistics.randomisation_p([a], [b], ratio, 20_000, 1)
    assert p == pytest.approx(count / 32, abs=0.015)


def test_clopper_pearson_of_three_in_three() -> None:
    low, high = statistics.exact_interval(3, 3)
    assert low == pytest.approx(0.025 ** (1 / 3))
    assert high == 1.0


def test_bootstrap_interval_of_a_proportion_is_the_normal_one_on_many_rows() -> None:
    rng = np.random.default_rng(3)
    hits = (rng.random(2000) < 0.7).astype(float)
    by_row = np.stack([hits, np.ones(2000)], axis=1)
    weights = statistics.bootstrap_weights(2000, 1000, 42)
    interval = statistics.percentile_interval(ratio(weights @ by_row))
    assert interval is not None
    half = 1.96 * np.sqrt(0.7 * 0.3 / 2000)
    assert interval[0] == pytest.approx(hits.mean() - half, abs=0.003)
    assert interval[1] == pytest.approx(hits.mean() + half, abs=0.003)


def test_bootstrap_weights_draw_rows_with_replacement_and_repeat() -> None:
    weights = statistics.bootstrap_weights(30, 500, 7)
    assert (weights.sum(axis=1) == 30).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(30), abs=0.2)
    assert (weights == statistics.bootstrap_weights(30, 500, 7)).all()
    assert not (weights == statistics.bootstrap_weights(30, 500, 8)).all()


def test_items_of_a_row_stay_together() -> None:
    rng = np.random.default_rng(0)
    hits = (rng.random(60) < 0.5).astype(float)
    single = np.stack([hits, np.ones(60)], axis=1)
    rows, n_rows = statistics.group_rows([str(n // 5) for n in range(300)])
    copies = statistics.sum_by_row(np.repeat(single, 5, axis=0), rows, n_rows)
    assert n_rows == 60
    weights = statistics.bootstrap_weights(60, 300, 1)
    once = statistics.percentile_interval(ratio(weights @ single))
    assert statistics.percentile_interval(ratio(weights @ copies)) == pytest.approx(once)


def test_sparse_statistics_give_the_same_numbers() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 3, size=(12, 2)).astype(float) + 1 for _ in range(2))
    rows = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 7])
    dense = [statistics.sum_by_row(x, rows, 8) for x in (a, b)]
    thin = [statistics.sum_by_row(sparse.csr_array(x), rows, 8) for x in (a, b)]
    for x, y in zip(dense, thin, strict=True):
        assert (x == y.toarray()).all()
    p = statistics.randomisation_p([dense[0]], [dense[1]], ratio, 500, 3)
    assert statistics.randomisation_p([thin[0]], [thin[1]], ratio, 500, 3) == p
    assert 0 < p < 1


def test_no_interval_where_nothing_varies() -> None:
    assert statistics.percentile_interval(np.full(10, 0.5)) is None
    assert statistics.percentile_interval(np.full(10, np.nan)) is None


@pytest.mark.parametrize(
    ("difference", "p", "expected"),
    [
        (0.1, 0.01, "better"),
        (-0.1, 0.01, "worse"),
        (0.1, 0.05, "indistinguishable"),
        (0.0, 0.01, "indistinguishable"),
    ],
)
def test_verdict(difference: float, p: float, expected: str) -> None:
    assert statistics.verdict(difference, p) == expected


def test_holm_of_a_worked_example() -> None:
    # Sorted: 4 x .005, 3 x .01, 2 x .03, and .04 cannot fall below its predecessor.
    found = statistics.holm([0.01, 0.04, 0.03, 0.005])
    assert found == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]) == []
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_rows_needed_find_the_difference_as_often_as_they_promise() -> None:
    # Of 200 rows 45 that only a has right and 29 that only b has: a difference of .08.
    gaps = np.array([1.0] * 45 + [-1.0] * 29 + [0.0] * 126)
    weights = statistics.bootstrap_weights(200, 4000, 1)
    needed = statistics.rows_needed(0.08, weights @ gaps / 200, 200)
    assert needed == pytest.approx(2.8016**2 * (0.37 - 0.08**2) / 0.08**2, rel=0.08)  # about 446
    assert needed is not None
    rng = np.random.default_rng(5)
    found = 0
    for counts in rng.multinomial(needed, [45 / 200, 29 / 200, 126 / 200], size=400):
        gap = np.repeat([1, -1, 0], counts)
        found += statistics.mcnemar_midp(gap) < statistics.SIGNIFICANCE
    assert found / 400 == pytest.approx(statistics.POWER, abs=0.07)


def test_no_rows_tell_a_difference_of_nothing() -> None:
    assert statistics.rows_needed(0.0, np.array([0.1, -0.1]), 10) is None
    assert statistics.rows_needed(0.2, np.array([0.2, 0.2]), 10) is None
    assert statistics.rows_needed(0.5, np.array([0.5, 0.51]), 10) == 11


def test_repetitions_widen_the_interval_by_what_training_varies() -> None:
    weights = statistics.repeat_weights(4, 2000, 3)
    assert weights.sum(axis=1) == pytest.approx(np.ones(2000))
    means = weights @ np.array([0.2, 0.4, 0.6, 0.8])
    # The standard error of a mean of four drawn with replacement.
    assert means.std() == pytest.approx(np.std([0.2, 0.4, 0.6, 0.8]) / 2, rel=0.05)
    assert (statistics.repeat_weights(1, 10, 0) == 1).all()


def test_swapping_rows_swaps_all_repetitions() -> None:
    rng = np.random.default_rng(2)
    a = [np.stack([(rng.random(40) < 0.8).astype(float), np.ones(40)], axis=1) for _ in range(3)]
    b = np.stack([(rng.random(40) < 0.3).astype(float), np.ones(40)], axis=1)
    p = statistics.randomisation_p(a, [b] * 3, ratio, 999, 0)
    mean = np.mean(a, axis=0)
    assert p == statistics.randomisation_p([mean], [b], ratio, 999, 0)
    assert p < 0.01


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_permutations_in_blocks_are_the_same_permutations(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(3)
    a, b = (generator.integers(0, 2, size=(31, 3)).astype(float) for _ in range(2))
    swapped = np.random.default_rng(5).integers(0, 2, size=(200, (a != b).any(axis=1).sum()))
    moved = swapped @ (b - a)[(a != b).any(axis=1)]

    def value(sums: Floats) -> Floats:
        return np.asarray(sums[..., 0] + 2 * sums[..., 1] - sums[..., 2])

    far = abs(value(a.sum(axis=0) + moved) - value(b.sum(axis=0) - moved))
    observed = abs(value(a.sum(axis=0)) - value(b.sum(axis=0)))
    expected = ((far >= observed - 1e-12).sum() + 1) / 201
    monkeypatch.setattr(statistics, "BLOCK", block)
    for one, other in ((a, b), (sparse.csr_array(a), sparse.csr_array(b))):
        assert statistics.randomisation_p([one], [other], value, 200, 5) == expected


def test_bootstrap_draws_every_resample_with_replacement() -> None:
    weights = statistics.bootstrap_weights(50, 20, seed=4)
    drawn = np.random.default_rng(4).integers(0, 50, size=(20, 50))
    assert (weights == np.stack([np.bincount(rows, minlength=50) for rows in drawn])).all()


# --- intervals and verdicts agree ---


@pytest.mark.parametrize("difference", [0.2, -0.2])
@pytest.mark.parametrize("p", [1e-9, 0.01, 0.049, 0.05, 0.25, 1.0])
@pytest.mark.parametrize("wide", [0.0, 0.1, 0.19, 0.3])
def test_an_interval_excludes_zero_where_the_test_does(
    difference: float, p: float, wide: float
) -> None:
    told_apart = p < 0.05
    around = (difference - wide, difference + wide)
    low, high = statistics.agreeing(difference, around, p, told_apart)
    assert low <= difference <= high
    assert (low > 0 or high < 0) == told_apart


def test_an_interval_that_agrees_stays() -> None:
    assert statistics.agreeing(0.2, (0.1, 0.3), 0.01, told_apart=True) == (0.1, 0.3)
    assert statistics.agreeing(0.2, (-0.1, 0.3), 0.2, told_apart=False) == (-0.1, 0.3)
    assert statistics.agreeing(0.0, (0.0, 0.0), 1.0, told_apart=False) == (0.0, 0.0)


def test_several_comparisons_widen_the_interval_and_need_more_rows() -> None:
    drawn = np.random.default_rng(1).normal(0.1, 0.06, 4000)
    one, six = (statistics.percentile_interval(drawn, n) for n in (1, 6))
    assert one is not None
    assert six is not None
    assert six[0] < one[0] < one[1] < six[1]
    assert np.mean((drawn >= six[0]) & (drawn <= six[1])) == pytest.approx(1 - 0.05 / 6, abs=1e-3)
    few, more = (statistics.rows_needed(0.1, drawn, 50, n) for n in (1, 6))
    assert few is not None
    assert more is not None
    assert more / few == pytest.approx(((2.638 + 0.8416) / (1.96 + 0.8416)) ** 2, rel=0.02)
