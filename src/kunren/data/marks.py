"""Marks of chat templates that people typed, or had rendered, into their texts.

A model's own template puts such marks around each turn. Where they also stand in the texts, turns
are marked twice, and no generated answer equals a gold answer that ends in one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from kunren.types import Message, Role

_NAMES = r"user|human|model|assistant|system|developer|tool"
_TURN = re.compile(
    rf"<start_of_turn>[ \t]*(?P<gemma>{_NAMES})?[ \t]*\n?"
    rf"|<\|im_start\|>[ \t]*(?P<chatml>{_NAMES})?[ \t]*\n?"
    rf"|<\|start_header_id\|>\s*(?P<llama>{_NAMES})?\s*<\|end_header_id\|>\s*"
    rf"|(?:<\|START_OF_TURN_TOKEN\|>)?<\|(?P<command>USER|CHATBOT|SYSTEM)_TOKEN\|>"
    rf"|<[|｜](?P<phi>{_NAMES})[|｜]>\n?"
    r"|(?:<s>\s*)?(?P<inst>\[INST\])|(?P<answer>\[/INST\])|(?P<sys><<SYS>>)|(?P<ask><</SYS>>)",
    re.IGNORECASE,
)
_END = re.compile(
    r"<end_of_turn>|<\|im_end\|>|<\|eot_id\|>|<\|eom_id\|>|<\|end\|>|<\|END_OF_TURN_TOKEN\|>"
    r"|<\|(?:begin_of_text|end_of_text|endoftext)\|>|<[|｜](?:begin|end)[▁_]of[▁_]sentence[|｜]>"
    r"|<bos>|<eos>|\A\s*<s>(?!.*?</s>\s*[^\s<\[])|</s>(?=\s*(?:\Z|<s>|\[INST\]))",
    re.IGNORECASE | re.DOTALL,
)  # </s> elsewhere is HTML that strikes words out
_OTHER = re.compile(
    r"<extra_id_\d+>|\[(?:CLS|SEP|MASK|PAD|UNK)\]|<(?:pad|unk|mask)>"
    r"|<\|[A-Za-z][\w-]*\|>|<｜[^｜<>\n]{1,40}｜>"
)
_BEGIN = re.compile(r"[<\[]")
_REASONING = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)
_ROLES: dict[str, Role] = {
    **dict.fromkeys(("user", "human", "inst", "ask"), "user"),
    **dict.fromkeys(("model", "assistant", "chatbot", "answer"), "assistant"),
    **dict.fromkeys(("system", "developer", "sys"), "system"),
    "tool": "tool",
}


def turns(text: str) -> list[tuple[Role | None, str]]:
    """What stands between the marks of a text, with who speaks by them; empty parts left out."""
    found: list[tuple[Role | None, str]] = []
    role: Role | None = None
    rest = 0
    for mark in [*_TURN.finditer(text), None]:
        end = len(text) if mark is None else mark.start()
        said, *behind = _END.split(text[rest:end])
        found += [(role, said), *((None, part) for part in behind)]
        if mark is not None:
            named = {k: v for k, v in mark.groupdict().items() if v}
            spoken = next((_ROLES.get(v.lower()) or _ROLES.get(k) for k, v in named.items()), None)
            role, rest = spoken, mark.end()
    return [(who, part.strip()) for who, part in found if part.strip()]


def conversation(value: object) -> list[tuple[Role, str]]:
    """The turns of a text that is a whole conversation with its marks; empty where it is none."""
    if not isinstance(value, str) or not _TURN.search(value):
        return []
    found = turns(value)
    known = [(role, said) for role, said in found if role is not None]
    roles = [role for role, _ in known]
    whole = len(known) == len(found) and roles[0] != "assistant" if known else False
    return known if whole and {"user", "assistant"} <= set(roles) else []


def stripped(text: str) -> str:
    """A text without chat marks; as it is where it has none."""
    if not chat_marks(text):
        return text
    return "\n".join(said for _, said in turns(text))


def without_marks(messages: Sequence[Message], separator: str) -> tuple[Message, ...]:
    """A conversation without typed marks; what is said before its last answer may itself be one.

    Args:
        messages: of one row.
        separator: joins the labels of an answer that is a list.
    """
    made: list[Message] = []
    for message in messages:
        inner = turns(message.content) if message.role == "user" else []
        roles = [role for role, _ in inner]
        if len(inner) > 1 and _alternate(roles):
            made += [Message(cast("Role", role), said) for role, said in inner]
        else:
            parts = message.content.split(separator)
            made.append(replace(message, content=separator.join(map(stripped, parts))))
    return tuple(made)


def _alternate(roles: Sequence[Role | None]) -> bool:
    """Whether turns lead from a user's question to his last one."""
    spoken = roles[1:] if roles[0] == "system" else roles
    wanted = ("user", "assistant")
    return bool(len(spoken) % 2) and all(r == wanted[n % 2] for n, r in enumerate(spoken))


def chat_marks(text: str) -> list[str]:
    """The marks of turns in a text, each once, as they are written."""
    if not _BEGIN.search(text):
        return []
    found = [mark.group().split("\n")[0].strip() for mark in _TURN.finditer(text)]
    return list(dict.fromkeys([*found, *(mark.group().strip() for mark in _END.finditer(text))]))


def other_tokens(text: str) -> list[str]:
    """Further control tokens in a text: those that fill gaps, separate or pad, each once."""
    rest = _END.sub(" ", _TURN.sub(" ", text)) if _BEGIN.search(text) else ""
    return list(dict.fromkeys(_OTHER.findall(rest)))


def reasoning(text: str) -> bool:
    """Whether a text writes its reasoning between marks (``<think>``)."""
    return _REASONING.search(text) is not None
