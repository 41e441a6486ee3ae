"""From a data file to rows, with everything that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kunren.config.schema import DataConfig, Fields
from kunren.data.columns import Wanted
from kunren.data.duplicates import overlaps
from kunren.data.formats import Parsed, parse
from kunren.data.records import fields_of, group_of, messages_of
from kunren.errors import Problem
from kunren.nearest import nearest
from kunren.textfile import excerpt, shown
from kunren.types import Row, Where
from kunren.userfile import contents, located, real


@dataclass(frozen=True, slots=True)
class Read:
    """The good rows of a file, in its order, and what is wrong with the others.

    ``notes`` say how the file was read, where that may not be what its writer expects.
    """

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Files:
    """The rows of all files of an experiment; None where a share of ``train`` is meant."""

    train: tuple[Row, ...]
    validation: tuple[Row, ...] | None
    test: tuple[Row, ...] | None
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """All of them."""
        return (*self.train, *(self.validation or ()), *(self.test or ()))


def read(path: Path, fields: Fields) -> Read:
    """Read one data file.

    A row's id is its id field, or ``<file name>:<line>`` (``<file name>:<line>[<number>]`` where
    several records stand on one line); no two rows of a file have the same.
    ``Row.where`` is the line that the row begins on (Parquet: its number).

    Returns:
        All rows that are good and all problems that there are; this never raises for what stands
        in the file.
    """
    data = contents(path)
    if isinstance(data, Problem):
        return Read((), (data,))
    name = shown(path)
    parsed = parse(data, name, Wanted.of(fields))
    return replace(_rows(parsed, name, fields), notes=tuple(parsed.notes))


def read_files(data: DataConfig, folder: Path) -> Files:
    """Read all files that a config names, and see that no row stands in two of them.

    Args:
        data: the config's ``data`` section.
        folder: the folder that its relative paths refer to.

    Returns:
        The rows. Where ids of two files collide, those of all files get the prefix ``train:``,
        ``validation:`` or ``test:``.
    """
    named = {"train": data.train, "validation": data.validation, "test": data.test}
    paths = {key: located(folder, p) for key, p in named.items() if p is not None}
    problems: list[Problem] = []
    done: dict[str, str] = {}
    for key, path in paths.items():
        same = done.setdefault(real(path), key)
        if same != key:
            said: dict[str, object] = {"first": same, "second": key}
            problems.append(Problem("data.same-file", Where(shown(path)), said))
    found = {key: read(path, data.fields) for key, path in paths.items()}
    problems += [problem for one in found.values() for problem in one.problems]
    ids = Counter(row.id for one in found.values() for row in one.rows)
    rows = {key: one.rows for key, one in found.items()}
    if len(done) == len(paths):
        problems += overlaps(rows)
    if any(count > 1 for count in ids.values()):
        rows = {
            key: tuple(replace(row, id=f"{key}:{row.id}") for row in of_file)
            for key, of_file in rows.items()
        }
    notes = tuple(note for one in found.values() for note in one.notes)
    return Files(rows["train"], rows.get("validation"), rows.get("test"), tuple(problems), notes)


def capped(problems: Iterable[Problem], limit: int = 20) -> list[Problem]:
    """The problems as they should be printed: at most ``limit`` of a kind and file.

    What was left out is counted in the file's last problem of that kind, so that ten thousand
    broken lines do not hide the one missing file.
    """
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        path = problem.where.path if problem.where else ""
        kinds.setdefault((path, _inner(problem).code), []).append(problem)
    shown_: list[Problem] = []
    for (path, _), same in kinds.items():
        shown_ += same[:limit]
        if len(same) > limit:
            more: dict[str, object] = {"count": len(same) - limit}
            shown_.append(Problem("data.and-more", Where(path), more))
    return shown_


def _rows(parsed: Parsed, name: str, fields: Fields) -> Read:
    problems = list(parsed.problems)
    missing = _missing_columns(parsed, name, fields)
    if missing:
        return Read((), (*problems, *missing))
    if not parsed.records and not problems:
        return Read((), (Problem("data.no-rows", Where(name)),))
    rows: list[Row] = []
    wrong: list[Problem] = []
    first: dict[str, Where] = {}
    on_line = Counter(record.line for record in parsed.records)
    file = Path(name).name
    for number, record in enumerate(parsed.records, start=1):
        where = Where(name, record.line)
        messages, found = messages_of(record.value, fields, where)
        shared = number if on_line[record.line] > 1 else None
        id_ = _id(record.value, fields, where, file, shared)
        if isinstance(id_, Problem):
            found.append(id_)
        elif id_ in first:
            said: dict[str, object] = {"id": excerpt(id_), "first": first[id_]}
            found.append(Problem("data.duplicate-id", where, said))
        else:
            first[id_] = where
            if not found:
                said_ = fields_of(record.value, fields)
                rows.append(Row(id_, messages, where, said_, group_of(record.value, fields)))
        wrong += found if shared is None else [_numbered(p, number) for p in found]
    problems += _once_if_everywhere(wrong, len(parsed.records))
    problems.sort(key=lambda p: p.where.line or 0 if p.where else 0)
    return Read(tuple(rows), tuple(problems))


def _numbered(problem: Problem, number: int) -> Problem:
    """A problem of one of several records on a line: the line alone would not tell which."""
    said: dict[str, object] = {"number": number, "problem": replace(problem, where=None)}
    return Problem("data.nth-record", problem.where, said)


def _id(
    value: object, fields: Fields, where: Where, file: str, shared: int | None
) -> str | Problem:
    """A record's id. ``shared``: its number, if other records stand on its line of ``file``."""
    given = value.get(fields.id) if isinstance(value, dict) else None
    if isinstance(given, str | int) and not isinstance(given, bool):
        known = str(given).strip()
        if known:
            return known
    elif given is not None:
        said: dict[str, object] = {"field": fields.id, "found": excerpt(str(given))}
        return Problem("data.id-type", where, said)
    line = f"{file}:{where.line}"
    return line if shared is None else f"{line}[{shared}]"


