"""How long a training is going to take, from what can be known, and what that rests on."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean as mean
from typing import Any, Literal

import numpy as np
import yaml

from kunren.check import Reading, steps_of
from kunren.doctor.reading import counted, length
from kunren.models.outline import Sizes
from kunren.plan import Plan
from kunren.records.provenance import machine

MEASURED = 1.5
"""Of two runs of one config on one machine the slower took up to this many times the faster's time,
where other work went on beside it."""

EFFICIENCY = (0.25, 1.0)
"""Speed of training as a share of that of a float32 matrix product. bfloat16, where a processor has
it, is faster than float32; norms, attention, the optimiser and waiting take that back and more. In
Gemma 3 270M's trainings of the examples it was 0.3 to 0.6 on one machine (Xeon with AMX, 2 cores)
and about 0.9 on another (Zen 4)."""

STEP = (0.05, 0.6)
"""Seconds of a step beside that: small operations, the optimiser, and its part of the evaluations
and checkpoints after each epoch. In trainings of the examples' small models, whose products take
next to no time, a step took 0.2 to 0.7."""

_SIZE, _MATRICES, _TIMES = 64, 64, 12
_PASSES = {"full": 6, "lora": 4}
"""Operations for each weight and token: forward 2, backward 2 to the inputs and 2 to the weights
(Kaplan et al. 2020), the last of which LoRA saves for all but its own few."""


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds of training, without the evaluation before and after.

    Attributes:
        low: at the least.
        high: at the most.
        basis: measured: rate of an earlier run; estimated: from weights, tokens and this machine.
        run: the earlier run's name.
    """

    low: float
    high: float
    basis: Literal["measured", "estimated"]
    run: str | None = None


def expected(plan: Plan, reading: Reading | None, records: Path) -> Duration | None:
    """How long all trainings of an experiment will take; None: it cannot be told.

    Args:
        plan: the experiment.
        reading: its rows as tokens; None: the model is not there.
        records: the folder of earlier runs.
    """
    config = plan.config
    trainings = len(plan.folds) * max(1, len(config.evaluate.seeds))
    rows = len(plan.rows["train"] if config.model.family == "causal" else plan.items["train"])
    work = rows * config.train.epochs * trainings
    earlier = next(_rates(plan, records), None)
    if earlier is not None:
        rate, name = earlier
        seconds = work / rate
        return Duration(seconds / MEASURED, seconds * MEASURED, "measured", name)
    if reading is None or reading.sizes is None or shutil.which("nvidia-smi"):
        return None
    seconds = _operations(plan, reading, reading.sizes) * work / _speed()
    steps = steps_of(plan).total * trainings
    low = seconds / EFFICIENCY[1] + steps * STEP[0]
    high = seconds / EFFICIENCY[0] + steps * STEP[1]
    return Duration(low, high, "estimated")


def _operations(plan: Plan, reading: Reading, sizes: Sizes) -> float:
    """Operations for a row: of the layers for each token, of the output for each it is to write."""
    looked_at = reading.examples["train"]
    read = sum(length(example) for example in looked_at)
    written = 0 if reading.family.name == "encoder" else sum(map(counted, looked_at))
    weights = read * (sizes.total - sizes.embeddings) + written * sizes.embeddings
    of_row = _PASSES[plan.config.tuning.kind] * weights / max(1, len(looked_at))
    return of_row if reading.whole else of_row / _longer(plan, [one.row_id for one in looked_at])


def _longer(plan: Plan, looked_at: Sequence[str]) -> float:
    """How many times as long as all rows for training some of them are, in characters."""
    size = {row.id: sum(len(m.content) for m in row.messages) for row in plan.rows["train"]}
    return mean(size[name] for name in looked_at) / mean(size.values())


def _rates(plan: Plan, records: Path) -> Iterator[tuple[float, str]]:
    """Rows a second of earlier runs like this one on this machine, the newest first."""
    here = machine()
    found = [p for p in records.glob("*/manifest.json") if (p.parent / "config.yaml").is_file()]
    for path in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            said: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            then = yaml.safe_load((path.parent / "config.yaml").read_text(encoding="utf-8"))
        except (ValueError, RecursionError, yaml.YAMLError, OSError):
            continue
        rate = (said.get("training") or {}).get("rows_per_second")
        if rate and _alike(plan, then, said.get("machine") or {}, here):
            yield float(rate), path.parent.name


def _alike(
    plan: Plan, then: Mapping[str, Any], machine_then: Mapping[str, Any], here: Mapping[str, Any]
) -> bool:
    config = plan.config
    same = ("system", "processor", "cores")
    data = Path(str((then.get("data") or {}).get("train", ""))).name
    return (
        all(machine_then.get(key) == here.get(key) for key in same)
        and Path(str((then.get("model") or {}).get("id"))).name == Path(config.model.id).name
        and (then.get("tuning") or {}).get("kind", "full") == config.tuning.kind
        and data == Path(config.data.train).name
    )


def _speed() -> float:
    """Operations a second of this machine's float32 matrix products, measured within 0.01 s.

    Of one thread, times the threads that training will have. Small matrices, which no BLAS divides
    among threads, reach 80 to 90 % of the speed of large ones. PyTorch's own library may know
    instructions that NumPy's does not, and ``OPENBLAS_CORETYPE`` may hold NumPy's back: the time
    told is too long then, never too short.
    """
    here = machine()
    threads = int(here["usable_cores"] or here["cores"] or 1)
    set_to = os.environ.get("OMP_NUM_THREADS", "")
    if set_to.isdecimal() and int(set_to):
        threads = min(threads, int(set_to))
    return threads * 2 * _MATRICES * _SIZE**3 / _seconds_of_product()


def _seconds_of_product() -> float:
    """The best of several, by this thread's own time: what else runs now will not in an hour."""
    matrices = np.ones((_MATRICES, _SIZE, _SIZE), dtype=np.float32)
    product = np.empty_like(matrices)
    taken = []
    for _ in range(_TIMES):
        begun = time.thread_time()
        np.matmul(matrices, matrices[0], out=product)
        taken.append(time.thread_time() - begun)
    return min(taken)
