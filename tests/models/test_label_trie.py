from __future__ import annotations

import pytest

from kunren.models.label_trie import Node, label_forest

END = 9


def test_labels_of_one_token_need_nothing_but_the_prompt() -> None:
    forest = label_forest([[1, END], [2, END], [3, END]])
    assert forest.nodes == ()
    assert forest.positions == 1
    assert forest.steps_position == (0, 0, 0)
    assert forest.steps_token == (1, 2, 3)


def test_labels_share_the_tokens_that_they_begin_with() -> None:
    forest = label_forest([[1, 2, 3, END], [1, 2, 4, END], [5, 6, END]])
    assert forest.nodes == (Node(1, 0), Node(2, 1), Node(5, 0))
    steps = zip(forest.steps_label, forest.steps_position, forest.steps_token, strict=True)
    assert list(steps) == [
        (0, 0, 1), (0, 1, 2), (0, 2, 3),
        (1, 0, 1), (1, 1, 2), (1, 2, 4),
        (2, 0, 5), (2, 3, 6),
    ]  # fmt: skip


def test_a_label_that_begins_another_is_told_from_it_by_its_end() -> None:
    forest = label_forest([[1, END], [1, 2, END]])
    assert forest.nodes == (Node(1, 0), Node(2, 1))
    steps = list(zip(forest.steps_label, forest.steps_position, forest.steps_token, strict=True))
    assert steps == [(0, 0, 1), (0, 1, END), (1, 0, 1), (1, 1, 2), (1, 2, END)]


def test_labels_with_the_same_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="same tokens"):
        label_forest([[1, END], [1, END]])
