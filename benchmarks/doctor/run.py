"""All cases, run one after the other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
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


def outcomes(cases: Sequence[Fault | Healthy]) -> Iterator[tuple[Fault | Healthy, Outcome]]:
    """Run the cases; what each leaves on disk is removed at once."""
    for case in cases:
        folder = Path(mkdtemp(prefix="doctor-"))
        try:
            yield case, measure(case, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
