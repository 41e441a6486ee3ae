"""From one record of a data file to a conversation, or to what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from math import isnan
from typing import cast, get_args

from kunren.config.schema import Fields
from kunren.data.normalize import is_blank
from kunren.errors import Problem
from kunren.nearest import nearest
from kunren.textfile import excerpt
from kunren.types import Message, Role, Where

_ROLES: tuple[str, ...] = get_args(Role)
_OTHER_NAMES = {
    "human": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "developer": "system",
}
LIST_SEPARATOR = "\x1f"
"""Joins the labels of a row that came as a list: a character that no text may contain."""

_JAPANESE = re.compile(r"[ぁ-ゖァ-ヺ一-鿿]")
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
"""What no text has: Unicode's categories Cc, but for tab and line breaks, and Cs; U+FFFD."""


def messages_of(
    value: object, fields: Fields, where: Where
) -> tuple[tuple[Message, ...], list[Problem]]:
    """The conversation of a record: its messages, or its text and label as user and assistant.

    A label that is a list of strings becomes one answer, joined by ``LIST_SEPARATOR``: whether
    several labels make sense, and how a model is to write them, is for the task to say.

    Returns:
        The messages, in order, and all problems; the messages are worth nothing if there are any.
    """
    checker = _Checker(fields, where)
    if not isinstance(value, dict):
        checker.wrong("not-an-object", found=_quoted(value))
        return (), checker.problems
    checker.group(value)
    if value.get(fields.messages) is not None:
        messages = checker.conversation(value[fields.messages])
    else:
        messages = checker.flat(value)
    return messages, checker.problems


def question_of(
    value: object, fields: Fields, where: Where
) -> tuple[tuple[Message, ...], list[Problem]]:
    """What a record asks: as ``messages_of``, but no answer is needed.

    A label is not looked at, and an assistant turn at the end of a conversation is left out: that
    is what is to be predicted.
    """
    checker = _Checker(fields, where, answered=False)
    if not isinstance(value, dict):
        checker.wrong("not-an-object", found=_quoted(value))
        return (), checker.problems
    if value.get(fields.messages) is not None:
        return checker.conversation(value[fields.messages]), checker.problems
    return checker.flat(value), checker.problems


def fields_of(value: object, fields: Fields) -> dict[str, str]:
    """All columns of a record but its messages, as text: what a prompt template may name.

    Strings are as they stand, null is empty, a list of strings is joined by ``、``; all else is
    written as JSON (``3.5``, ``true``), or as Python writes it where JSON knows no such type.
    """
    if not isinstance(value, dict):
        return {}
    return {str(k): _as_text(v) for k, v in value.items() if k != fields.messages}


def group_of(value: object, fields: Fields) -> str | None:
    """The group that a record belongs to, as text; None: it has none."""
    if fields.group is None or not isinstance(value, dict):
        return None
    given = value.get(fields.group)
    if isinstance(given, float):
        # A column of integers with gaps is stored as floats by pandas, its gaps as NaN.
        return None if isnan(given) else str(int(given))
    return _as_text(given).strip() or None


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "、".join(value)
    if isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


@lru_cache(maxsize=1 << 14)  # labels and system prompts come again and again
def garbled(text: str) -> tuple[str, dict[str, object]] | None:
    """How a text is garbled, as a problem's name and fields; None if it is not.

    Found are characters that no text has (control characters, U+FFFD, half a surrogate pair) and
    Japanese that was read in the wrong encoding and saved so: text that, encoded back, is UTF-8
    for Japanese, which text that someone wrote is not.
    """
    if (bad := _NO_TEXT.search(text)) is not None:
        return "garbled", {"character": f"U+{ord(bad.group()):04X}", "excerpt": excerpt(text)}
    if text.isascii():
        return None
    western = () if _JAPANESE.search(text) else ("latin-1", "cp1252")  # they have none of these
    for encoding in ("cp932", *western):
        try:
            repaired = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        # One is not enough: a rare kanji and a common one can by chance be a kanji and a letter.
        if len(_JAPANESE.findall(repaired)) > 1:
            return "mojibake", {"excerpt": excerpt(text), "repaired": excerpt(repaired)}
    return None


