"""Where run folders are, and what wrote them: the one door for every layout.

A new layout is a module that makes an ``Entry`` of a folder, and a row in ``LAYOUTS``.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kunren.errors import InputError, Problem, os_reason
from kunren.nearest import nearest
from kunren.records.entry import Entry
from kunren.records.folder import STATUS_FILE
from kunren.records.foreign import MARKS, read_flat
from kunren.records.own import read_own
from kunren.types import Where


@dataclass(frozen=True, slots=True)
class Layout:
    """A form of run folders.

    Attributes:
        name: what it is called in a comparison.
        marks: one of these sets of files is there in such a folder, and in no earlier layout's.
        read: makes an entry; raises InputError where files are broken.
    """

    name: str
    marks: Sequence[Sequence[str]]
    read: Callable[[Path], Entry]

    def fits(self, folder: Path) -> bool:
        """Whether a folder has this form, by the names of its files alone."""
        return any(all((folder / name).is_file() for name in names) for names in self.marks)


LAYOUTS: Sequence[Layout] = (
    Layout("kunren", ((STATUS_FILE,),), read_own),
    Layout("jmoji", MARKS, read_flat),
)
"""In the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The runs that were found, in the order in which they were named, and what was left out."""

    entries: Sequence[Entry]
    left_out: Sequence[Problem]


def layout_of(folder: Path) -> Layout | None:
    """The layout that a folder has; None: it is no run folder."""
    if not folder.is_dir():
        return None
    return next((layout for layout in LAYOUTS if layout.fits(folder)), None)


def read_entry(folder: Path) -> Entry:
    """One run folder of any layout.

    Raises:
        InputError: nothing there, no run folder, or broken files.
    """
    where = Where(str(folder))
    if not folder.exists():
        near = _nearest(folder)
        if near is None:
            raise InputError(Problem("record.not-there", where))
        raise InputError(Problem("record.not-there-but", where, {"nearest": near}))
    if not folder.is_dir():
        raise InputError(Problem("compare.is-a-file", where))
    layout = layout_of(folder)
    if layout is None:
        raise InputError(Problem("compare.no-run", where))
    try:
        return layout.read(folder)
    except OSError as error:
        fields: dict[str, object] = {"detail": os_reason(error)}
        raise InputError(Problem("record.broken-file", where, fields)) from None


def gather(paths: Sequence[str]) -> Gathered:
    """All runs that paths name: run folders, folders of run folders, and patterns (``v4_*``).

    What cannot be read is named and left out; the rest is there.
    """
    entries: list[tuple[Path, Entry]] = []
    left_out: list[Problem] = []
    seen: set[Path] = set()
    for found in (found for path in paths for found in _expanded(path)):
        if isinstance(found, Problem):
            left_out.append(found)
            continue
        if found.resolve() in seen:
            continue
        seen.add(found.resolve())
        try:
            entries.append((found, read_entry(found)))
        except InputError as error:
            left_out += error.problems
    return Gathered(_named(entries), left_out)


def _expanded(path: str) -> Iterator[Path | Problem]:
    """The run folders that one argument means, or why it means none."""
    folder = Path(path)
    if not folder.exists() and any(c in path for c in "*?["):
        matching = sorted(glob.glob(path))  # noqa: PTH207  (a pattern may begin anywhere)
        if not matching:
            yield Problem("compare.no-match", Where(path))
        for match in matching:
            yield from _expanded(match)
        return
    if not folder.is_dir() or layout_of(folder) is not None:
        yield folder
        return
    inside = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    runs = [p for p in inside if layout_of(p) is not None]
    if runs:
        yield from runs
    else:
        yield Problem("compare.no-run", Where(path))


def _named(found: Sequence[tuple[Path, Entry]]) -> list[Entry]:
    """Entries with names of their own: two folders of one name get their parents' in front."""
    names = [entry.name for _, entry in found]
    made: list[Entry] = []
    for path, entry in found:
        name = entry.name
        if names.count(name) > 1:
            name = f"{path.resolve().parent.name}/{name}"
        taken = {other.name for other in made}
        number = 2
        while name in taken:
            name = f"{name.partition(' (')[0]} ({number})"
            number += 1
        made.append(replace(entry, name=name))
    return made


def _nearest(path: Path) -> Path | None:
    if not path.parent.is_dir():
        return None
    names = [p.name for p in path.parent.iterdir() if layout_of(p) is not None]
    found = nearest(path.name, names)
    return None if found is None else path.parent / found
