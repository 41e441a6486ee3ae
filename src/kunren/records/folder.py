"""The run folder: one experiment's record, and how far the experiment has come.

``status.json`` says which stage a run is in. While a process works on the run it holds a lock on
``work/lock``, which the system lets go when the process ends in any way, so a run that says
"running" and is not locked was interrupted. ``work/`` holds what only an unfinished run needs
(results of finished stages, checkpoints) and is removed when the run is finished.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, Self, cast

from filelock import BaseFileLock, FileLock, Timeout

from kunren.errors import InputError, KunrenError, Problem, TrainingStopped
from kunren.nearest import nearest
from kunren.records import files
from kunren.types import Where

SCHEMA = 1
STATUS_FILE = "status.json"

_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}

Status = Literal["running", "finished", "failed", "stopped", "interrupted"]
"""finished: complete; failed: an error; stopped: by a guard or by the user; interrupted: the
process was killed (never written, only found out)."""


@dataclass(frozen=True, slots=True)
class State:
    """How far a run is.

    Attributes:
        status: see ``Status``.
        stage: the stage that the run is in, or ended in.
        started: when it was created, ISO 8601 with the offset of local time.
        updated: when the stage last changed.
        pid: the process that wrote it.
        error: what was said when it failed or was stopped.
        codes: codes of the problems, such as ``training.non-finite``.
    """

    status: Status
    stage: str
    started: str
    updated: str
    pid: int
    error: str | None = None
    codes: tuple[str, ...] = ()


@dataclass
class Run:
    """A run folder. Make one with ``create`` or ``open``."""

    path: Path
    _lock: BaseFileLock | None = field(default=None, repr=False)

    @classmethod
    def create(
        cls, output: Path, name: str, today: date, begin_with: Mapping[str, str] | None = None
    ) -> Self:
        """Make ``<output>/<name>_<YYYYMMDD>`` (``_2``, ``_3`` … where it exists), and lock it.

        Two processes that ask at once get two folders, and no folder of that name is ever without
        its ``status.json`` and the files in ``begin_with`` (name → text), which a run needs to be
        resumed: it is filled under another name first.
        """
        output.mkdir(parents=True, exist_ok=True)
        now = _now()
        made = cls(output / f".{uuid.uuid4().hex}.tmp")
        made.path.mkdir()
        made._write_state(State("running", "created", now, now, os.getpid()))
        for file, content in (begin_with or {}).items():
            (made.path / file).parent.mkdir(exist_ok=True)
            made.write_text(file, content)
        stem = f"{name}_{today:%Y%m%d}"
        for number in itertools.count(1):
            path = output / (stem if number == 1 else f"{stem}_{number}")
            try:
                made.path.rename(path)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                continue
            break
        run = cls(path)
        run._acquire()
        return run

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing run folder for reading; ``resume`` opens it for writing.

        Raises:
            InputError: nothing there (with the nearest match), or not a run folder.
        """
        where = Where(str(path))
        if not path.exists():
            meant = _nearest(path)
            if meant is None:
                raise InputError(Problem("record.not-there", where))
            raise InputError(Problem("record.not-there-but", where, {"nearest": meant}))
        if not path.is_dir():
            raise InputError(Problem("record.is-a-file", where, {"folder": path.parent}))
        if not (path / STATUS_FILE).is_file():
            raise InputError(Problem("record.not-a-run", where))
        run = cls(path)
        run._read_state()
        return run

    def resume(self) -> None:
        """Take over a run that is not finished, to go on with it.

        Raises:
            InputError: another process works on it, or it is finished.
        """
        state = self.state
        where = Where(str(self.path))
        if state.status == "finished":
            raise InputError(Problem("record.already-finished", where))
        if state.status == "running":
            raise InputError(Problem("record.locked", where, {"pid": state.pid}))
        self._acquire()
        self._write_state(replace(state, status="running", pid=os.getpid(), error=None, codes=()))

    @property
    def state(self) -> State:
        """How far the run is. "running" only while a process is really at work on it."""
        state = self._read_state()
        if state.status == "running" and not self._at_work():
            return replace(state, status="interrupted")
        return state

    @property
    def work(self) -> Path:
        """The folder for what only an unfinished run needs; made when first asked for."""
        path = self.path / "work"
        path.mkdir(exist_ok=True)
        return path

    def stage(self, name: str) -> None:
        """Say that stage ``name`` begins."""
        self._write_state(replace(self._read_state(), stage=name))

    def finish(self) -> None:
        """Say that the record is complete, remove the work files, let go of the lock."""
        self._end("finished")
        shutil.rmtree(self.path / "work", ignore_errors=True)

    def pause(self, why: str) -> None:
        """Say that nothing goes on here unless it is resumed, and let go of the lock."""
        self._write_state(replace(self._read_state(), error=why))
        self._end("stopped")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Write down how the work inside ended if it did not end well, and pass the error on."""
        try:
            yield
        except (KeyboardInterrupt, TrainingStopped) as error:
            self._end("stopped", error)
            raise
        except BaseException as error:
            self._end("failed", error)
            raise

    def cached(self, name: str) -> Any:
        """The result that ``store`` kept under ``name``, or None."""
        path = self.path / "work" / f"{name}.json"
        return files.read_json(path) if path.is_file() else None

    def store(self, name: str, result: object) -> None:
        """Keep a stage's result, so that a resumed run need not compute it again.

        Anything JSON can hold; NaN and infinity too, since a history may contain them.
        """
        files.write_text(self.work / f"{name}.json", json.dumps(result, ensure_ascii=False))

    def write_text(self, name: str, content: str) -> None:
        """Write a text file of the record atomically."""
        files.write_text(self.path / name, content)

    def write_json(self, name: str, content: object) -> None:
        """Write a JSON file of the record atomically; NaN is refused."""
        files.write_json(self.path / name, content)

    def write_jsonl(self, name: str, rows: Iterable[object]) -> None:
        """Write a JSONL file of the record atomically."""
        files.write_jsonl(self.path / name, rows)

    def write_csv(
        self, name: str, rows: Iterable[Mapping[str, object]], columns: Sequence[str]
    ) -> None:
        """Write a CSV file of the record atomically."""
        files.write_csv(self.path / name, rows, columns)

    def _acquire(self) -> None:
        lock = FileLock(self.work / "lock", timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            where = Where(str(self.path))
            pid = self._read_state().pid if (self.path / STATUS_FILE).is_file() else "?"
            raise InputError(Problem("record.locked", where, {"pid": pid})) from None
        self._lock = lock

    def _at_work(self) -> bool:
        if self._lock is not None:
            return True
        path = self.path / "work" / "lock"
        if not path.exists():
            return False
        try:
            with FileLock(path, timeout=0):
                return False
        except Timeout:
            return True

    def _end(self, status: Status, error: BaseException | None = None) -> None:
        state = replace(self._read_state(), status=status)
        if error is not None:
            said = str(error) or type(error).__name__
            state = replace(state, error=said, codes=_codes(error))
        self._write_state(state)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _read_state(self) -> State:
        path = self.path / STATUS_FILE
        try:
            content = files.read_json(path)
            return State(
                status=cast("Status", content["status"]),
                stage=content["stage"],
                started=content["started"],
                updated=content["updated"],
                pid=content["pid"],
                error=content.get("error"),
                codes=tuple(content.get("codes", ())),
            )
        except (ValueError, KeyError, TypeError) as error:
            problem = Problem("record.broken-status", Where(str(path)), {"detail": repr(error)})
            raise InputError(problem) from error

    def _write_state(self, state: State) -> None:
        written = {
            "schema": SCHEMA,
            "status": state.status,
            "stage": state.stage,
            "started": state.started,
            "updated": _now(),
            "pid": state.pid,
            "error": state.error,
            "codes": list(state.codes),
        }
        files.write_json(self.path / STATUS_FILE, written)


def _codes(error: BaseException) -> tuple[str, ...]:
    if isinstance(error, KunrenError):
        return tuple(problem.code for problem in error.problems)
    return (type(error).__name__,)


def _now() -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")


def _nearest(path: Path) -> Path | None:
    """The run folder beside ``path`` whose name is most like it."""
    if not path.parent.is_dir():
        return None
    names = [p.name for p in path.parent.iterdir() if (p / STATUS_FILE).is_file()]
    found = nearest(path.name, names)
    return None if found is None else path.parent / found