class _Checker:
    """Reads one record and collects what is wrong with it."""

    def __init__(self, fields: Fields, where: Where, *, answered: bool = True) -> None:
        self._fields = fields
        self._where = where
        self._answered = answered
        self.problems: list[Problem] = []

    def wrong(self, name: str, **fields: object) -> None:
        self.problems.append(Problem(f"data.{name}", self._where, fields))

    def group(self, record: dict[str, object]) -> None:
        """What the record belongs to, where the config names a field for it."""
        name = self._fields.group
        if name is None:
            return
        if name not in record:
            self._missing("group", name, record)
        elif not _names_group(record[name]):
            self.wrong("group-type", field=name, found=_quoted(record[name]))

    def flat(self, record: dict[str, object]) -> tuple[Message, ...]:
        """A text and its label."""
        messages: list[Message] = []
        turns: tuple[tuple[str, Role, str], ...] = (
            ("text", "user", self._fields.text),
            ("label", "assistant", self._fields.label),
        )
        for key, role, name in turns if self._answered else turns[:1]:
            if name not in record:
                self._missing(key, name, record)
                continue
            content = record[name]
            if key == "label" and isinstance(content, list):
                messages += self._several(content, name)
            elif content is None or (isinstance(content, str) and is_blank(content)):
                self.wrong(f"empty-{key}", field=name)
            elif not isinstance(content, str):
                self.wrong(f"{key}-type", field=name, found=_quoted(content))
            elif self._readable(content, name):
                messages.append(Message(role, content))
        return tuple(messages)

    def _several(self, labels: Sequence[object], name: str) -> list[Message]:
        """A list of labels as one answer."""
        texts = [label for label in labels if isinstance(label, str)]
        if len(texts) < len(labels):
            self.wrong("label-type", field=name, found=_quoted(labels))
        elif not texts or any(is_blank(label) for label in texts):
            self.wrong("empty-label", field=name)
        elif all(self._readable(label, name) for label in texts):
            return [Message("assistant", LIST_SEPARATOR.join(texts))]
        return []

    def conversation(self, turns: object) -> tuple[Message, ...]:
        """A list of messages."""
        name = self._fields.messages
        if not isinstance(turns, list):
            self.wrong("messages-type", field=name, found=_quoted(turns))
            return ()
        last = turns[-1] if turns else None
        if not self._answered and isinstance(last, dict) and last.get("role") == "assistant":
            turns = turns[:-1]
        if not turns:
            self.wrong("no-messages", field=name)
            return ()
        messages = [self._message(turn, number) for number, turn in enumerate(turns, start=1)]
        complete = tuple(message for message in messages if message is not None)
        if len(complete) == len(turns):
            self._order([message.role for message in complete])
        return complete

    def _message(self, turn: object, number: int) -> Message | None:
        if not isinstance(turn, dict) or "role" not in turn or "content" not in turn:
            self.wrong("message-shape", number=number, found=_quoted(turn))
            return None
        role, content = turn["role"], turn["content"]
        if role not in _ROLES:
            said = str(role)
            meant = _OTHER_NAMES.get(said.casefold()) or nearest(said, _ROLES)
            code = "unknown-role" if meant is None else "unknown-role-near"
            self.wrong(code, number=number, role=excerpt(said), meant=meant)
            return None
        if content is None or (isinstance(content, str) and is_blank(content)):
            self.wrong("empty-message", number=number, role=role)
        elif not isinstance(content, str):
            self.wrong("content-type", number=number, found=_quoted(content))
            return None
        elif not self._readable(content, f"{self._fields.messages}[{number}]"):
            return None
        return Message(cast("Role", role), content or "")

    def _order(self, roles: list[Role]) -> None:
        """A system prompt first if any, then user and assistant in turn, the answer last.

        Chat templates, Gemma's among them, refuse anything else.
        """
        turns = roles[1:] if roles[0] == "system" else roles
        offset = len(roles) - len(turns) + 1
        if self._answered and "assistant" not in turns:
            self.wrong("no-answer")
            return
        for number, role in enumerate(turns):
            if role == "system":
                self.wrong("late-system", number=number + offset)
                return
            if number == 0 and role != "user":
                self.wrong("first-not-user", number=offset)
                return
            if number and role == turns[number - 1]:
                self.wrong("same-role-twice", number=number + offset, role=role)
                return
        if self._answered and turns[-1] != "assistant":
            self.wrong("ends-with-user", number=len(roles))
        if not turns:
            self.wrong("no-question")

    def _missing(self, key: str, name: str, record: dict[str, object]) -> None:
        names = [str(k) for k in record]
        in_use = self._fields.model_dump().values()
        near = nearest(name, [n for n in names if n not in in_use])
        said: dict[str, object] = {"key": f"data.fields.{key}", "field": name}
        said["found"] = excerpt("、".join(names), 80) or "-"
        if near is None:
            self.wrong("missing-field", **said)
        else:
            self.wrong("missing-field-near", **said, nearest=near)

    def _readable(self, text: str, field: str) -> bool:
        found = garbled(text)
        if found is not None:
            self.wrong(found[0], field=field, **found[1])
        return found is None


def _names_group(value: object) -> bool:
    if isinstance(value, float):
        return isnan(value) or value.is_integer()
    return not isinstance(value, bool | list | dict)


def _quoted(value: object) -> str:
    return excerpt(json.dumps(value, ensure_ascii=False, default=str), 40)
