"""Each label is on every side of a split where its rows allow it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.labelled import demo, label_of, labels_of, rows_of

from kunren.config.schema import Split
from kunren.data.records import LIST_SEPARATOR
from kunren.data.split import Splits, folds, split
from kunren.types import Row


def sides(found: Splits) -> list[tuple[Row, ...]]:
    return [found.train, found.validation, found.test]


def lacking(found: Splits, label: str) -> int:
    return sum(all(label not in labels_of(row) for row in side) for side in sides(found))


def mails(spam: int, others: int) -> list[Row]:
    pairs = [(f"会議の件 {n}", "通常") for n in range(others)]
    return rows_of([*pairs, *((f"今だけ半額 {n}", "迷惑") for n in range(spam))])


@pytest.mark.parametrize("spam", [3, 4, 6, 9])
@pytest.mark.parametrize("seed", range(8))
def test_a_rare_label_is_on_every_side(spam: int, seed: int) -> None:
    found = split(mails(spam, 120), label_of, Split(seed=seed))
    assert lacking(found, "迷惑") == 0
    whole = split([*mails(0, 120 + spam)], label_of, Split(seed=seed))
    assert list(map(len, sides(found))) == list(map(len, sides(whole)))


def test_copies_of_a_rare_row_count_as_one() -> None:
    copied = rows_of([(f"見積もり {n}", "通常") for n in range(60)] + [("当選", "迷惑")] * 4)
    assert lacking(split(copied, label_of, Split()), "迷惑") == 2
    more = rows_of(
        [(f"見積もり {n}", "通常") for n in range(60)]
        + [(said, "迷惑") for said in ("当選", "無料", "出会い") for _ in range(2)]
    )
    assert lacking(split(more, label_of, Split()), "迷惑") == 0


@given(st.lists(st.integers(3, 6), min_size=1, max_size=3), st.integers(0, 2**16))
def test_a_few_rare_labels_are_on_every_side_and_sizes_are_kept(
    sizes: list[int], seed: int
) -> None:
    pairs = [(f"普通 {n}", "普通") for n in range(100)]
    pairs += [(f"{size}{place} {n}", f"まれ{place}") for place, size in enumerate(sizes)
              for n in range(size)]  # fmt: skip
    found = split(rows_of(pairs), label_of, Split(seed=seed))
    assert all(lacking(found, f"まれ{place}") == 0 for place in range(len(sizes)))
    assert abs(len(found.test) - len(pairs) / 10) < 1


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_tag_is_on_every_side(seed: int) -> None:
    pairs = [(f"日記 {n}", LIST_SEPARATOR.join(["雑記", f"t{n % 4}"])) for n in range(90)]
    pairs += [(f"山 {n}", LIST_SEPARATOR.join(["雑記", "登山"])) for n in range(4)]
    found = split(rows_of(pairs), label_of, Split(seed=seed))
    assert lacking(found, "登山") == 0
    assert len(found.train) == 75


def of_users(sizes: Sequence[int], rare: Sequence[int]) -> list[Row]:
    """Rows of users; the first row of each of ``rare`` has the rare label."""
    rows: list[Row] = []
    for user, size in enumerate(sizes):
        for number in range(size):
            label = "まれ" if user in rare and not number else "普通"
            one = rows_of([(f"{user} さんの {number} 件目", label)])[0]
            rows.append(replace(one, id=f"{user}-{number}", group=f"user {user}"))
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_groups_stay_together(seed: int) -> None:
    rows = of_users([4, 5, 6, 4, 5, 6, 3, 4, 5, 6, 7, 4, 5, 6, 4, 3, 5, 6, 4, 5], [1, 6, 11])
    found = split(rows, label_of, Split(train=0.7, validation=0.15, test=0.15, seed=seed))
    assert lacking(found, "まれ") == 0
    users = [{row.group for row in side} for side in sides(found)]
    assert sum(map(len, users)) == 20
    assert all(0.5 <= len(side) / (0.15 * len(rows)) <= 1.5 for side in sides(found)[1:])


@pytest.mark.parametrize("seed", range(4))
def test_each_fold_has_a_rare_label_on_every_side(seed: int) -> None:
    for found in folds(mails(9, 120), label_of, 5, Split(seed=seed)):
        assert lacking(found, "迷惑") == 0


def test_what_is_on_every_side_already_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    after = split(demo(), label_of, Split())
    monkeypatch.setattr("kunren.data.placing.spread", lambda *_: None)
    assert split(demo(), label_of, Split()).fingerprint == after.fingerprint


def test_a_side_with_few_rows_is_not_filled_with_rare_labels() -> None:
    # 40 labels of three rows each: ten validation rows that hold as many of them as they can would
    # tell nothing of the 180 other rows.
    pairs = [(f"普通 {n}", "普通") for n in range(180)]
    pairs += [(f"まれ {n}", f"まれ{n % 40}") for n in range(120)]
    found = split(rows_of(pairs), label_of, Split())
    counted = Counter(label_of(row) for row in found.validation)
    assert counted["普通"] == 18
    assert all(any(la in labels_of(r) for r in found.train) for la in {la for _, la in pairs})
