"""The text that a conversation becomes for a model, and what to do where a model brings none.

A base model has no chat template; it is given one that its vocabulary was made for, so that a
conversation costs few tokens and ends in a single token that the model can learn to emit.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, cast

from jinja2.exceptions import TemplateError, TemplateSyntaxError

from kunren.errors import InputError, KunrenWarning, Problem
from kunren.messages import text
from kunren.types import Message, Where

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TemplateName = Literal["gemma", "chatml", "plain"]

_MARKERS: tuple[tuple[TemplateName, str], ...] = (
    ("gemma", "<start_of_turn>"),
    ("chatml", "<|im_start|>"),
)
_TODAY = re.compile(r"strftime_now\(\s*(['\"])(.*?)\1\s*\)")
FROZEN = date(2025, 1, 1)
"""The day that templates which tell the date are given. Any does: what is trained, what is scored,
what is resumed and what is asked later must read alike, on whatever day."""

_PROBE = "kunren-probe"
_PROBE_CALL = json.dumps([{"type": "function", "function": {"name": _PROBE, "arguments": {}}}])


def ensure_chat_template(tokenizer: PreTrainedTokenizerBase) -> TemplateName | None:
    """Give the tokenizer a chat template if it has none, and see that its own can be used.

    Gemma's turns if the vocabulary has ``<start_of_turn>``, ChatML if it has ``<|im_start|>``,
    otherwise plain headings whose answers end in the tokenizer's end-of-sequence token.

    Returns:
        The name of the template that was given, or None if the tokenizer had one.

    Raises:
        InputError: only the plain template fits, and the tokenizer has no end-of-sequence token,
            so that no answer could ever end; or its own template is broken, or leaves out what is
            said.
    """
    if tokenizer.chat_template:
        _freeze_date(tokenizer)
        _check(tokenizer)
        return None
    vocabulary = tokenizer.get_vocab()
    name: TemplateName = next((n for n, marker in _MARKERS if marker in vocabulary), "plain")
    if name == "plain" and tokenizer.eos_token is None:
        raise InputError(Problem("model.no-end-token"))
    source = resources.files(__package__) / "chat_templates" / f"{name}.jinja"
    tokenizer.chat_template = source.read_text(encoding="utf-8")
    return name


def _freeze_date(tokenizer: PreTrainedTokenizerBase) -> None:
    """Let a template that tells today's date always tell the same."""
    template = tokenizer.chat_template
    if not isinstance(template, str) or not _TODAY.search(template):
        return
    tokenizer.chat_template = _TODAY.sub(
        lambda found: repr(FROZEN.strftime(found.group(2))), template
    )
    warnings.warn(text("model.date-frozen", date=FROZEN), KunrenWarning, stacklevel=3)


