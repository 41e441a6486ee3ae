"""Documents to answer from, cut into passages that each say what they are about.

A Markdown file is cut at its headings, a plain text at its empty lines, a JSONL file at its lines;
what is longer is cut further between lines, then sentences. Each passage keeps the headings that it
stands under, and each part of a table its head: "52,800円" alone says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kunren.data.formats import parse
from kunren.data.kinds import not_data
from kunren.data.normalize import is_blank
from kunren.errors import Problem
from kunren.textfile import decode, excerpt, nearest_file, shown
from kunren.types import Where
from kunren.userfile import contents, located

LENGTH = 200
"""Characters that a passage should have at most, without its headings. For the 81 questions with
numbers in the training and validation rows of examples/company_qa.yaml, three passages of 200 held
the answer's numbers in 67 %, of 300 in 68 %, of 150 in 58 %: 200 cost a small model the least."""

SUFFIXES = (".md", ".txt", ".jsonl")
"""What is read; of a folder's files all others are left alone."""

_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*\s*")
_FENCE = re.compile(r"\s*(```|~~~)")
_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|[\s:|-]*")
_SENTENCE = re.compile(r"(?<=[。！？!?])")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document.

    Attributes:
        source: the file's name.
        headings: those that it stands under, from the top; empty where there are none.
        body: what it says.
    """

    source: str
    headings: tuple[str, ...]
    body: str

    @property
    def text(self) -> str:
        """The passage with its headings, as a model reads it."""
        return "\n".join([*([" > ".join(self.headings)] if self.headings else []), self.body])


@dataclass(frozen=True, slots=True)
class Documents:
    """What ``data.documents`` names.

    Attributes:
        files: all files, each once, in the order in which they were named; a folder's by name.
        passages: of all files, in their order.
        problems: what is wrong with them; without one there is at least one passage.
    """

    files: tuple[Path, ...] = ()
    passages: tuple[Passage, ...] = ()
    problems: tuple[Problem, ...] = ()


def read_documents(named: str | Sequence[str] | None, folder: Path) -> Documents:
    """Read the documents that a config names; this never raises for what stands in them.

    Args:
        named: files and folders; None: there are none.
        folder: what relative paths refer to.
    """
    if named is None:
        return Documents()
    paths = [named] if isinstance(named, str) else named
    files: dict[Path, None] = {}
    problems: list[Problem] = []
    for path in (located(folder, path) for path in paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
            files |= dict.fromkeys(inside)
            if not inside:
                said: dict[str, object] = {"known": " ".join(SUFFIXES)}
                problems.append(Problem("documents.empty-folder", Where(shown(path)), said))
        elif path.suffix not in SUFFIXES:
            problems.append(_no_document(path))
        else:
            files[path] = None
    passages: list[Passage] = []
    for path in files:
        found, wrong = _read(path)
        passages += found
        problems += wrong
    if not paths:
        problems.append(Problem("documents.none"))
    return Documents(tuple(files), tuple(passages), tuple(problems))


def _no_document(path: Path) -> Problem:
    where = Where(shown(path))
    if not path.exists():
        return _missing(path)
    fields: dict[str, object] = {"suffix": path.suffix or "—", "known": " ".join(SUFFIXES)}
    return Problem("documents.unknown-format", where, fields)


def _missing(path: Path) -> Problem:
    near = nearest_file(path)
    where = Where(shown(path))
    if near is None:
        return Problem("documents.no-such-file", where)
    return Problem("documents.no-such-file-near", where, {"nearest": near})


def _read(path: Path) -> tuple[list[Passage], list[Problem]]:
    where = Where(shown(path))
    data = contents(path, area="documents")
    if isinstance(data, Problem):
        return [], [data]
    foreign = not_data(data, shown(path))
    if foreign is not None:
        return [], [foreign]
    if path.suffix == ".jsonl":
        return _records(data, path)
    text, encoding = decode(data)
    if encoding is not None or "\ufffd" in text:
        fields: dict[str, object] = {"encoding": encoding or "?", "name": path.name}
        return [], [Problem("documents.not-utf-8", where, fields)]
    cut = split_markdown if path.suffix == ".md" else _split_plain
    found = cut(text.replace("\r\n", "\n").replace("\r", "\n"), path.name)
    return found, [] if found else [Problem("documents.empty", where)]


def _records(data: bytes, path: Path) -> tuple[list[Passage], list[Problem]]:
    """A JSONL file: each line a text, or an object with ``text`` and perhaps ``title``."""
    parsed = parse(data, shown(path))
    passages: list[Passage] = []
    problems = list(parsed.problems)
    for record in parsed.records:
        value = record.value
        body = value.get("text") if isinstance(value, dict) else value
        if not isinstance(body, str) or is_blank(body):
            fields: dict[str, object] = {"found": excerpt(str(value))}
            problems.append(Problem("documents.no-text", Where(shown(path), record.line), fields))
            continue
        title = value.get("title") if isinstance(value, dict) else None
        headings = (title.strip(),) if isinstance(title, str) and title.strip() else ()
        passages += _passages(body.splitlines(), headings, path.name)
    if not passages and not problems:
        problems.append(Problem("documents.empty", Where(shown(path))))
    return passages, problems


def split_markdown(text: str, source: str) -> list[Passage]:
    """Passages of a Markdown text: one or more for what stands under each heading."""
    above: list[str] = []
    levels: list[int] = []
    lines: list[str] = []
    found: list[Passage] = []
    fenced = False
    for line in text.split("\n"):
        fenced ^= _FENCE.match(line) is not None
        heading = None if fenced else _HEADING.fullmatch(line)
        if heading is None:
            lines.append(line)
            continue
        found += _passages(lines, tuple(above), source)
        lines = []
        while levels and levels[-1] >= len(heading[1]):
            levels.pop()
            above.pop()
        levels.append(len(heading[1]))
        above.append(heading[2])
    return found + _passages(lines, tuple(above), source)


def _split_plain(text: str, source: str) -> list[Passage]:
    return _passages(text.split("\n"), (), source)


def _passages(lines: Sequence[str], headings: tuple[str, ...], source: str) -> list[Passage]:
    """What stands under one heading, in passages of at most ``LENGTH`` characters if it can be."""
    return [Passage(source, headings, body) for body in _packed(_blocks(lines))]


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Paragraphs, lists and tables: lines with no empty one between them."""
    block: list[str] = []
    for line in [*lines, ""]:
        if not is_blank(line):
            block.append(line.rstrip())
        elif block:
            yield block
            block = []


