"""The folder of converted models, each made once and then only read.

A model's folder appears whole or not at all: it is made under a hidden name beside its place and
moved there in one step. A lock keeps two processes from making the same one; the operating system
frees it when its holder dies, and the next holder removes what that one left behind.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from kunren.errors import InputError, Problem, os_reason
from kunren.messages import text
from kunren.progress import Progress


def home() -> Path:
    """``KUNREN_HOME``, or kunren's place in the user's cache on this platform."""
    if chosen := os.environ.get("KUNREN_HOME"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "kunren"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/kunren"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kunren"


def place(key: str) -> Path:
    """Where the converted model of this key is, or will be."""
    return home() / "models" / key


def make_once(
    key: str, make: Callable[[Path, Path], None], needs_bytes: int, progress: Progress
) -> Path:
    """The folder of ``key``, made now if it is not there.

    Args:
        key: the folder's name; it must change whenever what ``make`` makes changes.
        make: fills its first argument, an empty folder; the second is a folder for its scraps.
        needs_bytes: how much room the making takes on the disk.
        progress: told if another process is making the same model.

    Raises:
        InputError: the cache cannot be written to, or the disk is too full.
    """
    target = place(key)
    if target.is_dir():
        return target
    parent = target.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(parent / f"{key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress.say(text("model.waiting", key=key))
            lock.acquire()
    except OSError as error:
        fields: dict[str, object] = {"folder": parent, "reason": os_reason(error)}
        raise InputError(Problem("model.cache-unwritable", None, fields)) from error
    try:
        if not target.is_dir():
            _make(target, make, needs_bytes)
    finally:
        lock.release()
    return target


def _make(target: Path, make: Callable[[Path, Path], None], needs_bytes: int) -> None:
    for left in target.parent.glob(f".{target.name}.*"):
        shutil.rmtree(left)
    free = shutil.disk_usage(target.parent).free
    if free < needs_bytes:
        fields: dict[str, object] = {
            "folder": target.parent,
            "needs": f"{needs_bytes / 1e9:.1f}",
            "free": f"{free / 1e9:.1f}",
        }
        raise InputError(Problem("model.disk-full", None, fields))
    work = target.parent / f".{target.name}.{os.getpid()}"
    made, scraps = work / "model", work / "scraps"
    try:
        made.mkdir(parents=True)
        scraps.mkdir()
        make(made, scraps)
        made.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
