from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from kunren.models.packing import Segment, attention_mask, common_prefix, pack

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
import tiny  # type: ignore[import-not-found]


def test_positions_restart_and_go_on_after_the_parent() -> None:
    packed = pack([Segment([7, 8]), Segment([1, 2, 3], 0), Segment([4], 0), Segment([5, 6])])
    assert packed.input_ids.tolist() == [[7, 8, 1, 2, 3, 4, 5, 6]]
    assert packed.position_ids.tolist() == [[0, 1, 2, 3, 4, 2, 0, 1]]
    assert packed.starts == (0, 2, 5, 6)


def test_a_token_sees_its_own_segment_so_far_and_its_ancestors() -> None:
    packed = pack([Segment([7]), Segment([1, 2], 0), Segment([3], 0), Segment([4], 1)])
    seen = [row.nonzero()[:, 0].tolist() for row in packed.allowed[0, 0]]
    assert seen == [[0], [0, 1], [0, 1, 2], [0, 3], [0, 1, 2, 4]]


def test_a_parent_must_stand_before_its_children() -> None:
    with pytest.raises(ValueError, match="before its parent"):
        pack([Segment([1], 1), Segment([2])])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], 0),
        ([[1, 2, 3], [1, 2, 4]], 2),
        ([[1, 2], [1, 2]], 1),  # one token stays with each row
        ([[1, 2], [1, 2, 3]], 1),
        ([[5, 1], [1, 5]], 0),
    ],
)
def test_common_prefix(rows: list[list[int]], expected: int) -> None:
    assert common_prefix(rows) == expected


@pytest.mark.parametrize("window", [64, 4])
def test_a_forest_is_computed_as_each_of_its_texts_alone(window: int) -> None:
    model = tiny.gemma(window=window).eval()
    chance = torch.Generator().manual_seed(0)

    def tokens(count: int) -> list[int]:
        return torch.randint(3, tiny.VOCABULARY, (count,), generator=chance).tolist()

    root, branch, leaves, other = tokens(6), tokens(3), [tokens(2), tokens(5)], tokens(4)
    packed = pack(
        [
            Segment(root),
            Segment(branch, 0),
            *(Segment(leaf, 1) for leaf in leaves),
            Segment(other),
        ]
    )
    mask = attention_mask(packed, model.config.layer_types, model.config.sliding_window)
    with torch.no_grad():
        together = model(
            input_ids=packed.input_ids, position_ids=packed.position_ids, attention_mask=mask
        ).logits[0]
        for number, text in [
            (2, root + branch + leaves[0]),
            (3, root + branch + leaves[1]),
            (4, other),
        ]:
            own = len(leaves[number - 2]) if number < 4 else len(other)
            alone = model(input_ids=torch.tensor([text])).logits[0, -own:]
            start = packed.starts[number]
            torch.testing.assert_close(together[start : start + own], alone, rtol=0, atol=1e-4)
