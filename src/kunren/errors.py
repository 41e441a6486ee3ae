"""Coded errors: what happened, where, and how to mend it."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kunren.messages import catalogue, text
from kunren.types import Where


class KunrenWarning(UserWarning):
    """Something the user should know that does not stop the work."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with what the user gave.

    Attributes:
        code: key of the message, ``area.name``; the stable name of the problem.
        where: file and line, if it has a place.
        fields: values of the message's placeholders.
    """

    code: str
    where: Where | None = None
    fields: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        said = text(self.code, **self.fields)
        return said if self.where is None else f"{self.where}: {said}"


def os_reason(error: OSError) -> Problem | str:
    """Why the system refused, as a problem without a place; its own words where we have none.

    For the ``detail`` of a problem: it is worded where that is shown.
    """
    name = errno.errorcode.get(error.errno or 0, "")
    return Problem(f"os.{name}") if name in catalogue("os") else error.strerror or str(error)


class KunrenError(Exception):
    """Base of all errors that are told to the user without a traceback."""

    exit_code = 1

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = (
            (problems,) if isinstance(problems, Problem) else tuple(problems)
        )
        super().__init__("\n".join(p.code for p in self.problems))

    def __str__(self) -> str:
        return "\n".join(str(p) for p in self.problems)


class InputError(KunrenError):
    """The config, the data or the arguments are wrong; raised before work starts."""

    exit_code = 2


class TrainingStopped(KunrenError):  # noqa: N818 - it is the guard that stopped, not a crash
    """Training met something that makes its result worthless (a non-finite loss or gradient)."""

    exit_code = 1


class BrokenMetric(KunrenError):  # noqa: N818 - the metric is at fault, not the user's input
    """A metric does not give gold its best value, so no number of it can be believed."""

    exit_code = 1


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


def refused(error: OSError) -> KunrenError:
    """What the system refused to do, as an error that can be told."""
    named = error.filename if isinstance(error.filename, str) else None
    code = "os.cannot-write" if error.errno in _NO_ROOM else "os.refused"
    where = None if named is None else Where(named)
    return KunrenError(Problem(code, where, {"reason": os_reason(error)}))
