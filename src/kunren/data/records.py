"""From one record of a data file to a conversation, or to what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan

from kunren.config.schema import Fields
from kunren.data import marks
from kunren.data.cells import amount, as_text, is_missing
from kunren.data.chats import conversation, quoted
from kunren.data.missing import is_missing as missing_word
from kunren.data.normalize import is_blank
from kunren.data.notes import Notes, RecordLog
from kunren.data.shapes import (
    INSTRUCTIONS,
    Ambiguous,
    Lacking,
    Shape,
    columns_of,
    exchanges,
    is_turn,
    shape_of,
    unread,
)
from kunren.data.turn_order import ordered
from kunren.errors import Problem
from kunren.nearest import nearest
from kunren.textfile import excerpt
from kunren.types import Message, Where

LIST_SEPARATOR = "\x1f"
"""Joins the labels of a row that came as a list: a character that no text may contain."""

_MAY_SEPARATE = re.compile(r"[,，、､;；|｜/／\s]")


@dataclass(frozen=True, slots=True)
class Manner:
    """How records are to be read.

    Attributes:
        fields: the config's names of columns.
        templated: columns that the prompt template names: they are for it to read.
        threshold: of label columns, the value above which a row has the label.
        answered: whether each record must have an answer. Where not, one that is there is left out:
            it is what is to be predicted.
        strip_marks: whether typed marks of chat templates are taken out.
    """

    fields: Fields
    templated: Collection[str] = ()
    threshold: float = 0.0
    answered: bool = True
    strip_marks: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What one record says.

    Attributes:
        messages: the conversation. None where something is wrong, and where nothing in the record
            is to be learnt: that is noted.
        fields: all columns but a conversation's, as text: what a prompt template may name.
        group: what it belongs to.
        chat: whether the record is a conversation, not a text and its answer.
        problems: what is wrong with it.
    """

    messages: tuple[Message, ...]
    fields: Mapping[str, str]
    group: str | None = None
    chat: bool = False
    problems: tuple[Problem, ...] = ()


def read_record(value: object, manner: Manner, where: Where, notes: Notes | None = None) -> Content:
    """What a record says: its conversation, or its text and label as user and assistant.

    A label that is a list becomes one answer, joined by ``LIST_SEPARATOR``: whether several labels
    make sense, and how a model is to write them, is for the task to say. An empty list, or an empty
    text, is an empty answer: the task says whether that is one.

    Args:
        value: the record.
        manner: how it is to be read.
        where: its place.
        notes: gets what was read otherwise than it stands, or left out; see ``data.notes``.
    """
    log = RecordLog(where, Notes(where.path) if notes is None else notes)
    if isinstance(value, list) and any(map(is_turn, value)):
        value = {manner.fields.messages: value}
    if not isinstance(value, dict):
        log.wrong("not-an-object", found=quoted(value))
        return Content((), {}, problems=tuple(log.problems))
    content = _RecordReader(value, manner, log).content()
    if not content.problems:
        log.keep()
    return content


def messages_of(
    value: object, fields: Fields, where: Where
) -> tuple[tuple[Message, ...], list[Problem]]:
    """The messages of a record that must have an answer, and all problems; see ``read_record``."""
    content = read_record(value, Manner(fields), where)
    return content.messages, list(content.problems)


def joined(labels: Sequence[str]) -> str:
    """A list of labels as one answer: an answer of one stays a list where it could be split."""
    if len(labels) == 1 and _MAY_SEPARATE.search(labels[0].strip()):
        return labels[0] + LIST_SEPARATOR
    return LIST_SEPARATOR.join(labels)


def elements(answer: str) -> list[str]:
    """The elements of an answer: those of a list, or the one text that it is; none if empty."""
    return [one for one in answer.split(LIST_SEPARATOR) if one]


def fields_of(value: object, fields: Fields, chat: Collection[str] = ()) -> dict[str, str]:
    """All columns of a record but its messages, as text: what a prompt template may name.

    Strings are as they stand, null is empty, a list of strings is joined by ``、``; all else is
    written as JSON (``3.5``, ``true``), or as Python writes it where JSON knows no such type.

    Args:
        value: the record.
        fields: names the column of the messages.
        chat: further columns that are conversations.
    """
    if not isinstance(value, dict):
        return {}
    without = {fields.messages, *chat}
    return {str(k): _column_text(v) for k, v in value.items() if k not in without}


def group_of(value: object, fields: Fields) -> str | None:
    """The group that a record belongs to, as text; None: it has none."""
    if fields.group is None or not isinstance(value, dict):
        return None
    given = value.get(fields.group)
    if isinstance(given, float):
        # A column of integers with gaps is stored as floats by pandas, its gaps as NaN.
        return None if isnan(given) else str(int(given))
    return _column_text(given).strip() or None


