from __future__ import annotations

from dataclasses import replace

from tests.rules.case import Case
from tests.rules.made import POSTS, chat, posts, rows

from kunren.doctor.reading import TurnReading
from kunren.types import Message, Row

ALL = TurnReading(reasoning=True, tools=True, system=True)
NONE = TurnReading(reasoning=False, tools=False, system=False)
CALL = '[{"function": {"name": "f"}}]'


def _sides(*made: Row) -> dict[str, tuple[Row, ...]]:
    return {"train": made[1:], "validation": (), "test": made[:1]}


def _plain(count: int = 4) -> list[Row]:
    return [chat(n, POSTS[n], "はい") for n in range(count)]


def _with(**fields: object) -> list[Row]:
    """Chats whose answer has further fields."""
    made = []
    for row in _plain():
        answer = replace(row.messages[1], **fields)  # type: ignore[arg-type]
        made.append(replace(row, messages=(row.messages[0], answer)))
    return made


def _tools() -> list[Row]:
    steps = (Message("assistant", "", weight=0.0, calls=CALL), Message("tool", "3"))
    return [replace(row, messages=(row.messages[0], *steps, row.messages[1])) for row in _plain()]


def _systems(*prompts: str) -> list[Row]:
    return [
        replace(row, messages=(Message("system", prompt), *row.messages))
        for row, prompt in zip(_plain(len(prompts)), prompts, strict=True)
    ]


def fires() -> list[Case]:
    defined = [replace(row, fields={"tools": '[{"name": "f"}]'}) for row in _tools()]
    return [
        Case(
            "reasoning that the template has no place for",
            {"raw": _sides(*_with(reasoning="考える"), *_plain()), "turns_read": NONE},
            "warning",
            ["4 件の答えに思考"],
        ),
        Case(
            "calls beside the text of an answer",
            {"raw": _sides(*_with(calls=CALL)), "turns_read": ALL},
            "warning",
            ["4 件の答えには、文と一緒にツールの呼び出し"],
        ),
        Case(
            "calls that lead to an answer, and a template without tools",
            {"raw": _sides(*_tools()), "turns_read": NONE},
            "warning",
            ["4 件にあるツールの呼び出しと結果は、モデルに渡りません"],
        ),
        Case(
            "the same where the template knows them",
            {"raw": _sides(*defined), "turns_read": ALL},
            "info",
            ["4 件にあるツールの呼び出しと結果は、答えの前に読ませる", "ツールの定義 (tools)"],
        ),
        Case(
            "names and other fields of messages",
            {"raw": _sides(*_with(unread=("name", "audio")), *_with(unread=("name",)))},
            "info",
            ["name (8)、audio (4)"],
        ),
        Case(
            "different system prompts, and a model that reads none",
            {"raw": _sides(*_systems("宿", "城", "宿")), "turns_read": NONE},
            "warning",
            ["system プロンプトが 2 種類"],
        ),
    ]


def quiet() -> list[Case]:
    return [
        Case("chats of texts alone", {"raw": _sides(*_plain()), "turns_read": NONE}),
        Case("texts with labels", {"raw": rows(posts(9, ["😀"])), "turns_read": NONE}),
        Case(
            "reasoning that is trained on",
            {"raw": _sides(*_with(reasoning="考える")), "turns_read": ALL},
        ),
        Case("reasoning, and no model yet", {"raw": _sides(*_with(reasoning="考える"))}),
        Case(
            "one system prompt for all",
            {"raw": _sides(*_systems("宿", "宿")), "turns_read": NONE},
        ),
    ]


def lacks() -> list[Case]:
    return [Case("no rows", {"turns_read": ALL})]
