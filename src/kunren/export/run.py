"""Exporting a run: what is checked before, and what is said where the tracker fails."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, cast

from kunren.errors import InputError, KunrenError, Problem
from kunren.export import EXPORTERS, REQUIRES
from kunren.export.content import Content, read_content
from kunren.textfile import excerpt

SQLITE = {"sqlalchemy": "sqlalchemy", "alembic": "alembic"}
"""What MLflow needs beside mlflow-skinny to write a database itself."""


class ExportFailed(KunrenError):  # noqa: N818 - the tracker failed; the run is as it was
    """The tracker did not take the run; the run itself is untouched."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Target:
    """Where to.

    Attributes:
        project: MLflow's experiment, Trackio's project, or the folder within TensorBoard's.
        uri: of MLflow's store or server.
        folder: of TensorBoard's logs or Trackio's database; None: the tracker's own choice.
        replace: whether an earlier export of the same run is to go.
    """

    project: str
    uri: str
    folder: Path | None
    replace: bool


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of it.

    Attributes:
        status: "already": the run was there, complete, and nothing was written.
        place: where it is.
        view: the command that shows it.
        left_out: files that the tracker cannot hold.
    """

    status: Literal["written", "replaced", "already"]
    place: str
    view: str
    left_out: tuple[str, ...] = ()


def without_password(said: str) -> str:
    """A text without the user names and passwords in its addresses."""
    return re.sub(r"://[^/@\s]*@", "://", said)


def export(folder: Path, to: str, target: Target) -> Exported:
    """Export a finished run.

    Args:
        folder: the run folder; it is only read.
        to: a name in ``EXPORTERS``.
        target: where to.

    Raises:
        InputError: not a finished run, or the tracker's package is not installed.
        ExportFailed: the tracker failed.
    """
    needed = dict(REQUIRES[to])
    if to == "mlflow" and target.uri.startswith("sqlite:"):
        needed |= SQLITE
    missing = [pip for name, pip in needed.items() if find_spec(name) is None]
    if missing:
        said: dict[str, object] = {"to": to, "command": f"pip install {' '.join(missing)}"}
        raise InputError(Problem("log.needs-package", None, said))
    if to == "tensorboard" and Path(target.project).name != target.project:
        raise InputError(Problem("log.bad-project", None, {"project": excerpt(target.project)}))
    content = read_content(folder)
    module, _, attribute = EXPORTERS[to].partition(":")
    # Trackers talk on standard output, which is for the result alone.
    chatter = io.StringIO()
    try:
        with redirect_stdout(chatter), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            carry_out = cast(
                "Callable[[Content, Target], Exported]",
                getattr(import_module(module), attribute),
            )
            return carry_out(content, target)
    except KunrenError:
        raise
    except Exception as error:
        detail = excerpt(without_password(f"{type(error).__name__}: {error}".strip()), 400)
        raise ExportFailed(Problem("log.failed", None, {"to": to, "detail": detail})) from error