def missing(key: str, name: str, columns: Collection[str], fields: Fields) -> dict[str, object]:
    """What a problem says of a column that is not there.

    Args:
        key: of ``data.fields``.
        name: the column.
        columns: those that are there.
        fields: whose columns cannot be meant by another name.
    """
    in_use = columns_of(fields)
    return {
        "key": f"data.fields.{key}",
        "field": name,
        "found": excerpt("、".join(columns), 80) or "-",
        "nearest": nearest(name, [n for n in columns if n not in in_use]),
    }


def missing_kind(said: Mapping[str, object], fields: Fields) -> str:
    """How the name of that problem ends: for one of several columns, and where one is near."""
    of_several = said["key"] == "data.fields.label" and not isinstance(fields.label, str)
    return ("-of-labels" if of_several else "") + ("" if said["nearest"] is None else "-near")


def ambiguous(one: Ambiguous) -> dict[str, object]:
    """What a problem says of columns of which several could be meant."""
    return {
        "key": f"data.fields.{one.key}",
        "what": one.key,
        "columns": list(one.columns),
        "found": "、".join(one.columns),
        "first": one.columns[0],
    }


def _column_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "、".join(value)
    if isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


@dataclass(slots=True)
class _RecordReader:
    """Reads one record and collects what is wrong with it."""

    record: dict[str, object]
    manner: Manner
    log: RecordLog
    fields: Fields = field(init=False)

    def __post_init__(self) -> None:
        self.fields = self.manner.fields

    def content(self) -> Content:
        """All of it."""
        self._check_group()
        shape, lacking = shape_of(
            self.record, self.fields, self.manner.templated, answered=self.manner.answered
        )
        for one in lacking:
            self._lacks(one)
        weight = self._weight()
        messages: tuple[Message, ...] = ()
        if not self.log.problems:
            messages = self._chat(shape) if shape.chat else self._flat(shape)
        elif shape.text:  # all that is wrong with a record is told at once
            self._text(shape.text[0], needed=True)
        if self.manner.answered:
            self._note_unread(shape)
        if weight == 0 and messages and not self.log.problems:
            self.log.note("row-without-weight", column=str(self.fields.weight))
            messages = ()
        if self.manner.strip_marks and any(marks.chat_marks(m.content) for m in messages):
            self.log.note("marks-stripped")
            messages = marks.without_marks(messages, LIST_SEPARATOR)
        return Content(
            messages=() if self.log.problems else _weighed(messages, weight),
            fields=fields_of(self.record, self.fields, shape.chat),
            group=None if self.log.problems else group_of(self.record, self.fields),
            chat=bool(shape.chat),
            problems=tuple(self.log.problems),
        )

    def _lacks(self, one: Lacking | Ambiguous) -> None:
        if isinstance(one, Ambiguous):
            self.log.wrong("ambiguous-columns", **ambiguous(one))
            return
        said = missing(one.key, one.column, self.record.keys(), self.fields)
        self.log.wrong(f"missing-field{missing_kind(said, self.fields)}", **said)

    def _check_group(self) -> None:
        """What the record belongs to, where the config names a field for it."""
        name = self.fields.group
        if name is None:
            return
        if name not in self.record:
            self._lacks(Lacking("group", name))
        elif not _names_group(self.record[name]):
            self.log.wrong("group-type", field=name, found=quoted(self.record[name]))

    def _weight(self) -> float:
        """How much the row counts, where the config names a column for it."""
        name = self.fields.weight
        if name is None or not self.manner.answered:
            return 1.0
        if name not in self.record:
            self._lacks(Lacking("weight", name))
            return 1.0
        value = self.record[name]
        empty = is_missing(value) or (isinstance(value, str) and is_blank(value))
        given = None if empty else amount(value)
        if given is None or given < 0:
            self.log.wrong("weight", field=name, found=quoted(value))
            return 1.0
        return given

    def _chat(self, shape: Shape) -> tuple[Message, ...]:
        """A conversation, with the system prompt of its column if it has none of its own."""
        messages = conversation(
            {name: self.record[name] for name in shape.chat},
            self.log,
            named=not shape.found,
            answered=self.manner.answered,
        )
        if not messages:
            return ()
        own = messages[0].role == "system"
        system = self._system(shape, unused=own)
        return messages if own else (*system, *messages)

    def _flat(self, shape: Shape) -> tuple[Message, ...]:
        """A text and its answer, with what was said before."""
        parts = [self._text(name, needed=not n) for n, name in enumerate(shape.text)]
        text = "\n".join(part for part in parts if part)
        answer = None if shape.label is None else self._label(shape.label)
        if self.log.problems:
            return ()
        if shape.found:
            self._note_columns(shape)
        before = []
        if shape.history is not None:
            self.log.note("history", column=shape.history)
            for asked, said in exchanges(self.record[shape.history]):
                before += [Message("user", asked), Message("assistant", said)]
        turns = [*before, Message("user", text)]
        turns += [] if answer is None else [Message("assistant", answer)]
        if before:
            turns = list(ordered(turns, self.log, answered=self.manner.answered))
        return (*self._system(shape), *turns)

    def _note_columns(self, shape: Shape) -> None:
        text = " + ".join(shape.text)
        if not isinstance(shape.label, str):
            self.log.note("question", text=text)
            return
        alpaca = len(shape.text) > 1 or shape.text[0] in INSTRUCTIONS
        self.log.note("alpaca" if alpaca else "pair", text=text, label=shape.label)

    def _note_unread(self, shape: Shape) -> None:
        names = unread(self.record, shape, self.fields, self.manner.templated)
        if names and not self.log.problems:
            self.log.note("unread-columns", columns=names)

    def _system(self, shape: Shape, *, unused: bool = False) -> tuple[Message, ...]:
        if shape.system is None:
            return ()
        if shape.system not in self.record:
            self._lacks(Lacking("system", shape.system))
            return ()
        said = as_text(self.record[shape.system])
        if said is None or is_blank(said):
            return ()
        if not self.log.readable(said, shape.system):
            return ()
        self.log.note("system-unused" if unused else "system-column", column=shape.system)
        return (Message("system", said),)

    def _text(self, name: str, *, needed: bool) -> str:
        """The text of a column; empty where something is wrong with it, or it may be empty."""
        value = self.record.get(name)
        said = as_text(value)
        if is_missing(value) or (said is not None and is_blank(said)):
            if needed:
                self.log.wrong("empty-text", field=name)
        elif said is None:
            self.log.wrong("text-type", field=name, found=quoted(value))
        elif missing_word(said):
            self.log.wrong("missing-word", field=name, word=excerpt(said.strip()))
        elif self.log.readable(said, name):
            if not isinstance(value, str):
                self.log.note("number-text", column=name)
            return said
        return ""

    def _label(self, column: str | tuple[str, ...]) -> str | None:
        """The answer; None where something is wrong with it."""
        if not isinstance(column, str):
            return self._wide(column)
        value = self.record[column]
        if isinstance(value, list):
            return self._several(value, column)
        if is_missing(value):
            self.log.wrong("null-label", field=column)
            return None
        said = as_text(value)
        if said is None:
            self.log.wrong("label-type", field=column, found=quoted(value))
            return None
        if missing_word(said):
            self.log.wrong("missing-word", field=column, word=excerpt(said.strip()))
            return None
        if not self.log.readable(said, column):
            return None
        if not isinstance(value, str):
            self.log.note("number-label", column=column, examples=(said,))
        return "" if is_blank(said) else said

    def _several(self, labels: Sequence[object], column: str) -> str | None:
        """A list of labels as one answer."""
        texts = [text for label in labels if (text := as_text(label)) is not None]
        if len(texts) < len(labels):
            self.log.wrong("label-element", field=column, found=quoted(labels))
            return None
        if any(map(is_blank, texts)):
            self.log.wrong("empty-label", field=column)
            return None
        if not all(self.log.readable(text, column) for text in texts):
            return None
        if any(not isinstance(label, str) for label in labels):
            self.log.note("number-label", column=column, examples=tuple(texts))
        return joined(texts)

    def _wide(self, columns: Sequence[str]) -> str | None:
        """The columns whose value is above the threshold, as one answer."""
        chosen = []
        for name in columns:
            if name not in self.record:
                self._lacks(Lacking("label", name))
                continue
            value = self.record[name]
            given = amount(value)
            if given is None:
                self.log.wrong("wide-value", field=name, found=quoted(value))
            elif given > self.manner.threshold:
                chosen.append(name)
        if self.log.problems:
            return None
        self.log.note("wide", columns=len(columns), threshold=f"{self.manner.threshold:g}")
        return joined(chosen)


def _weighed(messages: Sequence[Message], weight: float) -> tuple[Message, ...]:
    if weight == 1:
        return tuple(messages)
    return tuple(replace(m, weight=m.weight * weight) if m.is_answer else m for m in messages)


def _names_group(value: object) -> bool:
    if isinstance(value, float):
        return isnan(value) or value.is_integer()
    return not isinstance(value, bool | list | dict)