def _check(tokenizer: PreTrainedTokenizerBase) -> None:
    """See that the template renders what is asked and answered.

    Raises:
        InputError: it is broken, refuses the simplest exchange, or leaves out what is said.
    """
    turns = (Message("user", _PROBE), Message("assistant", f"{_PROBE}!"))
    try:
        said = _apply(tokenizer, turns, False)
    except TemplateSyntaxError as error:
        fields: dict[str, object] = {"line": error.lineno, "reason": error.message or ""}
        raise InputError(Problem("model.template-broken", None, fields)) from error
    except (TemplateError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(Problem("model.template-refused", None, {"reason": reason})) from error
    if said.count(_PROBE) < 2:
        raise InputError(Problem("model.template-drops"))


def merge_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same conversation with its system message at the head of the first user turn."""
    if not messages or messages[0].role != "system":
        return tuple(messages)
    system, *rest = messages
    if rest and rest[0].role == "user":
        first = Message("user", f"{system.content}\n\n{rest[0].content}")
        return (first, *rest[1:])
    return (Message("user", system.content), *rest)


def render(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    add_generation_prompt: bool,
    where: Where | None = None,
) -> str:
    """The conversation as the model reads it.

    The text holds its special tokens, the first one included: encode it with
    ``add_special_tokens=False``. Where the model's own template refuses or drops a system message,
    it is merged into the first user turn. Where it does not know tools, their calls and what they
    gave back are left out; a rule tells of that (``unread-keys``).

    Args:
        tokenizer: one that has a chat template.
        messages: the conversation so far.
        add_generation_prompt: end with the opening of an assistant turn.
        where: the place of the row, for the error.

    Raises:
        InputError: the template refuses the conversation (turns that do not alternate, say).
    """
    if messages and messages[0].role == "system" and not takes_system(tokenizer):
        messages = merge_system(messages)
    if any(m.role == "tool" or m.calls for m in messages) and not reads_tools(tokenizer):
        messages = without_tools(messages)
    try:
        return _apply(tokenizer, messages, add_generation_prompt)
    except TemplateError as error:
        problem = Problem("model.template-refused", where, {"reason": error.message or str(error)})
        raise InputError(problem) from error


def without_tools(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same conversation without tools: what the user says and what he is answered."""
    made: list[Message] = []
    for message in messages:
        if message.role == "tool" or (message.calls and not message.is_answer):
            continue
        if made and made[-1].role == message.role == "user":
            both = f"{made[-1].content}\n{message.content}"
            made[-1] = replace(made[-1], content=both)
        else:
            made.append(message)
    return tuple(made)


def takes_system(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer's chat template renders a system message; see ``render``."""
    return _takes_system(tokenizer, str(tokenizer.chat_template))


def reads_tools(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer's chat template renders calls of tools and what they gave back."""
    return _reads_tools(tokenizer, str(tokenizer.chat_template))


def reads_reasoning(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether it renders what the assistant thinks before its last answer."""
    return _reads_reasoning(tokenizer, str(tokenizer.chat_template))


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The token that closes an assistant turn in the tokenizer's chat template.

    Found by rendering a conversation and looking behind the answer. None if nothing stands there
    and the tokenizer has no end-of-sequence token either.
    """
    turns = (Message("user", _PROBE), Message("assistant", _PROBE))
    after = _apply(tokenizer, turns, False).rpartition(_PROBE)[2].lstrip()
    ids = tokenizer(after, add_special_tokens=False).input_ids
    return cast("int | None", ids[0] if ids else tokenizer.eos_token_id)


def stop_at_turns(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Let generation end at the end of a turn as well as at the end of a text.

    Only a special token counts: a template of plain words may close a turn with a line break, which
    an answer may hold too.
    """
    configured = model.generation_config.eos_token_id
    ends = set(configured if isinstance(configured, list) else [configured])
    ends.add(tokenizer.eos_token_id)
    turn = end_of_turn(tokenizer)
    if turn in tokenizer.all_special_ids or (
        turn in (added := tokenizer.added_tokens_decoder) and added[turn].special
    ):
        ends.add(turn)
    model.generation_config.eos_token_id = sorted(i for i in ends if i is not None)


@lru_cache(maxsize=8)  # asked for every row
def _takes_system(tokenizer: PreTrainedTokenizerBase, _template: str) -> bool:
    try:
        said = _apply(tokenizer, (Message("system", _PROBE), Message("user", "?")), False)
    except TemplateError:
        return False
    return _PROBE in said


@lru_cache(maxsize=8)
def _reads_tools(tokenizer: PreTrainedTokenizerBase, _template: str) -> bool:
    turns = (
        Message("user", "?"),
        Message("assistant", "", weight=0.0, calls=_PROBE_CALL),
        Message("tool", f"{_PROBE}-back", name=_PROBE),
        Message("assistant", "!"),
    )
    try:
        said = _apply(tokenizer, turns, False)
    except (TemplateError, TypeError):
        return False
    return f"{_PROBE}-back" in said and _PROBE in said.replace(f"{_PROBE}-back", "")


@lru_cache(maxsize=8)
def _reads_reasoning(tokenizer: PreTrainedTokenizerBase, _template: str) -> bool:
    turns = (Message("user", "?"), Message("assistant", "!", reasoning=_PROBE))
    try:
        return _PROBE in _apply(tokenizer, turns, False)
    except TemplateError:
        return False


@lru_cache(maxsize=8)
def _takes_parts(tokenizer: PreTrainedTokenizerBase, _template: str) -> bool:
    """Whether the template reads content as a list of parts only, as those of image models do."""
    turns = [_turn(Message("user", _PROBE), parts=False)]
    for parts in (False, True):
        try:
            if _PROBE in _rendered(tokenizer, turns, False):
                return parts
        except TemplateSyntaxError:
            return False
        except (TemplateError, TypeError, ValueError):
            pass
        turns = [_turn(Message("user", _PROBE), parts=True)]
    return False


def _turn(message: Message, parts: bool) -> dict[str, Any]:
    """A message as chat templates take it."""
    said = [{"type": "text", "text": message.content}] if parts else message.content
    turn: dict[str, Any] = {"role": message.role, "content": said}
    if message.reasoning:
        turn["reasoning_content"] = message.reasoning
    if message.calls and not message.is_answer:
        turn["tool_calls"] = json.loads(message.calls)
    if message.name:
        turn["name"] = message.name
    return turn


def _apply(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], add_generation_prompt: bool
) -> str:
    parts = _takes_parts(tokenizer, str(tokenizer.chat_template))
    return _rendered(tokenizer, [_turn(m, parts) for m in messages], add_generation_prompt)


def _rendered(
    tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, Any]], add_generation_prompt: bool
) -> str:
    return cast(
        "str",
        tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=add_generation_prompt
        ),
    )
