"""Standard streams that are closed, full, or not UTF-8: work goes on, and nothing is garbled.

What is said on standard error is said beside the work: where it cannot be written, it is left out.
Standard output is the result: where that cannot be written, the command has failed.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from typing import TextIO, cast

_ESCAPED = "kunren.escaped"


def prepare() -> None:
    """Make the three streams safe to use; call it before anything opens a file."""
    for number in (0, 1, 2):
        _open_closed(number)
    codecs.register_error(_ESCAPED, _escape)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  (for good)
    sys.stdout = _escaping(sys.stdout)
    sys.stderr = cast("TextIO", _Forgiving(_escaping(sys.stderr)))


def finish() -> None:
    """Write out what standard output still holds.

    Raises:
        OSError: it cannot be written; the interpreter does not try again when it ends.
    """
    try:
        sys.stdout.flush()
    except OSError:
        give_up_output()
        raise


def give_up_output() -> None:
    """Let the interpreter's last flush go nowhere, so that it adds no message of its own."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_closed(number: int) -> None:
    """Put something harmless where a stream was closed.

    Else the next file to be opened gets its number, and what a library prints to standard error
    lands in that file.
    """
    try:
        os.fstat(number)
    except OSError:
        # The lowest free number is taken, which is this one: those below are open by now.
        os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)


def _escaping(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  (for good)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_ESCAPED)
    return stream


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    r"""What an encoding cannot write, as JSON would escape it: ``\ud83d\ude02``.

    So JSON stays JSON, and half a surrogate pair in a text can be shown at all.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = zip(units[::2], units[1::2], strict=True)
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in pairs), error.end


class _Forgiving(io.TextIOBase):
    """A stream whose failures are nobody's concern."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    @property
    def buffer(self) -> object:
        return self._stream.buffer

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True
