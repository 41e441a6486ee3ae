"""Errors that nobody foresaw, as one message: what to do, and where the details are."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from datetime import datetime
from pathlib import Path

from kunren import __version__
from kunren.errors import KunrenError, Problem, refused

DEBUG = "KUNREN_DEBUG"
"""Set this variable to see the traceback itself."""


def wanted() -> bool:
    """Whether the user asked for tracebacks."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def told(error: Exception) -> KunrenError:
    """The error as one that can be told.

    What the system refused is told as that. Of anything else the traceback is kept in a file.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return refused(error)
    if isinstance(error, MemoryError):
        return KunrenError(Problem("cli.out-of-memory"))
    kind = type(error).__name__
    fields: dict[str, object] = {"kind": kind, "log": _kept(error), "debug": DEBUG}
    return KunrenError(Problem("cli.unforeseen", None, fields))


def _kept(error: Exception) -> str:
    """Where the traceback was written; without a disk to write to, how to see it."""
    lines = [
        f"kunren {__version__}, Python {platform.python_version()}, {platform.platform()}",
        " ".join(["kunren", *sys.argv[1:]]),
        *traceback.format_exception(error),
    ]
    content = "\n".join(lines).encode("utf-8", "backslashreplace")
    name = f"kunren_error_{datetime.now():%Y%m%d_%H%M%S}_{os.getpid()}.log"  # noqa: DTZ005
    for folder in (Path(tempfile.gettempdir()), Path.cwd()):
        try:
            (folder / name).write_bytes(content)
        except OSError:
            continue
        return str(folder / name)
    return f"{DEBUG}=1"
