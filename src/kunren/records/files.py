"""Writing files so that a reader never sees half of one, and reading them back."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from kunren.errors import InputError, Problem, os_reason
from kunren.types import Where

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
"""How a cell begins that a spreadsheet may compute (OWASP, "CSV Injection"); of Japanese ones also
the full-width signs."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: a temporary file in the same folder, synced, then renamed.

    A process that is killed leaves the old file or the new one, never a part.

    Raises:
        OSError: with the file's name, whatever it was that failed.
    """
    try:
        _replace(path, content)
    except OSError as error:
        error.filename = str(path)
        raise


def _replace(path: Path, content: bytes) -> None:
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
    """Write ``csv_text`` atomically."""
    write_text(path, csv_text(rows, columns))


def csv_text(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> str:
    """A CSV with a header; None becomes an empty cell.

    A text that a spreadsheet would run as a formula gets an apostrophe before it; numbers stay.
    """
    held = io.StringIO(newline="")
    writer = csv.DictWriter(held, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _inert(value) for name, value in row.items()} for row in rows)
    return held.getvalue()


def _inert(value: object) -> object:
    dangerous = isinstance(value, str) and _FORMULA.match(value) is not None
    return f"'{value}" if dangerous else value


def read_json(path: Path) -> Any:
    """Read a JSON file of a run folder.

    Raises:
        InputError: it cannot be read, or is no JSON.
    """
    content = read_text(path)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise broken(path, error) from None


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file whose top is an object.

    Raises:
        InputError: likewise, or it is something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise broken(path, TypeError())
    return content


def read_jsonl(path: Path) -> list[Any]:
    """Read a JSONL file. Only a line feed ends a line: texts may hold U+2028 and its like.

    Raises:
        InputError: it cannot be read, or a line is no JSON.
    """
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise broken(path, error, number) from None
    return rows


def read_text(path: Path) -> str:
    """Read a text file of a run folder.

    Raises:
        InputError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise broken(path, error) from None


def broken(path: Path, error: Exception, line: int | None = None) -> InputError:
    """That a file of a run folder is not what it should be, and why.

    Args:
        path: the file.
        error: what reading it raised.
        line: where, if the file was read line by line.
    """
    if isinstance(error, OSError):
        reason = os_reason(error)
    elif isinstance(error, UnicodeError):
        reason = Problem("record.broken-encoding")
    elif isinstance(error, json.JSONDecodeError):
        empty = not error.doc.strip()
        reason = Problem("record.broken-empty" if empty else "record.broken-json")
        line = line or (None if empty else error.lineno)
    elif isinstance(error, RecursionError):
        reason = Problem("record.broken-nesting")
    else:
        reason = Problem("record.broken-shape", None, {"detail": _named(error)})
    where = Where(str(path), line)
    return InputError(Problem("record.broken-file", where, {"detail": reason}))


def _named(error: Exception) -> str:
    """What a shape error was about: the key that is missing, or the kind of the error."""
    return f"{type(error).__name__} {error}".strip()
