"""The run folder: one experiment's record, and how far the experiment has come.

``status.json`` says which stage a run is in. While a process works on the run it holds a lock on
``work/lock``, which the system lets go when the process ends in any way, so a run that says
"running" and is not locked was interrupted. ``work/`` holds what only an unfinished run needs
(results of finished stages, checkpoints) and is removed when the run is finished.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

from filelock import BaseFileLock, FileLock, Timeout

from kunren.errors import InputError, KunrenError, Problem, TrainingStopped, refused
from kunren.nearest import nearest
from kunren.records import files
from kunren.types import Where

SCHEMA = 1
STATUS_FILE = "status.json"

_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}

_TRIES, _PAUSE = 10, 0.1
"""How long the loser of two processes waits for the winner to write down its number."""

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
        filled = output / f".{uuid.uuid4().hex}.tmp"
        try:
            run = cls(_renamed(cls._filled(filled, begin_with or {}), f"{name}_{today:%Y%m%d}"))
        except BaseException:
            shutil.rmtree(filled, ignore_errors=True)
            raise
        run._acquire()
        return run

    @classmethod
    def _filled(cls, path: Path, content: Mapping[str, str]) -> Path:
        path.mkdir()
        made, now = cls(path), _now()
        made._write_state(State("running", "created", now, now, os.getpid()))
        for file, text in content.items():
            (path / file).parent.mkdir(exist_ok=True)
            made.write_text(file, text)
        return path

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
            raise self._locked()
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
        """The result that ``store`` kept under ``name``; None: there is none, or it is damaged."""
        path = self.path / "work" / f"{name}.json"
        try:
            kept = files.read_json(path) if path.is_file() else None
        except InputError:
            return None  # as if the stage had not been done: it is done again
        if not isinstance(kept, dict) or set(kept) != {"sha256", "result"}:
            return None
        return kept["result"] if kept["sha256"] == _sum(kept["result"]) else None

    def store(self, name: str, result: object) -> None:
        """Keep a stage's result, so that a resumed run need not compute it again.

        Anything JSON can hold; NaN and infinity too, since a history may contain them.
        """
        files.write_text(self.work / f"{name}.json", sealed(result))

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
            raise self._locked() from None
        self._lock = lock

    def _locked(self) -> InputError:
        """That another process works here; named once it has written down that it does."""
        where = Where(str(self.path))
        for _ in range(_TRIES):
            state = self._read_state()
            if state.status == "running" and _alive(state.pid):
                return InputError(Problem("record.locked", where, {"pid": state.pid}))
            time.sleep(_PAUSE)
        return InputError(Problem("record.locked-unknown", where))

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
        except OSError:
            return False  # a folder that nobody may write to is worked on by nobody

    def _end(self, status: Status, error: BaseException | None = None) -> None:
        state = replace(self._read_state(), status=status)
        if error is not None:
            error = refused(error) if isinstance(error, OSError) else error
            said = str(error) or type(error).__name__
            state = replace(state, error=said, codes=_codes(error))
        self._write_state(state)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _read_state(self) -> State:
        path = self.path / STATUS_FILE
        try:
            content = files.read_object(path)
            if content["status"] not in get_args(Status):
                raise ValueError(content["status"])
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
            raise _broken_status(path, files.broken(path, error)) from None
        except InputError as error:
            raise _broken_status(path, error) from None

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
        path = self.path / STATUS_FILE
        try:
            files.write_json(path, written)
        except OSError:
            if state.status == "running":
                raise
            _overwrite(path, written)


def _overwrite(path: Path, written: Mapping[str, object]) -> None:
    """Write over a small file in place: that needs no room, and a disk may have none left.

    How a run ended is worth it; where even that fails, the lock that nobody holds tells that it
    did.
    """
    content = json.dumps(written, ensure_ascii=False).encode()
    with contextlib.suppress(OSError), path.open("r+b") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def check_output(output: Path) -> None:
    """See that run folders can be made there, before any work is done for one.

    Raises:
        InputError: the folder is a file, or nothing can be written there.
    """
    there = next((p for p in (output, *output.absolute().parents) if p.exists()), Path("/"))
    where = Where(str(output))
    if not there.is_dir():
        raise InputError(Problem("record.output-is-file", where, {"file": there}))
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(Problem("record.output-not-writable", where))


def _renamed(filled: Path, stem: str) -> Path:
    """The folder under its name, or under that with a number, if it is taken."""
    number = 1
    while True:
        path = filled.parent / (stem if number == 1 else f"{stem}_{number}")
        try:
            filled.rename(path)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            number += 1
        else:
            return path


def sealed(result: object) -> str:
    """A result as ``Run.cached`` reads it back: with its sum, so that damage is seen."""
    return json.dumps({"sha256": _sum(result), "result": result}, ensure_ascii=False)


def _sum(result: object) -> str:
    return hashlib.sha256(json.dumps(result, ensure_ascii=False).encode()).hexdigest()


def _alive(pid: int) -> bool:
    if os.name == "nt":
        return True  # to ask there is to kill
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is another user's
    return True


def _broken_status(path: Path, error: InputError) -> InputError:
    fields = {"detail": error.problems[0].fields["detail"]}
    return InputError(Problem("record.broken-status", Where(str(path)), fields))


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
