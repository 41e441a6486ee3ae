"""Weights that cannot be written: libraries each have an error of their own for a full disk."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NUMBER = re.compile(r"\(os error (\d+)\)")
_LITTLE = 2**20
"""Free bytes below which a write of weights that failed has failed for want of room."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Let what cannot be written into ``folder`` be an ``OSError``, as it is everywhere else.

    safetensors gives the system's number in its text; torch (``inline_container``) only says that
    the file has not grown as it should.

    Raises:
        OSError: with the folder as its file name.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        number = _NUMBER.search(str(error))
        if number is not None:
            code = int(number[1])
        elif "inline_container" in str(error) or "PytorchStreamWriter" in str(error):
            code = errno.ENOSPC if shutil.disk_usage(folder).free < _LITTLE else errno.EIO
        else:
            raise
        raise OSError(code, os.strerror(code), str(folder)) from error