def _packed(blocks: Iterable[list[str]]) -> Iterator[str]:
    """Blocks joined up to ``LENGTH`` characters; a longer one is cut between its lines."""
    held = ""
    for block in blocks:
        whole = "\n".join(block)
        if held and len(held) + len(whole) + 1 <= LENGTH:
            held = f"{held}\n{whole}"
            continue
        if held:
            yield held
        held = whole
        if len(whole) > LENGTH:
            *full, held = _cut(block)
            yield from full
    if held:
        yield held


def _cut(block: Sequence[str]) -> Iterator[str]:
    """A long block in parts between its lines, or its sentences where a line itself is too long."""
    head = list(block[:2]) if len(block) > 2 and _RULE.fullmatch(block[1]) else []
    pieces = [piece for line in block[len(head) :] for piece in _sentences(line)]
    part: list[str] = []
    size = start = sum(len(line) + 1 for line in head)
    for piece in pieces:
        if part and size + len(piece) > LENGTH:
            yield "\n".join([*head, *part])
            part, size = [], start
        part.append(piece)
        size += len(piece) + 1
    yield "\n".join([*head, *part])


def _sentences(line: str) -> list[str]:
    if len(line) <= LENGTH:
        return [line]
    joined: list[str] = []
    whole = filter(None, _SENTENCE.split(line))
    # A text without a full stop is cut wherever it is too long.
    for sentence in (s[n : n + LENGTH] for s in whole for n in range(0, len(s), LENGTH)):
        if joined and len(joined[-1]) + len(sentence) <= LENGTH:
            joined[-1] += sentence
        else:
            joined.append(sentence)
    return joined
