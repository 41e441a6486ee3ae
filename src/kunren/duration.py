"""How long a training is going to take, from what can be known, and what that rests on."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from kunren.check import Reading, steps_of
from kunren.doctor.reading import length
from kunren.plan import Plan
from kunren.records.provenance import machine

MEASURED = 1.5
"""Of two runs of one config on one machine the slower took up to this many times the faster's time,
where other work went on beside it."""

EFFICIENCY = (0.1, 0.6)
"""Share of the speed of a large matrix product that training reaches; small ones are slower."""

_SIZE = 768
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
    looked_at = reading.examples["train"]
    tokens = sum(length(example) for example in looked_at) / max(1, len(looked_at))
    weights = reading.sizes.total - reading.sizes.embeddings
    operations = _PASSES[config.tuning.kind] * weights * tokens * work
    speed = _speed()
    low, high = (operations / (speed * share) for share in reversed(EFFICIENCY))
    # Below some hundredths of a second a step is all overhead.
    least = steps_of(plan).total * trainings * 0.02
    return Duration(max(low, least), max(high, 3 * least), "estimated")


def _rates(plan: Plan, records: Path) -> Iterator[tuple[float, str]]:
    """Rows a second of earlier runs like this one on this machine, the newest first."""
    here = machine()
    found = [p for p in records.glob("*/manifest.json") if (p.parent / "config.yaml").is_file()]
    for path in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            said: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            then = yaml.safe_load((path.parent / "config.yaml").read_text(encoding="utf-8"))
        except (ValueError, yaml.YAMLError, OSError):
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
    """Operations a second of this machine's matrix product in float32, measured."""
    matrix = np.ones((_SIZE, _SIZE), dtype=np.float32)
    matrix @ matrix  # warms up
    begun = time.perf_counter()
    matrix @ matrix
    return float(2 * _SIZE**3 / (time.perf_counter() - begun))
