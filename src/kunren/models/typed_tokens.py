"""Control tokens that a person typed: read as the text that they are.

A tokenizer makes one token of ``<end_of_turn>`` wherever it stands, so that a text that quotes it
would close its own turn. What comes from the data is therefore marked within each such name before
the model's template is put around it, and tokenised in two parts there: the template's own marks
stay what they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from kunren.models.chat_template import render
from kunren.types import Message

BREAK = "\ue000break\ue000"  # private use: where a text is cut into parts to be tokenised
_ANCHORS = ("。", "\n", "x", "1")
_MEANT = re.compile(r"think|thought|reason|tool|func", re.IGNORECASE)
"""Tokens that answers are meant to hold: the marks of reasoning and of calls."""


class ControlTokens:
    """Finds control tokens. Gemma has thousands: a pattern of all takes long to compile."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = frozenset(filter(None, tokens))
        self._lengths = sorted({len(token) for token in self._tokens}, reverse=True)
        begins = "".join(sorted({token[0] for token in self._tokens}))
        self._begin = re.compile(f"[{re.escape(begins)}]" if begins else r"(?!)")

    def first_end(self, text: str) -> int:
        """Where the first token ends, of several there the longest; without one, the end.

        Args:
            text: what a template puts after an answer.
        """
        return next((end for _, end in self._found(text)), len(text))

    def broken(self, text: str) -> str:
        """The text with ``BREAK`` behind the first character of every token in it.

        Full-width characters count as the ones that a tokenizer may turn them into.
        """
        if text.isascii() and not self._begin.search(text):
            return text
        plain = text if text.isascii() else "".join(map(_narrow, text))
        cuts = [begin + 1 for begin, end in self._found(plain) if end - begin > 1]
        ends = [*cuts, len(text)]
        return BREAK.join(text[a:b] for a, b in zip([0, *cuts], ends, strict=True))

    def _found(self, text: str) -> list[tuple[int, int]]:
        """Begin and end of every token, those that overlap included."""
        return [
            (begin, min(begin + length, len(text)))
            for begin in (found.start() for found in self._begin.finditer(text))
            if (length := self._length_at(text, begin))
        ]

    def _length_at(self, text: str, begin: int) -> int:
        return next((n for n in self._lengths if text[begin : begin + n] in self._tokens), 0)


def _narrow(character: str) -> str:
    made = unicodedata.normalize("NFKC", character)
    return made if len(made) == 1 else character


@lru_cache(maxsize=4)  # every row asks
def special(tokenizer: Any) -> ControlTokens:
    """The tokenizer's special tokens."""
    return ControlTokens(special_tokens(tokenizer))


def special_tokens(tokenizer: Any) -> list[str]:
    """What the tokenizer calls special, the longest first."""
    added = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special]
    return sorted({*added, *tokenizer.all_special_tokens}, key=len, reverse=True)


@lru_cache(maxsize=4)
def _control(tokenizer: Any, _template: str) -> ControlTokens:
    """What a text must not be able to write: special tokens, and the chat template's own marks."""
    marks = set(special_tokens(tokenizer))
    if tokenizer.chat_template:
        said = render(tokenizer, (Message("user", "?"), Message("assistant", "!")), True)
        added = (token.content for token in tokenizer.added_tokens_decoder.values())
        marks |= {name for name in added if name.strip() and name in said}
    return ControlTokens([name for name in marks if not _MEANT.search(name)])


def as_text(tokenizer: Any, text: str) -> str:
    """A text of the data, marked for ``encode`` where it names control tokens."""
    if text.isalnum():  # no brackets or bars, so that nothing needs to be asked of the tokenizer
        return text
    return _control(tokenizer, str(tokenizer.chat_template)).broken(text)


def as_texts(tokenizer: Any, messages: Sequence[Message]) -> list[Message]:
    """``as_text`` of all that is said in a conversation."""
    return [
        replace(
            m,
            content=as_text(tokenizer, m.content),
            reasoning=as_text(tokenizer, m.reasoning),
            calls=as_text(tokenizer, m.calls),
        )
        for m in messages
    ]


def encode(tokenizer: Any, texts: Sequence[str], **how: Any) -> list[list[int]]:
    """Token ids of each text, no token reaching over a ``BREAK``.

    Args:
        tokenizer: the model's.
        texts: some of them from ``as_text``.
        how: the tokenizer's own arguments; ``text_target=True`` reads them as targets.
    """
    target = how.pop("text_target", False)
    name = "text_target" if target else "text"

    def ids(said: Sequence[str], **more: Any) -> list[list[int]]:
        if not said:
            return []
        found: list[list[int]] = tokenizer(**{name: list(said)}, **{**how, **more})["input_ids"]
        return found

    whole = iter(ids([text for text in texts if BREAK not in text]))
    return [_joined(text, ids) if BREAK in text else next(whole) for text in texts]


def _joined(text: str, ids: Any) -> list[int]:
    """A text in parts, with the special tokens that would stand around the whole."""
    first, *others = text.split(BREAK)
    (bare,) = ids([first], add_special_tokens=False)
    made = list(bare)
    for part in others:
        made += _continued(part, ids)
    (around,) = ids([first])
    at = next((n for n in range(len(around) + 1) if around[n : n + len(bare)] == bare), 0)
    return [*around[:at], *made, *around[at + len(bare) :]]


def _continued(part: str, ids: Any) -> list[int]:
    """A text as it is tokenised behind another, without a space that begins a text."""
    for anchor in _ANCHORS:
        head, both = ids([anchor, anchor + part], add_special_tokens=False)
        if head and both[: len(head)] == head:
            return list(both[len(head) :])
    (alone,) = ids([part], add_special_tokens=False)
    return list(alone)
