"""JSON as people have it: one object a line, an array, objects over lines, and slips in all.

Each value is read with the line that it begins on; what is wrong with one does not hide the others.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from math import inf
from typing import Any

from kunren.data.columns import Wanted
from kunren.data.parsed import Parsed, Record, listed
from kunren.errors import Problem
from kunren.textfile import excerpt
from kunren.types import Where

DEEPEST = 100
"""Lists and objects inside each other. Conversations with tools have ten; Python gives up at some
hundreds, in each place at another number."""

_WINDOW = 2**16
"""How far around an error is looked, at first."""

_WIDE = {"：": ":", "，": ",", "、": ",", "“": '"', "”": '"', "＂": '"', "｛": "{", "｝": "}"}
_WIDE |= {"［": "[", "］": "]", "\u3000": " "}
_BLANK = "\ufeff \t\r\n\u3000"

# --- JSON ---

_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""What may be half a surrogate pair, as JSON escapes it."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]+|[\]}]', re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n\ufeff]*")


def read_json(text: str, path: str, wanted: Wanted) -> Parsed:
    """The records of a JSON text: the elements of an array, or values one after the other.

    Args:
        text: the file.
        path: as it is shown.
        wanted: columns in whose strings half a character is left for the reader of records to
            tell. Elsewhere it becomes U+FFFD, since nothing could be written with it.
    """
    start = len(text) - len(text.lstrip(_BLANK))
    reader = _Reader(text, path, wanted)
    if text[start] == "[":
        return reader.array(start)
    return reader.objects(start) if reader.begins_with_object(start) else reader.lines()


class _DuplicateKeyError(ValueError):
    """A key stands twice in one object."""


class _RefusedError(ValueError):
    """A value that is JSON and cannot be taken; the message is its code."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _DuplicateKeyError(next(name for name in names if names.count(name) > 1))
    return found


_CONSTANTS = {"NaN": None, "Infinity": inf, "-Infinity": -inf}
"""What Python writes and JSON does not know. NaN is how pandas says that there is no value."""

# Not strict: a tab that was typed into a string is plain enough.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_CONSTANTS.__getitem__, strict=False
)


