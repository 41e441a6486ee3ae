"""All cases, run one after the other."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp

from benchmarks.doctor import faults_data, faults_model, faults_output, faults_training, healthy
from benchmarks.doctor.case import Fault, Healthy
from benchmarks.doctor.measure import Outcome, measure

FAULTS: tuple[Fault, ...] = (
    *faults_data.CASES, *faults_model.CASES, *faults_training.CASES, *faults_output.CASES
)  # fmt: skip

HEALTHY: tuple[Healthy, ...] = healthy.CASES

CASES: tuple[Fault | Healthy, ...] = (*FAULTS, *HEALTHY)


def chosen(names: Sequence[str]) -> list[Fault | Healthy]:
    """The cases of these names; none: all.

    Raises:
        KeyError: there is no case of a name.
    """
    known = {case.name: case for case in CASES}
    return [known[name] for name in names] if names else list(CASES)


def outcomes(
    cases: Sequence[Fault | Healthy], jobs: int
) -> Iterator[tuple[Fault | Healthy, Outcome]]:
    """Run the cases, as many at once as there are jobs, each with one thread."""
    fresh = get_context("spawn")  # torch does not survive a fork
    with ProcessPoolExecutor(jobs, mp_context=fresh) as workers:
        yield from zip(cases, workers.map(_outcome, [case.name for case in cases]), strict=True)


def _outcome(name: str) -> Outcome:
    """Run a case; what it leaves on disk is removed at once."""
    warnings.simplefilter("ignore")  # of what was planted
    (case,) = chosen([name])
    folder = Path(mkdtemp(prefix="doctor-"))
    try:
        return measure(case, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
