"""Folds test every row once, are as balanced as scikit-learn's, and can be made again."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold
from tests.data.labelled import (
    DISTINCT,
    LABELS,
    REPEATED,
    SETS,
    demo,
    emoji_sets,
    label_of,
    labels_of,
    rows_of,
    shares,
)

from kunren.config.schema import Split
from kunren.data.duplicates import groups, question
from kunren.data.read import Files
from kunren.data.split import Splits, fold_files, folds, rarer_than_folds
from kunren.errors import InputError
from kunren.types import Row

K = st.integers(2, 10)


def ids(rows: Sequence[Row]) -> set[str]:
    return {row.id for row in rows}


def spread(numbers: Sequence[int]) -> int:
    return max(numbers) - min(numbers)


def in_tests(found: Sequence[Splits]) -> list[Counter[str]]:
    """How many test rows of each fold have each label."""
    return [Counter(label for row in fold.test for label in labels_of(row)) for fold in found]


@given(REPEATED, K, shares())
def test_every_row_is_tested_once_and_copies_are_together(
    rows: list[Row], k: int, config: Split
) -> None:
    units = groups(rows)
    assume(len(units) >= max(k, 4))
    try:
        found = folds(rows, label_of, k, config)
    except InputError:
        assert k == 2  # the rows of one fold all ask the same
        assert max(map(len, units)) > len(rows) / 4
        return
    assert len(found) == k
    tested = [row.id for fold in found for row in fold.test]
    assert sorted(tested) == sorted(row.id for row in rows)
    for fold in found:
        assert fold.train
        assert fold.validation
        assert fold.test
        whole = [*fold.train, *fold.validation, *fold.test]
        assert sorted(row.id for row in whole) == sorted(row.id for row in rows)
        asked = [{question(row) for row in side} for side in (fold.train, fold.validation)]
        asked.append({question(row) for row in fold.test})
        assert sum(map(len, asked)) == len(set.union(*asked))


@given(DISTINCT, K, shares())
def test_sizes_and_labels_differ_by_one_row_at_most(rows: list[Row], k: int, config: Split) -> None:
    assume(len(rows) >= max(k, 4))
    found = folds(rows, label_of, k, config)
    assert spread([len(fold.test) for fold in found]) <= 1
    counts = in_tests(found)
    for label in {label_of(row) for row in rows}:
        assert spread([count[label] for count in counts]) <= 1


@given(DISTINCT, st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_labels_are_balanced_as_scikit_learn_balances_them(
    rows: list[Row], k: int, seed: int
) -> None:
    labels = [label_of(row) for row in rows]
    assume(len(rows) >= max(k, 4))
    assume(max(Counter(labels).values()) >= k)  # scikit-learn asks for that
    peer = StratifiedKFold(k, shuffle=True, random_state=seed)
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        theirs = [[labels[n] for n in test] for _, test in peer.split(rows, labels)]
    ours = in_tests(folds(rows, label_of, k, Split(seed=seed)))
    for label in set(labels):
        mine = sorted(count[label] for count in ours)
        assert mine == sorted(one.count(label) for one in theirs)


@given(SETS, K, shares(), st.randoms(use_true_random=False))
def test_sets_have_exact_sizes_whatever_the_order(
    rows: list[Row], k: int, config: Split, chance: random.Random
) -> None:
    assume(len(rows) >= max(k, 4))
    found = folds(rows, label_of, k, config)
    assert spread([len(fold.test) for fold in found]) <= 1
    shuffled = list(rows)
    chance.shuffle(shuffled)
    again = folds(shuffled, label_of, k, config)
    assert [fold.fingerprint for fold in again] == [fold.fingerprint for fold in found]


@given(REPEATED, st.integers(3, 5), shares(), st.randoms(use_true_random=False))
def test_neither_order_nor_ids_matter(
    rows: list[Row], k: int, config: Split, chance: random.Random
) -> None:
    assume(len(groups(rows)) >= k)
    first = folds(rows, label_of, k, config)
    shuffled = [replace(row, id=f"other {row.id}") for row in rows]
    chance.shuffle(shuffled)
    second = folds(shuffled, label_of, k, config)
    for one, other in zip(first, second, strict=True):
        for side in ("train", "validation", "test"):
            mine = Counter(row.messages for row in getattr(one, side))
            assert mine == Counter(row.messages for row in getattr(other, side))


@given(
    st.lists(LABELS, min_size=60, max_size=90),
    st.lists(st.tuples(st.integers(2, 6), LABELS), max_size=8),
    st.integers(2, 6),
)
def test_single_rows_make_up_for_groups(
    singles: list[str], copied: list[tuple[int, str]], k: int
) -> None:
    pairs = [(f"single {n}", label) for n, label in enumerate(singles)]
    pairs += [(f"copied {n}", la) for n, (size, la) in enumerate(copied) for _ in range(size)]
    found = folds(rows_of(pairs), label_of, k, Split())
    assert spread([len(fold.test) for fold in found]) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_sets_are_shared_out_evenly(seed: int) -> None:
    rows = emoji_sets(seed)
    found = folds(rows, label_of, 5, Split(seed=seed))
    counts = in_tests(found)
    every = Counter(label for row in rows for label in labels_of(row))
    off = [abs(count[label] - every[label] / 5) for count in counts for label in every]
    # Drawn at random, a label of n rows is off by about 0.8 * sqrt(0.16 n): 1.3 on average here.
    assert sum(off) / len(off) < 0.7
    assert {len(fold.test) for fold in found} == {200}


def test_the_other_rows_are_divided_by_the_shares() -> None:
    found = folds(demo(), label_of, 5, Split(train=0.6, validation=0.2, test=0.2))
    for fold in found:
        assert (len(fold.train), len(fold.validation), len(fold.test)) == (150, 50, 50)
        assert set(Counter(map(label_of, fold.test)).values()) == {2}
        assert set(Counter(map(label_of, fold.train)).values()) == {6}
    assert len({fold.fingerprint for fold in found}) == 5
    assert ids(found[0].validation) != ids(found[1].validation)


def test_the_seed_decides() -> None:
    one, two = (folds(demo(), label_of, 5, Split(seed=seed)) for seed in (1, 2))
    assert {fold.fingerprint for fold in one}.isdisjoint(fold.fingerprint for fold in two)
    assert folds(demo(), label_of, 5, Split(seed=1)) == one


def test_a_group_larger_than_a_fold_leaves_none_empty() -> None:
    rows = rows_of([("same", "a")] * 60 + [(f"x{n}", "b") for n in range(40)])
    found = folds(rows, label_of, 5, Split())
    assert sorted(len(fold.test) for fold in found) == [10, 10, 10, 10, 60]


@pytest.mark.parametrize(
    ("pairs", "k", "needed"),
    [
        ([], 2, 2),
        ([(f"x{n}", "a") for n in range(4)], 5, 5),
        ([("x", "a"), ("Ｘ", "b"), ("y", "a"), ("y", "b")], 3, 3),
        ([("x", "a"), ("y", "a"), ("z", "a")], 2, 4),
    ],
)
def test_too_few_different_rows(pairs: list[tuple[str, str]], k: int, needed: int) -> None:
    with pytest.raises(InputError) as caught:
        folds(rows_of(pairs), label_of, k, Split())
    (problem,) = caught.value.problems
    assert problem.code == "data.too-few-for-folds"
    assert f"{needed} 件以上" in str(problem)


def test_rare_labels_are_allowed_and_told() -> None:
    pairs = [(f"x{n}", "often") for n in range(20)] + [("y", "rare"), ("z", "two"), ("w", "two")]
    rows = rows_of([*pairs, ("ｗ", "two")])
    found = folds(rows, label_of, 5, Split())
    assert [count["rare"] for count in in_tests(found)].count(1) == 1
    told = rarer_than_folds(rows, label_of, 5)
    assert told is not None
    assert told.fields["count"] == 2
    assert "rare (1)、two (2)" in str(told)
    assert rarer_than_folds(rows[:20], label_of, 5) is None


# --- named files ---


def test_a_named_validation_file_is_the_same_in_every_fold() -> None:
    rows = demo()
    files = Files(tuple(rows[:200]), tuple(rows[200:]), None, ())
    found = fold_files(files, label_of, 4, Split())
    for fold in found:
        assert list(fold.validation) == rows[200:]
        assert len(fold.test) == 50
        assert ids(fold.train) | ids(fold.test) == ids(rows[:200])
    assert ids([row for fold in found for row in fold.test]) == ids(rows[:200])


def test_two_rows_suffice_beside_a_validation_file() -> None:
    rows = demo()
    found = fold_files(Files(tuple(rows[:2]), tuple(rows[2:3]), None, ()), label_of, 2, Split())
    assert [(len(fold.train), len(fold.test)) for fold in found] == [(1, 1), (1, 1)]


def test_no_named_files_are_folds_of_the_training_file() -> None:
    files = Files(tuple(demo()), None, None, ())
    assert fold_files(files, label_of, 5, Split()) == folds(demo(), label_of, 5, Split())


def test_a_named_test_file_is_refused() -> None:
    rows = demo()
    with pytest.raises(InputError) as caught:
        fold_files(Files(tuple(rows[:200]), None, tuple(rows[200:]), ()), label_of, 5, Split())
    assert "data.test を消す" in str(caught.value)
