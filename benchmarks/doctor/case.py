"""What a planted fault and a healthy run are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Moment = Literal["before", "during", "after"]

MOMENTS: tuple[Moment, ...] = ("before", "during", "after")
"""In their order: before training, while it runs, when it has ended."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """A kunren experiment that can be run.

    Attributes:
        config: its YAML.
        overrides: as ``--set`` takes them.
        bug: what of kunren's own code is replaced by a faulty version while it runs; most faults
            need none, but some are of a kind that kunren's code makes impossible.
    """

    config: Path
    overrides: tuple[str, ...] = ()
    bug: Callable[[], AbstractContextManager[object]] = field(default=nullcontext)


Made = Experiment | Path
"""An experiment that is to be run; or the folder of a run that another tool trained."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault.

    Attributes:
        name: short, unique.
        planted: what was done, in a few words.
        slugs: rules, guards or config errors that name this fault; any of them will do.
        earliest: the first moment at which it can be known at all.
        make: plants it in an empty folder.
    """

    name: str
    planted: str
    slugs: tuple[str, ...]
    earliest: Moment
    make: Callable[[Path], Made]


@dataclass(frozen=True, slots=True)
class Healthy:
    """One run without a fault.

    Attributes:
        name: short, unique.
        about: what kind of run it is, in a few words.
        make: makes it in an empty folder.
    """

    name: str
    about: str
    make: Callable[[Path], Made]
