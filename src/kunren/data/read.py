"""From a data file to rows, with everything that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kunren.config.schema import DataConfig, Fields, TaskConfig
from kunren.data.columns import Wanted
from kunren.data.duplicates import overlaps, without_overlaps
from kunren.data.formats import Parsed, parse
from kunren.data.notes import Notes
from kunren.data.records import Manner, ambiguous, elements, missing, missing_kind, read_record
from kunren.data.shapes import Ambiguous, Lacking, shape_of
from kunren.errors import Problem
from kunren.textfile import excerpt, shown
from kunren.types import Row, Where
from kunren.userfile import contents, located, real

_LOOKED_AT = 20
"""Records of a table by which it is seen whether it has a shape."""


@dataclass(frozen=True, slots=True)
class Read:
    """The good rows of a file, in its order, and what is wrong with the others.

    Attributes:
        notes: what was understood of the file without being told; see ``data.notes``.
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


def read(path: Path, fields: Fields | Manner) -> Read:
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
    manner = fields if isinstance(fields, Manner) else Manner(fields)
    return _rows(parse(data, name, Wanted.of(manner.fields)), name, manner)


def read_files(
    data: DataConfig,
    folder: Path,
    task: TaskConfig | None = None,
    templated: Collection[str] = (),
    compared: Callable[[Sequence[Row]], Sequence[Row]] = tuple,
) -> Files:
    """Read all files that a config names, and see that no row stands in two of them.

    Args:
        data: the config's ``data`` section.
        folder: the folder that its relative paths refer to.
        task: the config's ``task`` section; None: the default one.
        templated: columns that the prompt template names.
        compared: rows as they are told apart, in the same order.

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
    asked = task or TaskConfig()
    manner = Manner(data.fields, templated, asked.labels.threshold, strip_marks=data.strip_marks)
    found = {key: read(path, manner) for key, path in paths.items()}
    problems += [problem for one in found.values() for problem in one.problems]
    if asked.kind == "classify" and not isinstance(data.fields.label, str):
        unfit = [problem for one in found.values() for problem in _not_one(one)]
        problems += unfit
        if unfit:  # nothing else can be said of their labels
            found = {key: replace(one, rows=()) for key, one in found.items()}
    ids = Counter(row.id for one in found.values() for row in one.rows)
    rows = {key: one.rows for key, one in found.items()}
    dropped: list[Problem] = []
    if len(done) == len(paths):
        seen = {key: compared(of_file) for key, of_file in rows.items()}
        if data.overlap == "drop":
            gone, dropped = without_overlaps(seen)
            rows = {k: tuple(r for r in some if r.id not in gone[k]) for k, some in rows.items()}
        else:
            problems += overlaps(seen)
    if any(count > 1 for count in ids.values()):
        rows = {
            key: tuple(replace(row, id=f"{key}:{row.id}") for row in of_file)
            for key, of_file in rows.items()
        }
    problems += [one for one in dropped if not one.code.startswith("notes.")]
    notes = [note for one in found.values() for note in one.notes]
    notes += [one for one in dropped if one.code.startswith("notes.")]
    if not isinstance(data.fields.label, str):
        notes += _never(data.fields.label, found, asked.labels.threshold)
    return Files(
        train=rows["train"],
        validation=rows.get("validation"),
        test=rows.get("test"),
        problems=tuple(problems),
        notes=tuple(notes),
    )


SHOWN = 3
"""Problems of a kind and file that are told in full: of those after them the lines are enough."""

LISTED = 20
"""Lines that are named; problems that are told in full, where they have no lines."""


def capped(problems: Iterable[Problem]) -> list[Problem]:
    """The problems as they should be printed: a few of a kind and file.

    What was left out is counted in the file's last problem of that kind, with the lines that have
    it, so that ten thousand broken lines do not hide the one missing file.
    """
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        path = problem.where.path if problem.where else ""
        kinds.setdefault((path, _inner(problem).code), []).append(problem)
    shown_: list[Problem] = []
    for (path, _), same in kinds.items():
        most = SHOWN if all(one.where and one.where.line for one in same) else LISTED
        # One more would take as much room as to say that there is one.
        most = most if len(same) > most + 1 else len(same)
        shown_ += same[:most]
        if same[most:]:
            shown_.append(_more(path, same[most:]))
    return shown_


def _more(path: str, left: Sequence[Problem]) -> Problem:
    lines = [str(one.where.line) for one in left if one.where and one.where.line is not None]
    said: dict[str, object] = {"count": len(left), "lines": "、".join(lines[:LISTED])}
    if len(lines) != len(left):
        return Problem("data.and-more", Where(path), said)
    code = "data.and-more-lines" if len(lines) <= LISTED else "data.and-more-lines-first"
    return Problem(code, Where(path), said)


def _rows(parsed: Parsed, name: str, manner: Manner) -> Read:
    problems = list(parsed.problems)
    missing_ = _missing_columns(parsed, name, manner)
    if missing_:
        return Read((), (*problems, *missing_), tuple(parsed.notes))
    if not parsed.records and not problems:
        return Read((), (Problem("data.no-rows", Where(name)),), tuple(parsed.notes))
    rows: list[Row] = []
    wrong: list[Problem] = []
    first: dict[str, Where] = {}
    notes = Notes(name)
    on_line = Counter(record.line for record in parsed.records)
    file = Path(name).name
    for number, record in enumerate(parsed.records, start=1):
        where = Where(name, record.line)
        content = read_record(record.value, manner, where, notes)
        found = list(content.problems)
        shared = number if on_line[record.line] > 1 else None
        id_ = _id(record.value, manner.fields, where, file, shared)
        if isinstance(id_, Problem):
            found.append(id_)
        elif id_ in first:
            said: dict[str, object] = {"id": excerpt(id_), "first": first[id_]}
            found.append(Problem("data.duplicate-id", where, said))
        else:
            first[id_] = where
            if not found and content.messages:
                rows.append(
                    Row(id_, content.messages, where, content.fields, content.group, content.chat)
                )
        wrong += found if shared is None else [_numbered(p, number) for p in found]
    problems += _once_if_everywhere(wrong, len(parsed.records))
    problems.sort(key=lambda p: p.where.line or 0 if p.where else 0)
    noted = (*parsed.notes, *notes.problems())
    if not rows and not problems:
        left: dict[str, object] = {"count": len(parsed.records)}
        problems.append(Problem("data.no-rows-left", Where(name), left))
    return Read(tuple(rows), tuple(problems), noted)


def _not_one(found: Read) -> list[Problem]:
    """That one label is asked for and rows have none or several of the label columns: once."""
    unfit = [row for row in found.rows if len(elements(row.messages[-1].content)) != 1]
    if not unfit:
        return []
    said: dict[str, object] = {"count": len(unfit), "rows": len(found.rows)}
    return [Problem("data.wide-not-one", unfit[0].where, said)]


def _never(columns: Sequence[str], found: Mapping[str, Read], threshold: float) -> list[Problem]:
    """That some label columns are set in no row."""
    rows = [row for one in found.values() for row in one.rows]
    met = {label for row in rows for label in elements(row.messages[-1].content)}
    never = [name for name in columns if name not in met]
    if not met or not never:
        return []
    said: dict[str, object] = {"columns": never, "threshold": f"{threshold:g}"}
    return [Problem("notes.wide-never", Where(rows[0].where.path), said)]


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


def _missing_columns(parsed: Parsed, name: str, manner: Manner) -> list[Problem]:
    """A column that a table lacks, or that could be several: one problem, not one a row."""
    if parsed.columns is None:
        return []
    columns = dict.fromkeys((column for column in parsed.columns if column), "")
    fields = manner.fields
    looked_at = [r.value for r in parsed.records[:_LOOKED_AT] if isinstance(r.value, dict)]
    found = [
        shape_of(one, fields, manner.templated, answered=manner.answered)[1]
        for one in looked_at or [columns]
    ]
    # One row may hold a broken conversation: the file has a shape all the same.
    lacking = next((one for one in found if not one), found[0])
    named: list[tuple[str, str | None]] = [("group", fields.group)]
    if manner.answered:
        named.append(("weight", fields.weight))
    if manner.answered and not isinstance(fields.label, str) and not lacking:
        named += [("label", column) for column in fields.label]
    lacking += [
        Lacking(key, column)
        for key, column in named
        if column is not None and column not in columns
    ]
    where = Where(name, parsed.header)
    problems = []
    for one in lacking:
        if isinstance(one, Ambiguous):
            problems.append(Problem("data.ambiguous-columns", where, ambiguous(one)))
            continue
        said = missing(one.key, one.column, columns, fields)
        code = f"data.missing-column{missing_kind(said, fields)}"
        problems.append(Problem(code, where, said))
    return problems


def _once_if_everywhere(problems: Sequence[Problem], records: int) -> list[Problem]:
    """A field that every record lacks is a wrong config, not many wrong records.

    So are columns of which several could be meant.
    """
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
            inner = _inner(problem)
            said = {**inner.fields, "count": records}
            unclear = inner.code == "data.ambiguous-columns"
            kept.append(
                Problem(inner.code if unclear else "data.missing-everywhere", problem.where, said)
            )
    return kept


def _inner(problem: Problem) -> Problem:
    inner = problem.fields.get("problem")
    return inner if isinstance(inner, Problem) else problem


def _lacks(problem: Problem) -> str | None:
    problem = _inner(problem)
    if problem.code == "data.ambiguous-columns":
        return str(problem.fields["columns"])
    return str(problem.fields["field"]) if problem.code.startswith("data.missing-field") else None