def _decode(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at ``at``, and its end.

    Raises:
        json.JSONDecodeError: it is no JSON.
        _DuplicateKeyError: an object has a key twice.
        _RefusedError: it is nested too deeply, or has a number of thousands of digits.
    """
    try:
        value, end = _DECODER.raw_decode(text, at)
    except (json.JSONDecodeError, _DuplicateKeyError):
        raise
    except RecursionError:
        raise _RefusedError("json-too-deep") from None
    except ValueError:  # of int()
        raise _RefusedError("json-long-number") from None
    if text.count("[", at, end) + text.count("{", at, end) > DEEPEST and _depth(value) > DEEPEST:
        raise _RefusedError("json-too-deep")
    return value, end


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [inner for one in level for inner in _inside(one)]
    return depth


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _end_of(text: str, at: int) -> int:
    """Where the value at ``at`` ends, by its brackets alone; the end of the text if nowhere."""
    depth = 0
    for found in _BRACKETS.finditer(text, at):
        first = text[found.start()]
        if first in "[{":
            depth += found.end() - found.start()
        elif first in "]}":
            depth -= 1
        if depth <= 0:
            return found.end()
    return len(text)


def _mended(value: object) -> object:
    """A value without halves of surrogate pairs."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(one) for one in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(one) for key, one in value.items()}
    return value


class _Reader:
    """Reads values out of one text and remembers where each stood."""

    def __init__(self, text: str, path: str, wanted: Wanted) -> None:
        self._text = text
        self._path = path
        self._parsed = Parsed()
        self._told = {*wanted.valued, *([wanted.messages] if wanted.messages else [])}
        self._halves: list[int] = []
        self._lost: int | None = None  # where a value begins whose end is that of the text

    def lines(self) -> Parsed:
        """One value a line."""
        for number, line in enumerate(self._text.split("\n"), start=1):
            value = line.strip(_BLANK)
            if value:
                self._line(value, number, line.index(value))
        return self._finished()

    def array(self, start: int) -> Parsed:
        """The elements of the one array that the text is."""
        at = self._space(start + 1)
        indent = at - self._text.rfind("\n", 0, at) - 1 if "\n" in self._text[start:at] else None
        while at < len(self._text) and self._text[at] != "]":
            end = self._value(at, indent)
            if end is None:
                resumed = self._resume(at, indent)
                if resumed is None:
                    return self._finished()
                at = resumed
                continue
            at = self._space(end)
            after = self._text[at : at + 1]
            if after == ",":
                at = self._space(at + 1)
                if self._text[at : at + 1] == "]":
                    self._broken(at, "broken-json-comma")
            elif after not in ("]", ""):
                self._broken(at, "broken-json-no-comma" if after in "{[" else None)
                if after not in "{[":
                    return self._finished()
        if at >= len(self._text) and self._lost is None:
            self._broken(max(0, len(self._text.rstrip()) - 1), "json-array-open")
        elif at < len(self._text) and self._space(at + 1) < len(self._text):
            self._broken(self._space(at + 1), "broken-json-extra")
        return self._finished()

    def objects(self, start: int) -> Parsed:
        """Values one after the other, each over several lines."""
        at: int | None = start
        while at is not None and at < len(self._text):
            end = self._value(at, 0)
            at = self._resume(at, 0) if end is None else self._space(end)
        return self._finished()

    def begins_with_object(self, at: int) -> bool:
        """Whether a whole object that begins at ``at`` goes on over several lines."""
        end_of_line = self._text.find("\n", at)
        if end_of_line < 0:
            return False
        try:
            _decode(self._text[at:end_of_line], 0)
        except json.JSONDecodeError:
            pass
        except ValueError:
            return False
        else:
            return False
        if self._text[at:end_of_line].strip() == "{":
            return True
        try:
            return _decode(self._text, at)[1] > end_of_line
        except json.JSONDecodeError:
            return False
        except ValueError:
            return _end_of(self._text, at) > end_of_line

    def _finished(self) -> Parsed:
        if self._halves:
            lines = self._halves
            fields: dict[str, object] = {"count": len(lines), "lines": listed(lines)}
            note = Problem("data.half-characters", Where(self._path, lines[0]), fields)
            self._parsed.notes.append(note)
        return self._parsed

    def _line(self, value: str, number: int, indent: int) -> None:
        where = Where(self._path, number)
        try:
            read, end = _decode(value, 0)
        except _DuplicateKeyError as error:
            self._wrong("duplicate-field", where, field=excerpt(str(error)))
            return
        except json.JSONDecodeError as error:
            self._parsed.problems.append(_broken_json(value, error.pos, where, indent))
            return
        except _RefusedError as error:
            self._wrong(str(error), where, most=DEEPEST)
            return
        rest = value[end:].strip()
        if rest and rest != ",":
            at = value.index(rest, end)
            self._parsed.problems.append(
                _broken_json(value, at, where, indent, "broken-json-extra")
            )
            return
        self._take(read, number, half=_HALF.search(value) is not None)

    def _value(self, at: int, indent: int | None) -> int | None:
        """Read the value at ``at``; its end, or None if it is broken.

        ``indent``: of the lines on which elements begin; None: they all stand on one line.
        """
        line = self._line_of(at)
        where = Where(self._path, line)
        try:
            value, end = self._decoded(at, indent)
        except _DuplicateKeyError as error:
            self._wrong("duplicate-field", where, field=excerpt(str(error)))
            return _end_of(self._text, at)
        except json.JSONDecodeError as error:
            self._broken(error.pos, None)
            return None
        except _RefusedError as error:
            self._wrong(str(error), where, most=DEEPEST)
            end = _end_of(self._text, at)
            self._lost = at if end == len(self._text) else None
            return end
        self._take(value, line, half=_HALF.search(self._text, at, end) is not None)
        return end

    def _decoded(self, at: int, indent: int | None) -> tuple[Any, int]:
        """``_decode`` of the whole text, tried with its next lines first.

        An error makes Python count all lines before it, which for thousands of them would not end.
        """
        near = self._resume(at, indent)
        for stop in (near, None if near is None else near + _WINDOW):
            if stop is None or stop >= len(self._text):
                break
            piece = self._text[at:stop]
            try:
                value, end = _decode(piece, 0)
            except json.JSONDecodeError as error:
                # The end of the piece may be all that is wrong with it.
                if error.pos < len(piece.rstrip()) - 1 and "Unterminated" not in error.msg:
                    raise json.JSONDecodeError(error.msg, "", at + error.pos) from None
            else:
                return value, at + end
        return _decode(self._text, at)

    def _take(self, value: object, line: int, *, half: bool) -> None:
        """Keep a value as a record."""
        if half and isinstance(value, dict):
            whole = {
                _mended(key): inner if key in self._told else _mended(inner)
                for key, inner in value.items()
            }
            if whole != value:
                self._halves.append(line)
            value = whole
        self._parsed.records.append(Record(line, value))

    def _wrong(self, code: str, where: Where, **fields: object) -> None:
        self._parsed.problems.append(Problem(f"data.{code}", where, fields))

    def _resume(self, at: int, indent: int | None) -> int | None:
        """Where the next element begins: the next line that opens an object like the first did."""
        if indent is None:
            return None
        found = re.compile(rf"\n[ \t]{{{indent}}}(?=[{{])").search(self._text, at)
        return None if found is None else found.end()

    def _broken(self, at: int, code: str | None) -> None:
        number = self._line_of(at)
        begin = self._breaks[number - 2] + 1 if number > 1 else 0
        end = self._breaks[number - 1] if number <= len(self._breaks) else len(self._text)
        left = max(begin, at - _WINDOW)
        line = self._text[left : min(end, at + _WINDOW)]
        before = self._text[max(0, at - 200) : at]
        where = Where(self._path, number)
        problem = _broken_json(line, at - left, where, left - begin, code, before)
        self._parsed.problems.append(problem)

    def _space(self, at: int) -> int:
        return _SPACE.match(self._text, at).end()  # type: ignore[union-attr]  # it matches nothing

    @cached_property
    def _breaks(self) -> list[int]:
        return [found.start() for found in re.finditer("\n", self._text)]

    def _line_of(self, at: int) -> int:
        return bisect_left(self._breaks, at) + 1


def _broken_json(
    line: str,
    at: int,
    where: Where,
    indent: int,
    code: str | None = None,
    before: str | None = None,
) -> Problem:
    """What is wrong at position ``at`` of ``line``, as far as the characters around it tell."""
    char = line[at : at + 1]
    last = (line[:at] if before is None else before).rstrip()[-1:]
    # In a string Python points at its beginning, so that its opening quote is what is found here.
    if code is None:
        if char in _WIDE:
            code = "broken-json-wide"
        elif char == "'":
            code = "broken-json-quote"
        elif char == '"' and last not in (",", "{", "[", ":", ""):
            code = "broken-json-no-comma"
        elif char == '"' and not _closed(line[at:]):
            code = "broken-json-open-string"
        elif _is_last_comma(char, last, line[at + 1 :]):
            code = "broken-json-comma"
        else:
            code = "broken-json"
    begin = max(0, at - 12)
    fields = {
        "column": at + indent + 1,
        "excerpt": ("…" if begin else "") + excerpt(line[begin:].rstrip(), 36),
        "found": excerpt(char),
        "wanted": _WIDE.get(char, "").replace(" ", "␣"),
    }
    return Problem(f"data.{code}", where, fields)


def _is_last_comma(char: str, last: str, rest: str) -> bool:
    """Python before 3.13 points at the bracket after a comma too many, later ones at the comma."""
    if char == ",":
        return last not in (",", ":", "[", "{") and rest.strip()[:1] in ("}", "]", "")
    return char in ("}", "]") and last == ","


def _closed(quoted: str) -> bool:
    return re.match(r'"(?:[^"\\]|\\.)*"', quoted) is not None