def _missing_columns(parsed: Parsed, name: str, fields: Fields) -> list[Problem]:
    """A column that a table lacks: one problem, not one a row."""
    if parsed.columns is None:
        return []
    names = [column for column in parsed.columns if column]
    needed: dict[str, str | None] = {"group": fields.group}
    if fields.messages not in names:
        needed = {"text": fields.text, "label": fields.label, **needed}
    problems = []
    for key, wanted in needed.items():
        if wanted is None or wanted in names:
            continue
        near = nearest(wanted, names)
        said: dict[str, object] = {
            "key": f"data.fields.{key}",
            "field": wanted,
            "found": excerpt("、".join(names), 80),
            "nearest": near,
        }
        code = "data.missing-column" if near is None else "data.missing-column-near"
        problems.append(Problem(code, Where(name, parsed.header), said))
    return problems


def _once_if_everywhere(problems: Sequence[Problem], records: int) -> list[Problem]:
    """A field that every record lacks is a wrong config, not many wrong records."""
    if records < 2:
        return list(problems)
    kept = []
    counted = Counter(_lacks(problem) for problem in problems)
    for problem in problems:
        lacks = _lacks(problem)
        if lacks is None or counted[lacks] < records:
            kept.append(problem)
        elif counted[lacks] == records:
            counted[lacks] += 1  # told once
            said = {**_inner(problem).fields, "count": records}
            kept.append(Problem("data.missing-everywhere", problem.where, said))
    return kept


def _inner(problem: Problem) -> Problem:
    inner = problem.fields.get("problem")
    return inner if isinstance(inner, Problem) else problem


def _lacks(problem: Problem) -> str | None:
    problem = _inner(problem)
    return str(problem.fields["field"]) if problem.code.startswith("data.missing-field") else None
