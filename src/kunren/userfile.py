"""Files that a user named, read without harm.

What is no regular file (a folder, a device, a pipe) is never opened, and no more than
``MOST_BYTES`` are read of any: a device has no end, and a file may grow while it is read.
"""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG
from typing import IO

from kunren.errors import Problem, os_reason
from kunren.textfile import nearest_file, shown
from kunren.types import Where

MOST_BYTES = 2**30
"""Bytes of a file, and of what is packed in it: 20,000 long rows have a twentieth of it."""


def contents(path: Path, area: str = "data") -> bytes | Problem:
    """The bytes of a file, or why they cannot be had.

    Args:
        path: as the user named it.
        area: of the message that there is no such file: ``<area>.no-such-file`` and
            ``<area>.no-such-file-near`` say where such paths are written.
    """
    where = Where(shown(path))
    try:
        status = path.stat()
        if S_ISDIR(status.st_mode):
            return Problem("data.is-folder", where)
        if not S_ISREG(status.st_mode):
            return Problem(_kind(status.st_mode), where)
        if status.st_size > MOST_BYTES:
            return too_large(where, status.st_size)
        with path.open("rb") as file:
            return bounded(file, where)
    except FileNotFoundError:
        near = nearest_file(path)
        if near is None:
            return Problem(f"{area}.no-such-file", where)
        return Problem(f"{area}.no-such-file-near", where, {"nearest": near})
    except OSError as error:
        return Problem("data.unreadable", where, {"detail": os_reason(error)})
    except ValueError:  # no path can have it: U+0000, or half a character
        return Problem("data.impossible-path", where)


def bounded(stream: IO[bytes], where: Where) -> bytes | Problem:
    """All that a stream holds, unless it is more than ``MOST_BYTES``."""
    data = stream.read(MOST_BYTES + 1)
    return too_large(where, None) if len(data) > MOST_BYTES else data


def too_large(where: Where, size: int | None) -> Problem:
    """That a file is larger than is read; ``size`` in bytes, None: as far as it was read."""
    found = f"{(size or MOST_BYTES) / 2**30:,.1f} GB"
    return Problem("data.too-large", where, {"size": found, "most": f"{MOST_BYTES >> 30} GB"})


def located(folder: Path, written: str) -> Path:
    """Where a path of a config leads, written from ``folder`` or with ``~``.

    The home of a user who does not exist is left as it stands: there is no such file, then.
    """
    try:
        return folder / Path(written).expanduser()
    except RuntimeError:
        return folder / written


def real(path: Path) -> str:
    """What a path leads to through symbolic links; itself where that has no end."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return str(path)


def is_file(path: Path) -> bool:
    """Whether a regular file is there; also False where the system cannot tell.

    What may be a path or a list of words is too long for a name of a file.
    """
    try:
        return S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _kind(mode: int) -> str:
    """The message on what is no regular file."""
    if S_ISFIFO(mode):
        return "data.is-pipe"
    return "data.is-device" if S_ISCHR(mode) or S_ISBLK(mode) else "data.is-socket"
