"""How things are written in a report: numbers, labels, and text that came from data."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass

import emoji

from kunren.messages import language, text
from kunren.textfile import printable

_OTHER_BREAKS = re.compile("[\r\u2028\u2029]")
_TEXT = "(?P<text>.*)"
_SPACE = re.compile(r"\s+")
_BREAK = re.compile(r"\s*[\r\n\u2028\u2029]\s*")
_MARKUP = re.compile(
    r"[\\`*|~$]"  # always
    r"|(?<!\w)_|_(?!\w)"  # emphasis, but not snake_case
    r"|\](?=[(\[:])"  # the middle of a link
)
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?=#?\w+;)")


@dataclass(frozen=True, slots=True)
class Table:
    """A table for both Markdown and HTML; cells are plain text, escaped when written.

    Attributes:
        columns: headings.
        rows: cells.
        align: one letter a column: ``l`` or ``r``.
        marked: numbers of the rows that stand out.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str
    marked: frozenset[int] = frozenset()


def clean(said: str) -> str:
    """Text on which nothing can act: what would steer or turn it is written out (``printable``)."""
    return printable(_OTHER_BREAKS.sub(" ", said))


def markdown(said: str) -> str:
    """Any text as one line of Markdown that shows it literally, also within a table.

    Only what would be read as markup is escaped, so that the source stays readable. The line must
    not begin a block: it stands in a table, behind a list's dash, or after words of ours.
    """
    line = _SPACE.sub(" ", clean(said)).strip()
    line = _TAG.sub("&lt;", _ENTITY.sub("&amp;", line))
    return _MARKUP.sub(r"\\\g<0>", line)


def markdown_table(table: Table) -> str:
    """A table in Markdown, its cells escaped, its marked rows bold."""
    rule = {"l": "---", "r": "---:"}
    lines = [
        _markdown_row(table.columns),
        "|" + "|".join(rule[letter] for letter in table.align) + "|",
    ]
    for number, row in enumerate(table.rows):
        lines.append(_markdown_row(row, bold=number in table.marked))
    return "\n".join(lines)


def _markdown_row(cells: Sequence[str], *, bold: bool = False) -> str:
    said = [markdown(cell) for cell in cells]
    return "| " + " | ".join(f"**{s}**" if bold and s else s for s in said) + " |"


def clip(said: str, limit: int = 80) -> str:
    """The beginning of a text, on one line."""
    line = _SPACE.sub(" ", clean(said)).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def shown(said: str, limit: int = 160) -> str:
    """The beginning of an answer, on one line, with its line breaks still to be seen."""
    return clip(_BREAK.sub(" ⏎ ", said.strip()), limit)


def joined(labels: Sequence[str]) -> str:
    """A set of labels as one writes it: emoji in a row, words with commas."""
    if not labels:
        return text("record.none")
    return ("" if all(map(emoji.is_emoji, labels)) else text("record.list")).join(labels)


def untemplated(said: str, template: str) -> str:
    """What the user wrote, of an input that a prompt template was put around.

    Rows that got no template (chats of several turns) are returned as they are, and so is all where
    the template cannot be read: the first version of kunren took any text for one.
    """
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        return said
    pattern = "".join(
        re.escape(literal) + ("" if name is None else _TEXT if name == "text" else "(?:.*)")
        for literal, name, _, _ in parts
    )
    before, there, after = pattern.partition(_TEXT)
    found = re.fullmatch(before + there + after.replace(_TEXT, "(?P=text)"), said, re.DOTALL)
    return found["text"] if there and found else said


def verbatim(said: str) -> str:
    """Any text as a code block of Markdown, all lines of it as they are."""
    return "\n".join(f"    {line}" for line in clean(said).split("\n"))


def emoji_name(label: str) -> str | None:
    """The short name of a single emoji in the language in use; None for any other text."""
    if not emoji.is_emoji(label):
        return None
    said: str = emoji.demojize(label, language=language())
    return said.strip(":").replace("_", " ") if said != label else None


def answer(label: str | None, probability: float | None = None) -> str:
    """An answer with its probability: ``😢 (0.83)``; a dash where there is none."""
    if label is None:
        return "—"
    return label if probability is None else f"{label} ({probability:.2f})"


def decimal(value: float | None, digits: int = 4) -> str:
    """A number, or a dash."""
    return "—" if value is None else f"{value:.{digits}f}"


def scientific(value: float | None) -> str:
    """A learning rate: 0.00003 → ``3e-05``; a dash where there is none."""
    return "—" if value is None else f"{value:.3g}"


def size(count: float) -> str:
    """Bytes, to a reader."""
    if count < 0.1 * 2**30:
        return f"{count / 2**20:.{1 if count < 10 * 2**20 else 0}f} MiB"
    return f"{count / 2**30:.2f} GiB"


def duration(seconds: float) -> str:
    """``45 秒``, ``3 分 12 秒``, ``1 時間 05 分``."""
    whole = round(seconds)
    if whole < 60:
        return text("record.seconds", seconds=whole)
    if whole < 3600:
        return text("record.minutes", minutes=whole // 60, seconds=whole % 60)
    return text("record.hours", hours=whole // 3600, minutes=whole % 3600 // 60)
