"""Paragraphs for a terminal, broken where Japanese may be broken."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len

_NOT_FIRST = (
    "、。，．,.:;：；!?！？)）]］}｝」』】〉》〕⟧%ー々・…‥〜～"
    + "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ"
)
"""What no line begins with (a part of the rules of JIS X 4051)."""

_NOT_LAST = "(（[［{｛「『【〈《〔⟦"
"""What no line ends with."""

_NARROWEST = 30
"""Below this many columns nothing is gained by breaking lines."""


def wrapped(said: str, width: int, indent: str = "") -> Iterator[str]:
    """The lines of a paragraph.

    Args:
        said: the paragraph; its own line breaks are kept.
        width: columns of the terminal; a Japanese character takes two.
        indent: before each line.
    """
    room = max(_NARROWEST, width) - cell_len(indent)
    for paragraph in said.split("\n"):
        line = ""
        for piece in _pieces(paragraph):
            if line and cell_len(line) + cell_len(piece.rstrip()) > room:
                yield indent + line.rstrip()
                line = piece.lstrip()
            else:
                line += piece
        yield indent + line.rstrip()


def _pieces(said: str) -> Iterator[str]:
    """What must stay on one line: a word, a number with its unit, a character with its mark."""
    start = 0
    for at in range(1, len(said)):
        if _may_break(said[at - 1], said[at], said[at + 1 : at + 2]):
            yield said[start:at]
            start = at
    yield said[start:]


def _may_break(before: str, after: str, next_: str) -> bool:
    if after in _NOT_FIRST or before in _NOT_LAST or after == " ":
        return False
    if before == " ":
        return not (after in "%→" or next_ == "" or after in _NOT_FIRST)
    return cell_len(before) > 1 or cell_len(after) > 1
