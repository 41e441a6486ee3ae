"""How training is cut into steps; nothing here needs a model."""

from __future__ import annotations

import math

from kunren.config.schema import TrainConfig


def per_epoch(batches: int, config: TrainConfig) -> int:
    """Optimiser steps an epoch: the last one may have fewer batches than the others."""
    return -(-batches // config.gradient_accumulation)


def count(rows: int, config: TrainConfig) -> tuple[int, int, int]:
    """Steps an epoch, steps in all, and steps of warm-up, of one process.

    Args:
        rows: training examples.
        config: how they are cut into batches and steps.
    """
    each = per_epoch(-(-rows // config.batch_size), config)
    total = config.epochs * each
    # As TrainingArguments.get_warmup_steps: below 1 it is a share.
    warmup = int(config.warmup) if config.warmup >= 1 else math.ceil(total * config.warmup)
    return each, total, warmup
