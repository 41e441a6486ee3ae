"""Which columns of a record hold what, seen from their names and values.

People keep conversations and pairs of texts under a handful of names. What the config names always
counts; what it leaves at its default is looked for under those names only where the default is not
there. Where two columns could be meant, nothing is chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from kunren.config.schema import Fields
from kunren.data import marks
from kunren.data.cells import is_missing, structure

QUESTIONS = (
    "instruction", "prompt", "question", "query", "input",
    "指示", "質問", "問い", "入力", "プロンプト",
)  # fmt: skip
ANSWERS = (
    "output", "completion", "response", "answer",
    "出力", "回答", "答え", "応答", "解答",
)  # fmt: skip
CHATS = ("conversations", "conversation", "dialogue", "dialog", "chat", "会話", "対話")
"""What a list is called that is a chat even where it is empty."""

INSTRUCTIONS = ("instruction", "指示")
INPUTS = ("input", "context", "入力")
"""What an instruction is to be applied to, if anything (Alpaca; Dolly calls it ``context``)."""

SYSTEMS = ("system_prompt", "system_message", "システムプロンプト", "システム")
HISTORY = "history"
"""Earlier exchanges beside a flat text: a list of [question, answer]."""

TOOLS = ("tools", "functions")
"""Columns beside a conversation that define the tools that may be called in it."""

SPEAKERS = ("role", "from", "speaker", "author")
CONTENTS = ("content", "value", "parts", "text", "message")
CALLS = ("tool_calls", "function_call")

_DEFAULT = Fields()


@dataclass(frozen=True, slots=True)
class Shape:
    """Which columns hold what.

    Attributes:
        chat: columns that are lists of turns, one after the other; none: the record is flat.
        text: columns of a flat record's text; those after the first may be empty.
        label: the column, or columns, of its answer; None where none is asked for.
        system: the column of its system prompt.
        history: the column of earlier exchanges.
        found: whether any of the first three was found by name or value, not by the config.
    """

    chat: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    label: str | tuple[str, ...] | None = None
    system: str | None = None
    history: str | None = None
    found: bool = False


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Columns of which several could be meant: for the text, for its answer, or as the chat."""

    key: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lacking:
    """A field that is neither there nor found: its key below ``data.fields``, and its column."""

    key: str
    column: str


def shape_of(
    record: Mapping[str, object],
    fields: Fields,
    templated: Collection[str] = (),
    *,
    answered: bool = True,
) -> tuple[Shape, list[Lacking | Ambiguous]]:
    """The shape of a record, and what cannot be told of it.

    Args:
        record: its columns.
        fields: as the config names them.
        templated: columns that the prompt template names: they are for it to read.
        answered: whether it must have an answer.
    """
    system = _system(record, fields, templated)
    if fields.messages in record and not is_missing(record[fields.messages]):
        overruled = fields.messages == _DEFAULT.messages and _names_flat(record, fields)
        if not overruled:
            return Shape((fields.messages,), system=system), []
    if fields.messages != _DEFAULT.messages and not _names_flat(record, fields):
        if not {fields.text, fields.label} <= record.keys():
            return Shape(), [Lacking("messages", fields.messages)]
    elif fields.text == _DEFAULT.text and is_missing(record.get(fields.text)):
        chats = _chats(record)
        pair = _paired(chats)
        if len(chats) == 1 or pair:
            return Shape(pair or tuple(chats), system=system, found=True), []
        if chats:
            return Shape(), [Ambiguous("messages", tuple(chats))]
    elif fields.label not in record and marks.conversation(record.get(fields.text)):
        return Shape((fields.text,), system=system, found=True), []
    return _flat(record, fields, templated, system, answered=answered)


def is_chat(value: object) -> bool:
    """Whether a value is a list of turns, or one written out as text, as JSON or with marks."""
    if marks.conversation(value):
        return True
    if isinstance(value, str):
        if value.lstrip()[:1] != "[":
            return False
        value = structure(value)
    return isinstance(value, list) and any(map(is_turn, value))


def exchanges(value: object) -> list[tuple[str, str]]:
    """The [question, answer] pairs that a value is a list of; empty where it is none."""
    listed = structure(value) if isinstance(value, str) else value
    if not isinstance(listed, list):
        return []
    pairs = [tuple(pair) for pair in listed if isinstance(pair, list | tuple)]
    fit = [p for p in pairs if len(p) == 2 and all(isinstance(said, str) for said in p)]
    return [(asked, said) for asked, said in fit] if len(fit) == len(listed) else []


def is_turn(value: object) -> bool:
    """Whether a value is one turn: it has a speaker, and something said or called."""
    return (
        isinstance(value, dict)
        and any(key in value for key in SPEAKERS)
        and any(key in value for key in (*CONTENTS, *CALLS))
    )


def columns_of(fields: Fields) -> tuple[str, ...]:
    """All columns that the config names."""
    label = (fields.label,) if isinstance(fields.label, str) else fields.label
    named = (fields.text, *label, fields.messages, fields.id, fields.group, fields.system)
    return tuple(name for name in (*named, fields.weight) if name is not None)


