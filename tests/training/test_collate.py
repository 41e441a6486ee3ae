from __future__ import annotations

from typing import Any

import pytest
import tiny  # type: ignore[import-not-found]
import torch
from torch.nn.functional import cross_entropy

from kunren.training.blocks import Blocks
from kunren.training.collate import ROW_NUMBERS, WEIGHTS, Collator, LabelCollator, PairCollator
from kunren.training.loss import TokenLoss
from kunren.types import Example, LabelExample, PairExample


def collate(rows: list[Example], **settings: Any) -> dict[str, Any]:
    batch = Collator(tiny.llama().config, **settings)(list(enumerate(rows)))
    assert batch[ROW_NUMBERS].tolist() == list(range(len(rows)))
    return batch


def test_labels_are_the_trained_tokens_asked_for_one_position_before() -> None:
    rows = [
        Example("a", (2, 5, 10, 60, 1), (False, False, False, True, True)),
        Example("b", (2, 5, 11, 12, 61, 1), (False, False, False, False, True, True)),
    ]
    batch = collate(rows)
    assert batch["input_ids"].tolist() == [[2, 5, 10, 60, 11, 12, 61]]  # no row's last token
    assert batch["labels"].tolist() == [-100, 60, 1, 61, 1]
    assert batch["logits_to_keep"].tolist() == [2, 3, 5, 6]


def test_every_assistant_turn_of_a_row_is_trained() -> None:
    trained = (False, True, True, False, True)
    batch = collate([Example("a", (2, 30, 1, 31, 32), trained)])
    assert batch["labels"].tolist() == [-100, 30, 1, 32]
    assert batch["logits_to_keep"].tolist() == [0, 1, 3]


def test_answers_alone_may_differ_and_all_count() -> None:
    trained = (False, False, True, True)
    rows = [Example(str(token), (2, 5, token, 1), trained) for token in (60, 60, 61)]
    batch = collate(rows)
    assert batch["input_ids"].tolist() == [[2, 5, 60, 60, 61]]
    assert batch["labels"].tolist() == [-100, 60, 1, 60, 1, 61, 1]
    assert batch["logits_to_keep"].tolist() == [1, 2, 1, 3, 1, 4]


def test_rows_that_are_equal_count_each() -> None:
    row = Example("a", (2, 5, 60, 1), (False, False, True, True))
    batch = collate([row, row])
    assert batch["labels"].tolist() == [-100, 60, 1, 60, 1]


def test_filling_belongs_to_no_row() -> None:
    batch = collate(tiny.rows(3), multiple_of=16, fill_with=tiny.PAD, with_blocks=True)
    size = batch["input_ids"].shape[1]
    blocks = batch["blocks"]
    assert size % 16 == 0
    assert isinstance(blocks, Blocks)
    assert blocks.prefix + sum(blocks.lengths) == size
    filling = blocks.lengths[-1]
    assert batch["input_ids"][0, -filling:].eq(tiny.PAD).all()
    assert not batch["attention_mask"][0, 0, :-filling, -filling:].any()


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("make", [tiny.gemma, lambda: tiny.gemma(window=5), tiny.llama])
def test_loss_and_gradients_are_those_of_the_rows_one_by_one(make: Any, share: bool) -> None:
    rows = tiny.rows(6)
    model = make()
    single = 0.0
    for row in rows:
        logits = model(input_ids=torch.tensor([row.input_ids])).logits[0]
        kept = [i for i, trained in enumerate(row.trained) if trained]
        targets = torch.tensor([row.input_ids[i] for i in kept])
        loss = cross_entropy(logits[[i - 1 for i in kept]], targets, reduction="sum") / 12
        loss.backward()  # type: ignore[no-untyped-call]
        single += loss.item()
    expected = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    model.zero_grad(set_to_none=True)
    batch = Collator(model.config, share_prefix=share, multiple_of=8)(list(enumerate(rows)))
    batch.pop(ROW_NUMBERS)
    labels = batch.pop("labels")
    together = TokenLoss()(model(**batch), labels)
    together.backward()  # type: ignore[no-untyped-call]
    assert together.item() == pytest.approx(single, rel=1e-5)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(
                parameter.grad, expected[name], rtol=1e-4, atol=1e-5, msg=name
            )


def test_weights_follow_the_labels_and_are_left_out_where_all_are_1() -> None:
    trained = (False, True, True, False, True)
    row = Example("a", (2, 30, 1, 31, 32), trained, (9.0, 0.5, 2.0, 9.0, 3.0))
    plain = Example("b", (2, 40, 1), (False, True, True))
    assert collate([row, plain])[WEIGHTS].tolist() == [0.5, 2.0, 3.0, 1.0, 1.0]
    assert WEIGHTS not in collate([plain])


def test_pairs_are_padded_and_no_padding_is_a_label() -> None:
    shift = tiny.t5().prepare_decoder_input_ids_from_labels
    rows = [PairExample("a", (5, 6, 1), (7, 8, 1)), PairExample("b", (9, 1), (7, 1), 0.5)]
    batch = PairCollator(tiny.PAD, shift)(list(enumerate(rows)))
    assert batch["input_ids"].tolist() == [[5, 6, 1], [9, 1, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["labels"].tolist() == [[7, 8, 1], [7, 1, -100]]
    assert batch["decoder_input_ids"].tolist() == [[0, 7, 8], [0, 7, 1]]
    assert batch[WEIGHTS].tolist() == [1, 1, 1, 0.5, 0.5]


def test_labels_of_a_head() -> None:
    rows = [LabelExample("a", (2, 5, 3), (4,)), LabelExample("b", (2, 3), ())]
    batch = LabelCollator(tiny.PAD)(list(enumerate(rows)))
    assert batch["input_ids"].tolist() == [[2, 5, 3], [2, 3, 0]]
    assert batch["labels"].tolist() == [4, -100]
    rows = [
        LabelExample("a", (2, 5, 3), (2, 0)),
        LabelExample("b", (2, 3), (), counted=False),  # a set of labels that the head has not
        LabelExample("c", (2, 3), ()),  # an empty set
    ]
    batch = LabelCollator(tiny.PAD, 3)(list(enumerate(rows)))
    assert batch["labels"].tolist() == [[1, 0, 1], [-100, -100, -100], [0, 0, 0]]
    assert WEIGHTS not in batch


@pytest.mark.parametrize("labels", [None, 5])
def test_weights_of_a_head_are_those_of_the_counted_rows(labels: int | None) -> None:
    rows = [
        LabelExample("a", (2, 5, 3), (4,), weight=0.5),
        LabelExample("b", (2, 3), (), counted=False, weight=9.0),
        LabelExample("c", (2, 3), (1,), weight=2.0),
    ]
    batch = LabelCollator(tiny.PAD, labels)(list(enumerate(rows)))
    assert batch[WEIGHTS].tolist() == [0.5, 2.0]
