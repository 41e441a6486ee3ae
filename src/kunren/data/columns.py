"""The names of columns: which of a file's are those that a config names.

macOS writes ``デ`` as two characters where all others write one, and what is typed on a Japanese
keyboard may be full-width: both are the same name to the person who wrote it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import regex

from kunren.config.schema import Fields
from kunren.errors import Problem
from kunren.types import Row

_NAMED = 8

_WORDS = regex.compile(r"[\p{Hiragana}\p{Katakana}\p{Han}]{2}|\p{L}+\s+\p{L}+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The columns that will be read, as the user names them.

    Attributes:
        valued: those whose cells must hold a value: text and label.
        others: those whose cells may be empty, or that need not be there.
        messages: what the column of conversations is called; with it ``valued`` are not needed.
    """

    valued: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    messages: str | None = None

    @classmethod
    def of(cls, fields: Fields, valued: Sequence[str] = ("text", "label")) -> Wanted:
        """The columns that a config names; ``valued``: the keys of those that must hold a value."""
        named = {key: _names(value) for key, value in fields.model_dump().items()}
        # One column a label: an empty cell there only says that the label does not apply.
        needed = tuple(names[0] for key in valued if len(names := named.get(key, ())) == 1)
        every = dict.fromkeys(name for names in named.values() for name in names)
        others = tuple(name for name in every if name not in needed)
        return cls(needed, others, fields.messages)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.valued, *self.others)

    def are_in(self, names: Iterable[str]) -> bool:
        """Whether a row can be read from columns of these names."""
        found = {folded(name) for name in names}
        if self.messages is not None and folded(self.messages) in found:
            return True
        return bool(self.valued) and all(folded(name) in found for name in self.valued)


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        return ()
    return tuple(one for one in value if isinstance(one, str))


def folded(name: str) -> str:
    """A name as it is compared: without spaces around it, composed, of plain width."""
    return unicodedata.normalize("NFKC", name).strip()


def holds_words(values: Sequence[str]) -> bool:
    """Whether most values of a column are words or sentences, not numbers, dates or codes."""
    return 2 * sum(_WORDS.search(value) is not None for value in values) >= len(values) > 0


def renamed(names: Sequence[str], wanted: Wanted) -> Mapping[str, str]:
    """What columns are to be called that are written otherwise than a config has them.

    A name that is there exactly is left alone; one that differs only in Unicode's composition or
    in width becomes the wanted one, where no other column could be meant. All others are composed.

    Returns:
        Only those that change.
    """
    new = {name: unicodedata.normalize("NFC", name.strip()) for name in names}
    for want in wanted.names:
        if want in names:
            new[want] = want
            continue
        alike = [name for name in names if folded(name) == folded(want)]
        if len(alike) == 1:
            new[alike[0]] = want
    return {name: becomes for name, becomes in new.items() if becomes != name}


def perhaps_unread(noted: Sequence[Problem], rows: Sequence[Row]) -> list[Problem]:
    """Of rows that are too much alike: the texts that nothing reads, where they may differ."""
    for note in noted:
        names = note.fields.get("columns")
        if note.code != "notes.unread-columns" or not isinstance(names, list):
            continue
        texts = [name for name in names if holds_words([row.fields.get(name, "") for row in rows])]
        if texts:
            said: dict[str, object] = {"columns": "、".join(texts[:_NAMED]), "first": texts[0]}
            return [Problem("data.perhaps-unread", note.where, said)]
    return []