def unread(
    record: Mapping[str, object], shape: Shape, fields: Fields, templated: Collection[str] = ()
) -> tuple[str, ...]:
    """The columns of a record that hold something and that nothing reads.

    Of a conversation the definitions of tools are no such column: a model's template may read them.
    """
    label = () if shape.label is None else shape.label
    labels = (label,) if isinstance(label, str) else label
    read = {*shape.chat, *shape.text, *labels, shape.system, shape.history, *templated}
    read |= {fields.id, fields.group, fields.weight}
    read |= set(TOOLS) if shape.chat else set()
    return tuple(
        str(name)
        for name, value in record.items()
        if name not in read and not is_missing(value) and value not in ("", [], {})
    )


def _names_flat(record: Mapping[str, object], fields: Fields) -> bool:
    """Whether the config names columns of a flat record that are there."""
    named = fields.text != _DEFAULT.text or fields.label != _DEFAULT.label
    return named and not is_missing(record.get(fields.text))


def _chats(record: Mapping[str, object]) -> list[str]:
    """The columns that are lists of turns, or else one that is called a chat and is a list."""
    found = [key for key, value in record.items() if is_chat(value)]
    named = [key for key in _named(CHATS, record) if isinstance(record[key], list)]
    return found or named[:1]


def _paired(chats: Sequence[str]) -> tuple[str, ...]:
    """A prompt and its completion that are both lists of turns (TRL)."""
    for answer in ("completion", "response"):
        if set(chats) == {"prompt", answer}:
            return ("prompt", answer)
    return ()


def _flat(
    record: Mapping[str, object],
    fields: Fields,
    templated: Collection[str],
    system: str | None,
    *,
    answered: bool,
) -> tuple[Shape, list[Lacking | Ambiguous]]:
    wrong: list[Lacking | Ambiguous] = []
    there = fields.text in record and isinstance(fields.label, str) and fields.label in record
    if there:  # as nearly always
        history = _history(record, templated, fields)
        return Shape((), (fields.text,), fields.label if answered else None, system, history), []
    taken = {fields.id, fields.group, fields.weight, system}
    free = {key for key in record if key not in taken}
    # Where one of text and label is there by default, a whole other pair must not be: such a text
    # may be made of all the other columns, as that of the first Alpaca is.
    half = answered and isinstance(fields.label, str)
    text = _one("text", fields.text, _DEFAULT.text, _questions(free), record, wrong, half=half)
    label: str | tuple[str, ...] | None = None
    if answered and isinstance(fields.label, str):
        found = _named(ANSWERS, free - {text})
        label = _one("label", fields.label, "label", found, record, wrong, half=half)
    elif answered:
        label = fields.label
    if wrong or text is None:
        return Shape(text=() if text is None else (text,)), wrong
    more: list[str] = []
    if _folded(text) in INSTRUCTIONS and text != fields.text:
        more = [key for key in _named(INPUTS, free - {text}) if key not in templated][:1]
    found_any = text != fields.text or (label is not None and label != fields.label)
    history = _history(record, templated, fields)
    return Shape((), (text, *more), label, system, history, found_any), []


def _one(
    key: str,
    named: str,
    default: str,
    candidates: Sequence[str],
    record: Mapping[str, object],
    wrong: list[Lacking | Ambiguous],
    *,
    half: bool,
) -> str | None:
    """The column for ``key``: as the config names it, or else the only candidate.

    ``half``: whether what is there by default is but one of the candidates.
    """
    if named in record:
        if not (half and named == default and candidates):
            return named
        candidates = (named, *candidates)
    if named == default and len(candidates) == 1:
        return candidates[0]
    if named == default and candidates:
        wrong.append(Ambiguous(key, tuple(candidates)))
    else:
        wrong.append(Lacking(key, named))
    return None


def _questions(free: Collection[str]) -> list[str]:
    found = _named(QUESTIONS, free)
    if any(_folded(key) in INSTRUCTIONS for key in found):
        found = [key for key in found if _folded(key) not in INPUTS]
    return found


def _named(names: Sequence[str], free: Collection[str]) -> list[str]:
    """The columns that are called so, in the order of ``names``, whatever their case."""
    folded = _by_folded(tuple(free))
    return [folded[name] for name in names if name in folded]


@lru_cache(maxsize=256)  # all records of a file have the same few sets of columns
def _by_folded(columns: tuple[str, ...]) -> Mapping[str, str]:
    return {_folded(name): name for name in columns}


def _folded(name: str) -> str:
    return name.strip().casefold()


def _system(record: Mapping[str, object], fields: Fields, templated: Collection[str]) -> str | None:
    if fields.system is None or fields.system in templated:
        return None
    if fields.system in record or fields.system != _DEFAULT.system:
        return fields.system
    others = [key for key in _named(SYSTEMS, record) if key not in templated]
    return next((key for key in others if key not in columns_of(fields)), None)


def _history(
    record: Mapping[str, object], templated: Collection[str], fields: Fields
) -> str | None:
    if HISTORY not in record or HISTORY in templated or HISTORY in columns_of(fields):
        return None
    return HISTORY if exchanges(record[HISTORY]) else None
