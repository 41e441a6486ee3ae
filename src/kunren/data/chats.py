"""From a list of turns, in any of the forms that people keep them in, to a conversation.

Each form of a turn that carries meaning is read or named: what cannot be read is an error with its
row, and what is joined, moved or left out is a note.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import get_args

from kunren.data import marks
from kunren.data.cells import amount, as_text, is_missing, structure
from kunren.data.normalize import is_blank
from kunren.data.notes import RecordLog
from kunren.data.shapes import CALLS, CONTENTS, SPEAKERS
from kunren.data.turn_order import ordered
from kunren.nearest import nearest
from kunren.textfile import excerpt
from kunren.types import Message, Role

_ROLES: tuple[str, ...] = get_args(Role)
ROLES: Mapping[str, Role] = {
    **dict.fromkeys(
        ("user", "human", "prompter", "customer", "question", "ユーザー", "ユーザ", "人間"), "user"
    ),
    **dict.fromkeys(
        ("assistant", "gpt", "bot", "chatbot", "model", "chatgpt", "gpt4", "gpt-4", "ai", "llm",
         "claude", "bing", "bard", "gemini", "answer", "function_call", "tool_call",
         "アシスタント"),
        "assistant",
    ),
    **dict.fromkeys(("system", "developer", "システム"), "system"),
    **dict.fromkeys(
        ("tool", "function", "observation", "ipython", "function_response", "tool_response",
         "function-response", "tool_result", "ツール"),
        "tool",
    ),
}  # fmt: skip
"""Who speaks, by what he is called in ShareGPT, OpenAI, LLaMA-Factory, OASST, Gemini and Llama."""

_CALLERS = ("function_call", "tool_call")
"""Roles whose content is the call of a tool."""

REASONING = ("reasoning_content", "reasoning", "thinking", "thought")
SWITCHES = ("train", "training", "loss")
"""Whether a turn is trained on: so Axolotl and ms-swift call it."""

_READ = frozenset((*SPEAKERS, *CONTENTS, *CALLS, *REASONING, *SWITCHES, "weight", "name"))
_TEXT_PARTS = ("text", "input_text", "output_text")
_THOUGHT_PARTS = ("thinking", "reasoning")


def conversation(
    columns: Mapping[str, object], log: RecordLog, *, named: bool, answered: bool
) -> tuple[Message, ...]:
    """The conversation that some columns hold, one after the other.

    Args:
        columns: name → value: a list of turns, or one that is written out as text.
        log: gets what is wrong, and what is to be noted.
        named: whether these columns are those of the config, and not found by their values.
        answered: whether there must be an answer at its end; where not, one that is there is left
            out: it is what is to be predicted.

    Returns:
        The messages; none where something is wrong, or nothing is to be learnt.
    """
    turns: list[object] = []
    for name, value in columns.items():
        typed = [{"role": role, "content": said} for role, said in marks.conversation(value)]
        listed = typed or (structure(value) if isinstance(value, str) else value)
        if not isinstance(listed, list):
            log.wrong("messages-type", field=name, found=quoted(value))
            return ()
        if typed:
            log.note("typed-chat", column=name)
        elif isinstance(value, str):
            log.note("written-out", column=name)
        turns += listed
    shown = " + ".join(columns)
    if not turns:
        log.wrong("no-messages", field=shown)
        return ()
    reader = _TurnReader(log, shown)
    messages = [reader.message(turn, number) for number, turn in enumerate(turns, start=1)]
    complete = [message for message in messages if message is not None]
    if log.problems or len(complete) < len(turns):
        return ()
    reader.note_form(named=named)
    return ordered(complete, log, answered=answered)


class _TurnReader:
    """Reads turns, and remembers in which form they are."""

    def __init__(self, log: RecordLog, column: str) -> None:
        self._log = log
        self._column = column
        self._forms: dict[tuple[str, str], None] = {}
        self._roles: dict[str, None] = {}
        self._renamed = False

    def note_form(self, *, named: bool) -> None:
        """Note how speaker and content are called, where it is not by default."""
        usual = set(self._forms) <= {("role", "content")}
        if usual and named and not self._renamed:
            return
        speaker, content = next(iter(self._forms))
        code = {"from": "chat-sharegpt", "role": "chat-messages"}.get(speaker, "chat-other")
        self._log.note(
            code if content != "parts" else "chat-other",
            column=self._column,
            speaker=speaker,
            content=content,
            roles=tuple(self._roles),
        )

    def message(self, turn: object, number: int) -> Message | None:
        """One turn; None where something is wrong with it."""
        wrong = self._log.wrong
        fields = turn if isinstance(turn, dict) else {}
        speaker = next((key for key in SPEAKERS if not is_missing(fields.get(key))), None)
        content = next((key for key in CONTENTS if key in fields), None)
        calls = [key for key in CALLS if fields.get(key)]
        if speaker is None or (content is None and not calls):
            wrong("message-shape", number=number, found=quoted(turn))
            return None
        role = self._role(fields[speaker], number)
        said = self._said(fields.get(content or ""), number)
        if role is None or said is None:
            return None
        text, thought = said
        self._forms[(speaker, content or "content")] = None
        if role == "user" and is_blank(text):
            wrong("empty-message", number=number, role=role)
        at = f"{self._column}[{number}]"
        if not self._log.readable(text, at):
            return None
        if (
            len(fields) == 2
            and not calls
            and not thought
            and not self._calls_by_role(fields[speaker])
        ):
            return Message(role, text)  # as nearly always
        thought = next((t for k in REASONING if (t := _text(fields.get(k)))), thought)
        written = self._calls(fields, calls, number)
        if self._calls_by_role(fields[speaker]):
            text, written = "", _as_calls(structure(text) or {"name": "", "arguments": text})
        weight = self._weight(fields, role, number)
        if written is None or weight is None or not self._log.readable(thought, at):
            return None
        return Message(
            role,
            text,
            weight=weight if role == "assistant" else 1.0,
            reasoning=thought if role == "assistant" else "",
            calls=written if role == "assistant" else "",
            name=(_text(fields.get("name")) if role == "tool" else "") or "",
            unread=tuple(self._unread(fields, role, content)),
        )

    @staticmethod
    def _calls_by_role(speaker: object) -> bool:
        """Whether who speaks is one whose content is the call of a tool."""
        return str(speaker).strip().casefold() in _CALLERS

    def _role(self, value: object, number: int) -> Role | None:
        said = str(value).strip()
        role = ROLES.get(said.casefold())
        if role is None:
            near = nearest(said, [*_ROLES, *ROLES])
            meant = ROLES.get(near or "")
            code = "unknown-role" if meant is None else "unknown-role-near"
            self._log.wrong(code, number=number, role=excerpt(said), meant=meant)
        else:
            self._renamed = self._renamed or said != role
            self._roles[said if said == role else f"{said} → {role}"] = None
        return role

    def _said(self, value: object, number: int) -> tuple[str, str] | None:
        """What is said, and what is thought before it."""
        if is_missing(value):
            return "", ""
        if isinstance(value, dict) and ("parts" in value or "type" in value or "text" in value):
            value = value.get("parts", [value])
        if isinstance(value, list):
            return self._parts(value, number)
        text = as_text(value)
        if text is None:
            self._log.wrong("content-type", number=number, found=quoted(value))
            return None
        if not isinstance(value, str):
            self._log.note("number-text", column=self._column)
        return text, ""

    def _parts(self, parts: Sequence[object], number: int) -> tuple[str, str] | None:
        said: list[str] = []
        thought: list[str] = []
        for part in parts:
            if isinstance(part, str):
                said.append(part)
                continue
            kind = part.get("type", "text") if isinstance(part, dict) else type(part).__name__
            told = part.get(kind, part.get("text")) if isinstance(part, dict) else None
            if kind in _TEXT_PARTS and isinstance(part, dict):
                told = part.get("text")
            if kind not in (*_TEXT_PARTS, *_THOUGHT_PARTS) or not isinstance(told, str):
                self._log.wrong("content-part", number=number, kind=excerpt(str(kind)))
                return None
            (thought if kind in _THOUGHT_PARTS else said).append(told)
        return "\n".join(said), "\n".join(thought)

    def _calls(self, fields: Mapping[str, object], named: Sequence[str], number: int) -> str | None:
        if not named:
            return ""
        value = fields[named[0]]
        written = _as_calls(structure(value) if isinstance(value, str) else value)
        if written is None:
            self._log.wrong("tool-calls", number=number, field=named[0], found=quoted(value))
        return written

    def _weight(self, fields: Mapping[str, object], role: Role, number: int) -> float | None:
        """How much an assistant turn counts; 0 where any of such fields says that it does not."""
        if role != "assistant":
            return 1.0
        weight = 1.0
        if not is_missing(fields.get("weight")):
            given = amount(fields["weight"])
            if given is None or given < 0:
                at = f"{self._column}[{number}].weight"
                self._log.wrong("weight", field=at, found=quoted(fields["weight"]))
                return None
            weight = given
        learnt = (fields.get(key) for key in SWITCHES)
        return weight * all(value not in (False, 0) for value in learnt if value is not None)

    def _unread(self, fields: Mapping[str, object], role: Role, content: str | None) -> list[str]:
        """Names of fields that hold something and that nothing here reads."""
        found = [
            str(key)
            for key, value in fields.items()
            if key not in _READ and not is_missing(value) and value not in ("", [], {}, False)
        ]
        other = [key for key in CONTENTS if key in fields and key != content]
        found += [key for key in other if not is_missing(fields[key]) and fields[key] != ""]
        if role != "tool" and _text(fields.get("name")):
            found.append("name")
        if role != "assistant":
            found += [key for key in REASONING if _text(fields.get(key))]
            # A weight of 0 on what is never trained on changes nothing.
            given = [key for key in ("weight", *SWITCHES) if not is_missing(fields.get(key))]
            found += [key for key in given if amount(fields[key]) != 0]
        else:
            found += [k for k in SWITCHES if fields.get(k) not in (None, True, False)]
        return found


def _as_calls(value: object) -> str | None:
    """Calls of tools as chat templates take them, as JSON; None where they are none."""
    listed = value if isinstance(value, list) else [value]
    calls = []
    for call in listed:
        if not isinstance(call, dict):
            return None
        function = call.get("function", call)
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            return None
        given = function.get("arguments", function.get("parameters", {}))
        parsed = structure(given) if isinstance(given, str) else given
        arguments = given if parsed is None else parsed
        calls.append(
            {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
        )
    return json.dumps(calls, ensure_ascii=False, default=str)


def _text(value: object) -> str:
    return as_text(value) or "" if not isinstance(value, list | dict) else ""


def quoted(value: object) -> str:
    """The beginning of a value as JSON."""
    return excerpt(json.dumps(value, ensure_ascii=False, default=str), 40)
