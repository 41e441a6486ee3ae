"""The order of a conversation: what every chat template accepts, whatever the file has.

A system prompt first if any, then user and assistant in turn, an answer last, with what tools gave
back between. For that

* turns of the user that follow each other are joined with a line break, and so are answers;
* a system message that comes later is put at the head of the user's turn that follows it, with an
  empty line below it, or else at the end of the user's turn before it;
* what stands before the user's first turn or after the last answer is left out: nothing is asked
  for there that could be learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kunren.data.normalize import is_blank
from kunren.data.notes import RecordLog
from kunren.types import Message


def ordered(
    messages: Sequence[Message], log: RecordLog, *, answered: bool = True
) -> tuple[Message, ...]:
    """A conversation in the order that chat templates accept; see the head of this module."""
    turns = _systems_first(messages, log)
    head = turns[:1] if turns and turns[0].role == "system" else []
    turns = turns[len(head) :]
    first = next((n for n, message in enumerate(turns) if message.role == "user"), None)
    if first is None:
        log.wrong("first-not-user", number=len(head) + 1)
        return ()
    if first:
        log.note("before-the-user")
    turns = _steps(turns[first:])
    joined = _joined(turns, log)
    if joined is None:
        return ()
    turns = joined
    if not answered:
        while turns and turns[-1].role == "assistant":
            turns.pop()
        return (*head, *turns)
    end = max((n for n, message in enumerate(turns) if message.is_answer), default=None)
    if end is None:
        said = [message for message in turns if message.role == "assistant"]
        if not said:
            log.wrong("no-answer")
        else:
            log.note("only-calls" if all(m.calls for m in said) else "nothing-to-learn")
        return ()
    if end < len(turns) - 1:
        log.note("after-the-answer")
    turns = turns[: end + 1]
    if any(m.role == "assistant" and not m.weight and not m.calls for m in turns):
        log.note("unweighted")
    if any(message.is_answer and message.weight != 1 for message in turns):
        log.note("weighted")
    return (*head, *turns)


def _systems_first(messages: Sequence[Message], log: RecordLog) -> list[Message]:
    """At most one system message, at the head, and none that is empty."""
    given = [m for m in messages if m.role != "system" or not is_blank(m.content)]
    first = next((n for n, m in enumerate(given) if m.role != "system"), len(given))
    head, rest = given[:first], given[first:]
    if len(head) > 1:
        log.note("joined-system")
        head = [replace(head[0], content="\n\n".join(m.content for m in head))]
    if not any(m.role == "system" for m in rest):
        return [*head, *rest]
    log.note("late-system")
    turns: list[Message] = []
    waiting: list[str] = []
    for message in rest:
        if message.role == "system":
            waiting.append(message.content)
            continue
        if waiting and message.role == "user":
            turns.append(replace(message, content="\n\n".join([*waiting, message.content])))
            waiting = []
            continue
        if waiting and turns and turns[-1].role == "user":
            said = "\n\n".join([turns[-1].content, *waiting])
            turns[-1], waiting = replace(turns[-1], content=said), []
        turns.append(message)
    if waiting and not any(m.role == "user" for m in turns):
        return [*head, *turns]
    return [*head, *turns, *([Message("user", "\n\n".join(waiting))] if waiting else [])]


def _steps(turns: Sequence[Message]) -> list[Message]:
    """The turns, those that only lead to an answer having no weight.

    A call that a tool answers, or that nothing is said beside, is no answer to the user.
    """
    made = list(turns)
    for n, turn in enumerate(turns):
        if not turn.calls:
            continue
        follows = turns[n + 1].role if n + 1 < len(turns) else None
        if follows == "tool" or is_blank(turn.content):
            made[n] = replace(turn, weight=0.0)
    return made


def _joined(turns: Sequence[Message], log: RecordLog) -> list[Message] | None:
    """Turns of one speaker that follow each other as one; None where that cannot be."""
    made: list[Message] = []
    for number, turn in enumerate(turns, start=1):
        last = made[-1] if made else None
        if (
            last is None
            or last.role != turn.role
            or turn.role == "tool"
            or (turn.role == "assistant" and (last.calls or turn.calls))
        ):
            made.append(turn)
        elif last.weight != turn.weight:
            log.wrong("same-role-twice", number=number, role=turn.role)
            return None
        else:
            log.note(f"joined-{turn.role}")
            both = [said for said in (last.content, turn.content) if said]
            thought = [said for said in (last.reasoning, turn.reasoning) if said]
            made[-1] = replace(
                last,
                content="\n".join(both),
                reasoning="\n".join(thought),
                unread=tuple(dict.fromkeys((*last.unread, *turn.unread))),
            )
    return made
