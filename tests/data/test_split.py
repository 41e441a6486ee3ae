"""Splits have the right sizes, are balanced, leak nothing, and can be made again."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.data.labelled import (
    DISTINCT,
    LABELS,
    REPEATED,
    SETS,
    demo,
    emoji_sets,
    label_of,
    labels_of,
    row,
    rows_of,
    shares,
)

from kunren.config.schema import Split
from kunren.data.duplicates import groups, overlaps, question
from kunren.data.placing import largest_remainder
from kunren.data.read import Files
from kunren.data.records import LIST_SEPARATOR
from kunren.data.split import Splits, split, split_files
from kunren.errors import InputError
from kunren.types import Message, Row, Where


def sides(splits: Splits) -> dict[str, tuple[Row, ...]]:
    return {"train": splits.train, "validation": splits.validation, "test": splits.test}


@given(DISTINCT, shares())
def test_sizes_are_exact(rows: list[Row], config: Split) -> None:
    found = split(rows, label_of, config)
    sizes = [len(found.train), len(found.test), len(found.validation)]
    expected = largest_remainder(len(rows), [config.train, config.test, config.validation])
    if min(expected) > 0:
        assert sizes == expected
    assert min(sizes) > 0
    assert sum(sizes) == len(rows)


@given(REPEATED, shares())
def test_every_row_is_on_one_side_and_copies_are_together(rows: list[Row], config: Split) -> None:
    assume(len(groups(rows)) >= 3)
    found = sides(split(rows, label_of, config))
    assert all(found.values())
    assert sorted(r.id for side in found.values() for r in side) == sorted(r.id for r in rows)
    for side in found.values():
        assert all(a.where.line < b.where.line for a, b in pairwise(side))  # type: ignore[operator]
    asked = [{question(r) for r in side} for side in found.values()]
    assert not asked[0] & asked[1]
    assert not asked[0] & asked[2]
    assert not asked[1] & asked[2]


@given(
    st.lists(LABELS, min_size=40, max_size=80),
    st.lists(st.tuples(st.integers(2, 9), LABELS), max_size=10),
    shares(least=5),
)
def test_single_rows_make_up_for_groups(
    singles: list[str], copied: list[tuple[int, str]], config: Split
) -> None:
    pairs = [(f"single {n}", label) for n, label in enumerate(singles)]
    pairs += [(f"copied {n}", la) for n, (size, la) in enumerate(copied) for _ in range(size)]
    rows = rows_of(pairs)
    found = split(rows, label_of, config)
    expected = largest_remainder(len(rows), [config.train, config.test, config.validation])
    assert [len(found.train), len(found.test), len(found.validation)] == expected


@given(st.lists(LABELS, min_size=60, max_size=120), shares(least=5, most=40))
def test_every_label_is_trained(labels: list[str], config: Split) -> None:
    rows = rows_of([(f"text {n}", label) for n, label in enumerate(labels)])
    assert {label_of(r) for r in split(rows, label_of, config).train} == set(labels)


@given(st.lists(st.integers(10, 30), min_size=2, max_size=8), shares(most=40))
def test_labels_are_shared_out_as_the_sizes_are(sizes: list[int], config: Split) -> None:
    pairs = [(f"{label} {n}", f"{label}") for label, size in enumerate(sizes) for n in range(size)]
    found = sides(split(rows_of(pairs), label_of, config))
    for name, share in (("validation", config.validation), ("test", config.test)):
        counted = Counter(map(label_of, found[name]))
        for label, size in enumerate(sizes):
            assert abs(counted[str(label)] - size * share) < 2


@given(REPEATED, shares(), st.randoms(use_true_random=False))
def test_neither_order_nor_ids_matter(
    rows: list[Row], config: Split, chance: random.Random
) -> None:
    assume(len(groups(rows)) >= 3)
    first = split(rows, label_of, config)
    assert split(rows, label_of, config) == first
    shuffled = [replace(r, id=f"other {r.id}") for r in rows]
    chance.shuffle(shuffled)
    second = split(shuffled, label_of, config)
    for name, side in sides(first).items():
        assert Counter(r.messages for r in side) == Counter(r.messages for r in sides(second)[name])
    back = [replace(r, id=r.id.removeprefix("other ")) for r in shuffled]
    assert split(back, label_of, config).fingerprint == first.fingerprint


def test_the_order_of_labels_in_a_bundle_makes_no_difference() -> None:
    bundles = {"t0": "aaaaabcaaaaacdd", "t2": "cda", "t1": "acd"}
    pairs = [(text, label) for text, labels in bundles.items() for label in labels]
    config = Split(train=0.97, validation=0.01, test=0.02, seed=0)
    found = set()
    for seed in range(20):
        random.Random(seed).shuffle(pairs)
        found.add(frozenset(r.messages for r in split(rows_of(pairs), label_of, config).test))
    assert len(found) == 1


def test_the_demo_is_split_evenly() -> None:
    found = split(demo(), label_of, Split())
    for side, each in ((found.train, 8), (found.validation, 1), (found.test, 1)):
        assert set(Counter(map(label_of, side)).values()) == {each}
        assert len({label_of(r) for r in side}) == 25


def test_the_seed_decides() -> None:
    one, two = (split(demo(), label_of, Split(seed=seed)) for seed in (1, 2))
    assert {r.id for r in one.test} != {r.id for r in two.test}
    assert one.fingerprint != two.fingerprint


def test_rare_labels_go_to_training_first() -> None:
    pairs = [(f"x{n}", "often") for n in range(90)] + [(f"y{n}", f"rare{n}") for n in range(10)]
    found = split(rows_of(pairs), label_of, Split())
    assert len({label_of(r) for r in found.train}) == 11
    assert {label_of(r) for r in (*found.validation, *found.test)} == {"often"}


def test_copied_rows_of_a_minority_are_held_out_too() -> None:
    # Oversampling a rare label by copying its rows is common; the label must still be tested.
    pairs = [(f"x{n}", "often") for n in range(180)] + [(f"y{n}", "rare") for n in range(10)] * 2
    found = split(rows_of(pairs), label_of, Split())
    assert len(found.train) == 160
    for side in (found.validation, found.test):
        assert Counter(map(label_of, side)) == {"often": 18, "rare": 2}


def test_copies_with_other_spelling_and_label_stay_together() -> None:
    pairs = [(f"x{n}", "a") for n in range(30)]
    pairs += [("Ｘ０ ", "b"), ("x0", "b"), ("x１", "a"), ("x2　", "b")]
    found = split(rows_of(pairs), label_of, Split())
    ids = [{r.id for r in side} for side in sides(found).values()]
    for together in ({"r1", "r31", "r32"}, {"r2", "r33"}, {"r3", "r34"}):
        assert any(together <= side for side in ids)


def test_the_same_text_under_two_system_prompts_is_not_a_copy() -> None:
    rows = demo()[:2]
    system = Message("system", "s")
    other = replace(rows[0], id="z", messages=(system, *rows[0].messages))
    assert len(groups([*rows, other])) == 3


def test_half_of_all_rows_the_same_text() -> None:
    pairs = [("same", "a")] * 60 + [(f"x{n}", "b") for n in range(40)]
    found = split(rows_of(pairs), label_of, Split())
    assert (len(found.train), len(found.validation), len(found.test)) == (80, 10, 10)


def test_a_group_larger_than_any_side_leaves_none_empty() -> None:
    pairs = [("same", "a")] * 95 + [(f"x{n}", "b") for n in range(5)]
    found = split(rows_of(pairs), label_of, Split())
    assert min(len(side) for side in sides(found).values()) >= 1
    assert sum(len(side) for side in sides(found).values()) == 100


@pytest.mark.parametrize("pairs", [[], [("x", "a")], [("x", "a"), ("Ｘ", "b"), ("y", "a")]])
def test_too_few_different_rows(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(InputError) as caught:
        split(rows_of(pairs), label_of, Split())
    assert "少なくとも 3 件" in str(caught.value)


# --- sets of labels ---


@given(SETS, shares(), st.randoms(use_true_random=False))
def test_sets_are_split_into_exact_sizes_whatever_the_order(
    rows: list[Row], config: Split, chance: random.Random
) -> None:
    found = split(rows, label_of, config)
    sizes = [len(found.train), len(found.test), len(found.validation)]
    expected = largest_remainder(len(rows), [config.train, config.test, config.validation])
    if min(expected) > 0:
        assert sizes == expected
    assert min(sizes) > 0
    shuffled = list(rows)
    chance.shuffle(shuffled)
    assert split(shuffled, label_of, config).fingerprint == found.fingerprint


@given(
    st.lists(st.sets(LABELS, min_size=1, max_size=4), min_size=40, max_size=80),
    shares(least=5, most=30),
)
def test_every_label_of_a_set_is_trained(found: list[set[str]], config: Split) -> None:
    pairs = [(f"text {n}", LIST_SEPARATOR.join(sorted(one))) for n, one in enumerate(found)]
    trained = {la for r in split(rows_of(pairs), label_of, config).train for la in labels_of(r)}
    assert trained == {label for one in found for label in one}


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_sets_are_shared_out_evenly(seed: int) -> None:
    rows = emoji_sets(seed)
    found = split(rows, label_of, Split(seed=seed))
    count = Counter(label for r in rows for label in labels_of(r))
    common = [label for label in count if count[label] >= 10]
    for side in (found.validation, found.test):
        assert len(side) == 100
        there = Counter(label for r in side for label in labels_of(r))
        off = [abs(there[label] - count[label] / 10) for label in common]
        # Drawn at random, a label of n rows is off by sqrt(0.09 n): 1.6 on average here.
        assert sum(off) / len(off) < 0.8
        # Rare labels are tested too: the test rows are no easier than the others.
        rare = sum(there[label] for label in there if count[label] < 10) / sum(there.values())
        assert rare > 0.5 * sum(n for n in count.values() if n < 10) / sum(count.values())
    asked = [{question(r) for r in side} for side in sides(found).values()]
    assert not asked[0] & asked[1]
    assert not asked[0] & asked[2]
    assert not asked[1] & asked[2]


def files(train: list[Row], validation: list[Row] | None, test: list[Row] | None) -> Files:
    held = [None if rows is None else tuple(rows) for rows in (validation, test)]
    return Files(tuple(train), held[0], held[1], ())


def test_named_files_are_taken_as_they_are() -> None:
    rows = demo()
    found = split_files(files(rows[:9], rows[9:11], rows[11:12]), label_of, Split())
    assert list(found.train) == rows[:9]
    assert list(found.validation) == rows[9:11]
    assert list(found.test) == rows[11:12]


def test_one_named_file_leaves_its_share_to_training() -> None:
    rows = demo()
    found = split_files(files(rows[:200], None, rows[200:]), label_of, Split())
    assert (len(found.train), len(found.validation), len(found.test)) == (180, 20, 50)
    found = split_files(files(rows[:200], rows[200:], None), label_of, Split(train=0.6, test=0.3))
    assert (len(found.train), len(found.validation), len(found.test)) == (140, 50, 60)


def test_no_named_files_is_split() -> None:
    assert split_files(files(demo(), None, None), label_of, Split()) == split(
        demo(), label_of, Split()
    )


def test_fingerprint_covers_ids_contents_and_sides() -> None:
    rows = demo()
    base = split_files(files(rows[:8], rows[8:9], rows[9:10]), label_of, Split()).fingerprint
    renamed = [replace(rows[0], id="new"), *rows[1:8]]
    edited = [row(1, "別の文", "00"), *rows[1:8]]
    more = [replace(rows[0], fields={"context": "x"}), *rows[1:8]]
    for changed in (
        files(more, rows[8:9], rows[9:10]),
        files(renamed, rows[8:9], rows[9:10]),
        files(edited, rows[8:9], rows[9:10]),
        files(rows[:8], rows[9:10], rows[8:9]),
        files(rows[:7], rows[8:9], rows[9:10]),
    ):
        assert split_files(changed, label_of, Split()).fingerprint != base
    turned = files(rows[:8][::-1], rows[8:9], rows[9:10])
    assert split_files(turned, label_of, Split()).fingerprint == base


def test_overlaps_know_rows_not_questions() -> None:
    train = rows_of([("x", "a"), ("y", "a"), ("y", "a")])
    test = rows_of([("ｘ", "b"), ("Y", "a")])
    (problem,) = overlaps({"train": train, "test": test})
    assert problem.where == Where("rows.jsonl", 2)
    assert "data.train" in str(problem)
    assert "rows.jsonl:2)" in str(problem)


def test_the_fingerprint_sees_what_turns_weigh_and_think() -> None:
    rows = [Row(str(n), (Message("user", f"問い{n}"), Message("assistant", "答え")), Where("a", n))
            for n in range(20)]  # fmt: skip
    kept = split(rows, lambda _: "", Split()).fingerprint
    assert split(rows, lambda _: "", Split()).fingerprint == kept
    for change in ({"weight": 0.5}, {"reasoning": "考える"}, {"calls": "[]"}):
        turned = replace(rows[0].messages[1], **change)
        other = [replace(rows[0], messages=(rows[0].messages[0], turned)), *rows[1:]]
        assert split(other, lambda _: "", Split()).fingerprint != kept
