"""Files as records: JSONL, a JSON array, CSV, TSV, Parquet and plain lines, each with its line.

The one reader of all commands. What a file is is seen from its content, where that is safe; its
name counts where the content leaves it open.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Literal

from kunren.data import kinds
from kunren.data.columns import Wanted, renamed
from kunren.data.json_records import read_json
from kunren.data.missing import is_missing, may_be_missing
from kunren.data.parsed import Parsed, Record, failed, listed
from kunren.data.tables import SUFFIXES as TABLE_SUFFIXES
from kunren.data.tables import looks_like_table, read_table
from kunren.errors import Problem
from kunren.textfile import decode, excerpt
from kunren.types import Where

__all__ = ["JSON_SUFFIXES", "TABLE_SUFFIXES", "Form", "Parsed", "Record", "Wanted", "parse"]

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_NOT_LINES = (
    ".yaml", ".yml", ".toml", ".ini", ".cfg", ".py", ".js", ".sh", ".xls", ".xlsx", ".ods",
    ".parquet", ".arrow", ".feather", ".pkl", ".npy", ".npz", ".safetensors", ".gguf", ".zip",
)  # fmt: skip
"""Names of files whose lines nobody means as texts."""

_JSON = re.compile(r"""[\ufeff\s]*(\{\s*["'}]|\[\s*[\[{"]|\[\s*\]\s*$|[\[{]\s*\n)""")
"""How JSON begins, and hardly a text: ``[笑]`` and ``{笑}`` do not."""

Form = Literal["jsonl", "csv", "tsv", "lines"]
"""What a file is, where its user says so."""

_MOST_ROWS = 20_000_000
"""Rows of a Parquet file: some bytes can stand for any number of equal ones."""


def parse(
    data: bytes,
    path: str,
    wanted: Wanted | None = None,
    *,
    plain: bool = False,
    form: Form | None = None,
) -> Parsed:
    """Take a file apart.

    Parquet is known by its first bytes, JSON by its first character whatever the name says, an
    array and one object a line being told apart. A table is known by its suffix, or by a first
    line that holds the wanted columns. What is packed is unpacked; what is no data is named.

    Args:
        data: what the file holds.
        path: as it is shown.
        wanted: the columns that will be read.
        plain: whether the lines of a file that is nothing else are records.
        form: what the user says that it is.
    """
    wanted = wanted or Wanted()
    opened = kinds.unpacked(data, path)
    if isinstance(opened, Problem):
        return Parsed(problems=[opened])
    inside, inner = opened
    suffix = PurePath(inner).suffix.lower()
    if inside.startswith(b"PAR1") and form is None:
        parsed = _parquet(inside, path, wanted)
    else:
        named = path != "-" and form != "lines"
        foreign = kinds.not_data(inside, path, suffix, text=named)
        if foreign is not None:
            return Parsed(problems=[foreign])
        text, encoding = decode(inside)
        if kinds.is_binary(text, encoding) and (encoding or suffix not in JSON_SUFFIXES):
            return failed("data.binary", path)
        if encoding is not None:
            return _wrong_encoding(text, encoding, path)
        if "\n" not in text:  # the line ends of an old Macintosh
            text = text.replace("\r", "\n")
        parsed = _text(text, path, suffix, wanted, plain, form)
    if (packed := kinds.packing(data)) is not None:
        parsed.notes.insert(0, Problem("data.unpacked", Where(path), {"kind": packed}))
    _words(parsed, path, wanted)
    return parsed


def _text(
    text: str, path: str, suffix: str, wanted: Wanted, plain: bool, form: Form | None
) -> Parsed:
    """Take a text apart; ``suffix`` is that of what was packed, if anything was."""
    if form == "lines":
        return _lines(text)
    if not text.strip("\ufeff \t\r\n\u3000"):
        return failed("data.empty-file", path)
    begins = _JSON.match(text) is not None
    if form == "jsonl" or (form is None and (suffix in JSON_SUFFIXES or begins)):
        return _renamed(read_json(text, path, wanted), wanted)
    if form in ("csv", "tsv") or suffix in TABLE_SUFFIXES:
        tabs = form == "tsv" or (form is None and suffix != ".csv")
        return read_table(text, path, wanted, "\t" if tabs else ",")
    if not plain and text.lstrip("\ufeff \t\r\n\u3000")[0] in "[{":
        return _renamed(read_json(text, path, wanted), wanted)
    if (delimiter := looks_like_table(text, wanted)) is not None:
        return read_table(text, path, wanted, delimiter)
    if plain and suffix not in _NOT_LINES:
        return _lines(text)
    known = ", ".join((*JSON_SUFFIXES, *TABLE_SUFFIXES, ".parquet"))
    return failed("data.unknown-format", path, suffix=suffix or "-", known=known)


def _lines(text: str) -> Parsed:
    """Plain text: each line is a record, an empty one too, but not after the last line break."""
    lines = text.removesuffix("\n").split("\n") if text else []
    records = [Record(n, line.removesuffix("\r")) for n, line in enumerate(lines, start=1)]
    return Parsed(records, plain=True)


def _renamed(parsed: Parsed, wanted: Wanted) -> Parsed:
    """Records of JSON with their keys as a config writes them."""
    known: dict[tuple[str, ...], dict[str, str]] = {}
    for number, record in enumerate(parsed.records):
        if not isinstance(record.value, dict):
            continue
        keys = tuple(record.value)
        if keys not in known:
            known[keys] = dict(renamed(keys, wanted))
        if new := known[keys]:
            value = {new.get(key, key): one for key, one in record.value.items()}
            if len(value) == len(keys):
                parsed.records[number] = Record(record.line, value)
    return parsed


def _words(parsed: Parsed, path: str, wanted: Wanted) -> None:
    """Take out rows whose text or label is a word that only programs write; tell of others."""
    perhaps: dict[tuple[str, str], list[int]] = {}
    kept = []
    for record in parsed.records:
        gone = None
        if isinstance(record.value, dict):
            for name in wanted.valued:
                value = record.value.get(name)
                if not isinstance(value, str):
                    continue
                if is_missing(value):
                    gone = gone or {"field": excerpt(name), "word": excerpt(value.strip())}
                elif may_be_missing(value):
                    perhaps.setdefault((name, value.strip()), []).append(record.line)
        if gone is None:
            kept.append(record)
        else:
            parsed.problems.append(Problem("data.missing-word", Where(path, record.line), gone))
    if len(kept) < len(parsed.records):
        parsed.records = kept
        parsed.problems.sort(key=lambda p: p.where.line or 0 if p.where else 0)
    for (name, word), lines in perhaps.items():
        fields: dict[str, object] = {"field": excerpt(name), "word": word, "count": len(lines)}
        fields["lines"] = listed(lines)
        parsed.notes.append(Problem("data.perhaps-missing", Where(path, lines[0]), fields))


def _wrong_encoding(text: str, encoding: str, path: str) -> Parsed:
    if encoding == "?":
        return failed("data.unknown-encoding", path)
    name = PurePath(path)
    first = next((line for line in text.split("\n") if re.search(r"[^\x00-\x7f]", line)), text)
    return failed(
        "data.wrong-encoding",
        path,
        encoding=encoding,
        sample=excerpt(first.strip()),
        name=shlex.quote(name.name),
        utf8=shlex.quote(f"{name.stem}.utf8{name.suffix}"),
    )


# --- Parquet ---


def _parquet(data: bytes, path: str, wanted: Wanted) -> Parsed:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from kunren.userfile import MOST_BYTES, too_large

    try:
        file = pq.ParquetFile(io.BytesIO(data))
        groups = range(file.metadata.num_row_groups)
        size = sum(file.metadata.row_group(n).total_byte_size for n in groups)
        if size > MOST_BYTES or file.metadata.num_rows > _MOST_ROWS:
            return Parsed(problems=[too_large(Where(path), max(size, MOST_BYTES))])
        table = file.read()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        return failed("data.broken-parquet", path, detail=excerpt(str(error), 80))
    parsed = Parsed()
    new = renamed(table.column_names, wanted)
    parsed.columns = tuple(new.get(name, name) for name in table.column_names)
    for number, value in _values(table):
        if isinstance(value, Exception):
            detail = excerpt(str(value), 80)
            where = Where(path, number)
            parsed.problems.append(Problem("data.broken-cell", where, {"detail": detail}))
        else:
            row = {new.get(name, name): one for name, one in value.items()}
            parsed.records.append(Record(number, row))
    return parsed


def _values(table: Any) -> Iterator[tuple[int, Any]]:
    """Rows with their numbers; an exception in the place of one that cannot be made (no UTF-8)."""
    try:
        yield from enumerate(table.to_pylist(), start=1)
    except (ValueError, OverflowError):
        for number in range(table.num_rows):
            try:
                yield number + 1, table.slice(number, 1).to_pylist()[0]
            except (ValueError, OverflowError) as error:
                yield number + 1, error
