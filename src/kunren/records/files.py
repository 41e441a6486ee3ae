"""Writing files so that a reader never sees half of one, and reading them back."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: a temporary file in the same folder, synced, then renamed.

    A process that is killed leaves the old file or the new one, never a part.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, content.encode("utf-8"))


class Growing:
    """A file of lines that takes its name when all of them are written.

    Until then it is ``NAME.partial`` beside what there is under the name. Where writing ends early
    it stays, with all lines until then. What is no regular file (a device, a pipe) is written to as
    it is.

    Attributes:
        lines: how many are written.
        kept: the partial file, where writing ended early; None: it did not, or nothing was written.

    Raises:
        OSError: it cannot be opened, or no more can be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(os.path.realpath(path))
        whole = self._path.exists() and not self._path.is_file()
        partial = self._path.with_name(f"{self._path.name}.partial")
        self._partial = self._path if whole else partial
        if self._path.is_file() and not os.access(self._path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._file = self._partial.open("w", encoding="utf-8")
        self.lines = 0
        self.kept: Path | None = None

    def write(self, line: str) -> None:
        """Write one line, so that it is there whatever happens next."""
        self._file.write(line + "\n")
        self._file.flush()
        self.lines += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with suppress(OSError):
            self._file.close()
        if self._partial == self._path:
            return
        if kind is None:
            self._partial.replace(self._path)
        elif self.lines:
            self.kept = self._partial
        else:
            self._partial.unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Write JSON atomically.

    Raises:
        ValueError: a number is NaN or infinite; a missing number is None.
    """
    said = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    write_text(path, said + "\n")


def write_jsonl(path: Path, rows: Iterable[object]) -> None:
    """Write one JSON value a line atomically. NaN is refused as in ``write_json``."""
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    write_text(path, "".join(lines))


def write_csv(path: Path, rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Write a CSV with a header atomically; None becomes an empty cell."""
    held = io.StringIO(newline="")
    writer = csv.DictWriter(held, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, held.getvalue())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: it is none, or nested too deeply.
    """
    return _loaded(path.read_text(encoding="utf-8"))


def _loaded(said: str) -> Any:
    try:
        return json.loads(said)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_jsonl(path: Path) -> list[Any]:
    """Read a JSONL file. Only a line feed ends a line: texts may hold U+2028 and its like."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [_loaded(line) for line in lines if line.strip()]
