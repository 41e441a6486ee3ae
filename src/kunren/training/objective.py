"""What each family's batches are and what is minimised over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from kunren.config.schema import LossConfig
from kunren.errors import InputError, Problem
from kunren.training.collate import Collator, LabelCollator, PairCollator
from kunren.training.kernels import reads_blocks
from kunren.training.loss import HeadLoss, Loss, SetLoss, TokenLoss
from kunren.types import AnyExample, Example, LabelExample, PairExample


@dataclass(frozen=True)
class Request:
    """What an objective is made from.

    Attributes:
        model: the model.
        pad: token id for filling.
        train: the training rows.
        config: the loss.
        class_weights: of the head's labels; None: all count 1.
        levels: the upper levels of a hierarchy; see ``HeadLoss``.
        share_prefix: see ``Collator``.
        fast: whether the forwards of ``kernels.fast_cpu`` will be in place.
    """

    model: Any
    pad: int
    train: Sequence[Any]
    config: LossConfig
    class_weights: Sequence[float] | None
    levels: Sequence[Sequence[int]]
    share_prefix: bool
    fast: bool


@dataclass(frozen=True)
class Objective:
    """How rows become batches, and the loss of a batch.

    Attributes:
        collator: from (row number, example) pairs to a batch.
        loss: from the model's outputs on it to what is minimised.
        train: the training rows, with weights of mean 1 over all that is counted.
    """

    collator: Callable[[Sequence[tuple[int, Any]]], dict[str, Any]]
    loss: Loss
    train: Sequence[AnyExample]


def _causal(asked: Request) -> Objective:
    collator = Collator(
        asked.model.config,
        share_prefix=asked.share_prefix,
        fill_with=asked.pad,
        multiple_of=16 if asked.fast else 1,
        with_blocks=asked.fast and reads_blocks(asked.model),
    )
    rows: Sequence[Example] = asked.train
    if any(row.weights for row in rows):
        rows = [replace(r, weights=r.weights or (1.0,) * len(r.input_ids)) for r in rows]
        mean = _mean(w for r in rows for w, t in zip(r.weights, r.trained, strict=True) if t)
        rows = [replace(r, weights=tuple(w / mean for w in r.weights)) for r in rows]
    return Objective(collator, TokenLoss(asked.config), rows)


def _seq2seq(asked: Request) -> Objective:
    collator = PairCollator(asked.pad, asked.model.prepare_decoder_input_ids_from_labels)
    rows: Sequence[PairExample] = asked.train
    mean = _mean(row.weight for row in rows for _ in row.target_ids)
    if mean != 1:
        rows = [replace(row, weight=row.weight / mean) for row in rows]
    return Objective(collator, TokenLoss(asked.config), rows)


def _encoder(asked: Request) -> Objective:
    config, weights = asked.model.config, None
    rows: Sequence[LabelExample] = asked.train
    multi_label = config.problem_type == "multi_label_classification"
    mean = _mean(row.weight for row in rows if row.counted)
    if mean != 1:
        rows = [replace(row, weight=row.weight / mean) for row in rows]
    if asked.class_weights is not None:
        weights = torch.tensor(asked.class_weights)
        if multi_label:  # every label of every row counts
            weights = weights / _mean(asked.class_weights)
        else:
            weights = weights / _mean(asked.class_weights[n] for row in rows for n in row.labels)
    if multi_label:
        labels = LabelCollator(asked.pad, config.num_labels)
        return Objective(labels, SetLoss(asked.config, weights), rows)
    head = HeadLoss(asked.config, weights, asked.levels)
    return Objective(LabelCollator(asked.pad), head, rows)


_BY_FAMILY: Mapping[str, Callable[[Request], Objective]] = {
    "causal": _causal,
    "seq2seq": _seq2seq,
    "encoder": _encoder,
}


def objective(family: str, asked: Request) -> Objective:
    """The objective of a family.

    Raises:
        InputError: all that is to be trained has weight 0.
    """
    return _BY_FAMILY[family](asked)


def _mean(weights: Iterable[float]) -> float:
    """Mean weight; 1 where there are none."""
    given = list(weights)
    if not given:
        return 1.0
    if not sum(given):
        raise InputError(Problem("train.weights-zero"))
    return sum(given) / len(given)
