"""A YAML text as plain values, with the line of each, and what Japanese keyboards do to YAML.

Scalars mean what YAML 1.2 says, not PyYAML's YAML 1.1: ``3e-5`` is a number, ``no`` and
``2025-12-23`` are strings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import yaml

from kunren.errors import Problem
from kunren.textfile import excerpt
from kunren.types import Where

KeyPath = tuple[str | int, ...]
"""Keys and list positions from the top of the document down to a value."""

DEEPEST = 20
"""Sections and lists inside each other; the schema needs four."""

MOST_VALUES = 20_000
"""Values of a document, each alias counted with all that it stands for: ten lists of ten aliases
each, one above the other, would be ten thousand million."""

_INT = re.compile(r"[-+]?[0-9]{1,300}")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf)|\.(nan|NaN)"
)
_WORDS = {"": None, "~": None, "null": None, "Null": None, "true": True, "True": True}
_WORDS |= {"false": False, "False": False}
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq")}
_SYNTAX = {
    "mapping values are not allowed": "yaml-colon",
    "could not find expected ':'": "yaml-no-colon",
    "found undefined alias": "yaml-quote",
    "that cannot start any token": "yaml-quote",
    "found unexpected end of stream": "yaml-unclosed-quote",
    "found unknown escape character": "yaml-escape",
    "expected ',' or": "yaml-unclosed-bracket",
    "but found another document": "yaml-documents",
}


@dataclass(frozen=True, slots=True)
class Span:
    """The lines that a key and its value stand on, from 1, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed YAML text.

    Attributes:
        value: the top of the document: dicts, lists and scalars; None if it could not be parsed.
        spans: where each value stands.
        slips: line → a slip of the keyboard on it. Only those on lines that make no sense
            otherwise are worth telling: the same characters may stand in a prompt.
        problems: what is wrong whatever the keys mean.
    """

    value: Any
    spans: dict[KeyPath, Span] = field(default_factory=dict)
    slips: dict[int, Problem] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def parse(text: str, path: str, known: Collection[str]) -> Document:
    """Read a YAML text.

    Args:
        text: the document.
        path: its name, for messages.
        known: all words that are keys somewhere; slips are looked for around them.
    """
    slips = _slips(text, path, known)
    deep = _too_deep(text, path)
    if deep is not None:
        return Document(None, problems=(deep,))
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        found = tuple(slips.values()) or (_syntax(error, text, path),)
        return Document(None, problems=found)
    reader = _Reader(path)
    try:
        value = None if node is None else reader.value(node, (), ())
    except _TooManyError as error:
        fields: dict[str, object] = {"most": MOST_VALUES}
        problem = Problem("config.too-many-values", Where(path, error.line), fields)
        return Document(None, problems=(problem,))
    return Document(value, reader.spans, slips, tuple(reader.problems))


def scalar(plain: str) -> Any:
    """What an unquoted scalar means."""
    if plain in _WORDS:
        return _WORDS[plain]
    if _INT.fullmatch(plain):
        return int(plain)
    if _FLOAT.fullmatch(plain):
        return float(plain.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return plain


def _too_deep(text: str, path: str) -> Problem | None:
    """Where a document goes deeper than ``DEEPEST``; None: nowhere, or it cannot be parsed.

    PyYAML makes its nodes by recursion, its events without.
    """
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.BaseLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                line = None if event.start_mark is None else event.start_mark.line + 1
                return Problem("config.too-deep", Where(path, line), {"most": DEEPEST})
    except yaml.YAMLError:
        return None
    return None


class _TooManyError(Exception):
    def __init__(self, line: int) -> None:
        self.line = line


class _Reader:
    """Walks the nodes of one document and collects values, lines and problems."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._values = 0
        self.spans: dict[KeyPath, Span] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, at: KeyPath, above: tuple[int, ...]) -> Any:
        """The value of ``node``; ``above`` are the ids of the nodes that it stands in."""
        line = node.start_mark.line + 1
        self._values += 1
        if self._values > MOST_VALUES:
            raise _TooManyError(line)
        self.spans.setdefault(at, Span(line, max(line, node.end_mark.line + 1)))
        if node.tag not in _PLAIN_TAGS:
            self._problem("tag", line, tag=node.tag.replace("tag:yaml.org,2002:", "!!"))
            return None
        if id(node) in above:
            self._problem("contains-itself", line)
            return None
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at, above)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(n, (*at, i), above) for i, n in enumerate(node.value)]
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return scalar(node.value) if plain else node.value

    def _mapping(
        self, node: yaml.MappingNode, at: KeyPath, above: tuple[int, ...]
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self._problem("key-not-a-word", line)
                continue
            name = str(key.value)
            if name in first:
                dotted = ".".join(map(str, (*at, name)))
                self._problem("duplicate-key", line, key=excerpt(dotted), first=first[name])
                continue
            first[name] = line
            self.spans[(*at, name)] = Span(line, child.end_mark.line + 1)
            values[name] = self.value(child, (*at, name), above)
        return values

    def _problem(self, name: str, line: int, **fields: object) -> None:
        self.problems.append(Problem(f"config.{name}", Where(self._path, line), fields))


def _syntax(error: yaml.YAMLError, text: str, path: str) -> Problem:
    """PyYAML's error as one of ours; only its first, since it cannot go on."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        detail = error.problem or ""
        # An unclosed quote or bracket is mended where it opens, not where the file ends.
        opening = error.context_mark if "quoted scalar" in (error.context or "") else None
        mark = opening or error.problem_mark
        line, column = mark.line + 1, mark.column + 1
    elif isinstance(error, yaml.reader.ReaderError):
        detail = error.reason
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    else:
        raise error
    name = next((code for said, code in _SYNTAX.items() if said in detail), "yaml-broken")
    lines = text.split("\n")
    shown = lines[line - 1].strip() if line <= len(lines) else ""
    fields = {"column": column, "excerpt": excerpt(shown, 60), "detail": excerpt(detail, 80)}
    return Problem(f"config.{name}", Where(path, line), fields)


_KEY = re.compile(
    r"(?P<indent>[ \t\u3000]*)(?P<key>[^\s:：#{\[\"']+)(?P<colon>[ \u3000]*[:：])(?P<rest>.*)"
)


def _slips(text: str, path: str, known: Collection[str]) -> dict[int, Problem]:
    """Full-width characters, tabs and missing spaces around what would otherwise be a key."""
    slips = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("＃"):
            slips[number] = Problem("config.fullwidth-hash", Where(path, number))
            continue
        match = _KEY.match(line)
        if match is None:
            continue
        key = unicodedata.normalize("NFKC", match["key"])
        if key not in known:
            continue
        found = _slip(match, key)
        if found is not None:
            slips[number] = Problem(f"config.{found[0]}", Where(path, number), found[1])
    return slips


def _slip(match: re.Match[str], key: str) -> tuple[str, dict[str, object]] | None:
    indent, rest = match["indent"], match["rest"]
    if "\u3000" in indent:
        return "fullwidth-indent", {"key": key}
    if "\t" in indent:
        return "tab-indent", {"key": key}
    written = match["key"] + match["colon"]
    if key + ":" != written:
        return "fullwidth-key", {"written": written, "key": key}
    if rest.startswith("\u3000"):
        return "fullwidth-space", {"key": key}
    if rest and not rest.startswith((" ", "\t", "\r")):
        return "no-space", {"key": key, "rest": excerpt(rest.strip())}
    return None
