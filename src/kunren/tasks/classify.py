"""One label for each text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from kunren.config.schema import TaskConfig
from kunren.data.emoji import is_emoji, normalize_emoji, split_graphemes
from kunren.data.normalize import normalize
from kunren.errors import Problem
from kunren.textfile import excerpt
from kunren.types import Item, Message, Row, Where

_LISTED = 400
"""Characters that a list of labels may have in the default system prompt."""


class Classify:
    """Every assistant turn is one label of a closed set."""

    def __init__(self, config: TaskConfig) -> None:
        self._config = config
        self._emoji = config.labels.kind == "emoji"

    def problems(self, rows: Sequence[Row]) -> list[Problem]:
        """Labels that are none, that look alike but differ, or that are all the same."""
        problems: list[Problem] = []
        written: dict[str, tuple[str, Where]] = {}  # normalised → as first written, and where
        for row in rows:
            for answer in _answers(row):
                wrong = self._wrong(answer, row.where)
                if wrong is not None:
                    problems.append(wrong)
                    continue
                label = self._label(answer)
                first, where = written.setdefault(self._alike(label), (label, row.where))
                if label != first:
                    said: dict[str, object] = {"label": label, "other": first, "where": where}
                    problems.append(Problem("data.labels-alike", row.where, said))
        if len(written) == 1 and not problems:
            label, where = next(iter(written.values()))
            said = {"label": excerpt(label), "count": len(rows)}
            problems.append(Problem("data.one-label", Where(where.path), said))
        return problems

    def prepare(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Add the system prompt and the template, and write each label in its one form.

        A row is flat, and gets the template, if it is one user turn and its answer; the file may
        have been a chat all the same. A row with a system prompt of its own keeps both as they are.
        Call it once: the template would be applied again.
        """
        return tuple(replace(row, messages=self._prepared(row.messages)) for row in rows)

    def items(self, rows: Sequence[Row]) -> list[Item]:
        """One item an assistant turn, its context being all messages before it.

        Its id is the row's; in a row with several, ``#1``, ``#2``, … are added.
        """
        items = []
        for row in rows:
            turns = [n for n, message in enumerate(row.messages) if message.role == "assistant"]
            for number, turn in enumerate(turns, start=1):
                name = row.id if len(turns) == 1 else f"{row.id}#{number}"
                answer = row.messages[turn].content
                items.append(Item(name, row.id, row.messages[:turn], answer))
        return items

    def labels(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """The labels of prepared training rows, the most frequent first, then by code point.

        A label that only the validation or test rows have is not in it and cannot be predicted;
        ``unseen`` counts those.
        """
        counted = Counter(answer for row in rows for answer in _answers(row))
        return tuple(sorted(counted, key=lambda label: (-counted[label], label)))

    def parse(self, generated: str, labels: Sequence[str]) -> str | None:
        """The label that was generated: as written, or else the one that looks the same.

        Of emoji the first character (grapheme) decides, whatever follows it.
        """
        said = generated.strip()
        if self._emoji:
            first = next(iter(split_graphemes(said)), "")
            label = normalize_emoji(first)
            return label if label in labels else None
        if said in labels:
            return said
        alike = self._alike(said)
        return next((label for label in labels if self._alike(label) == alike), None)

    def default_system(self, labels: Sequence[str]) -> str:
        """Asks for one label and names them all, if that does not take too long.

        A small model that is told the choices learns them from far fewer rows. In Japanese whatever
        the language of the messages: it is the model that reads it.
        """
        asked = (
            "次の文に合う絵文字を1つ答えてください。"
            if self._emoji
            else "次の文を分類してください。"
        )
        named = "、".join(labels)
        return f"{asked}分類: {named}" if len(named) <= _LISTED else asked

    def stratum(self, row: Row) -> str:
        """The row's last label."""
        return self._label(next(reversed(_answers(row)), ""))

    def _label(self, answer: str) -> str:
        label = answer.strip()
        return normalize_emoji(label) if self._emoji else label

    def _alike(self, label: str) -> str:
        # NFKC would make letters of some emoji (ℹ️, ™️, ㊙️).
        return label if self._emoji else normalize(label)

    def _wrong(self, answer: str, where: Where) -> Problem | None:
        label = answer.strip()
        said: dict[str, object] = {"label": excerpt(label)}
        if self._emoji and not is_emoji(label):
            count = len(split_graphemes(label))
            if count > 1 and all(is_emoji(g) for g in split_graphemes(label)):
                return Problem("data.label-several-emoji", where, said | {"count": count})
            return Problem("data.label-not-emoji", where, said)
        if "\n" in label or "\r" in label:
            return Problem("data.label-line-break", where, said)
        return None

    def _prepared(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        roles = [message.role for message in messages]
        if roles in (["user"], ["user", "assistant"]):
            asked = self._config.template.replace("{text}", messages[0].content)
            messages = (Message("user", asked), *messages[1:])
        messages = tuple(
            Message(m.role, self._label(m.content)) if m.role == "assistant" else m
            for m in messages
        )
        if self._config.system and roles[:1] != ["system"]:
            messages = (Message("system", self._config.system), *messages)
        return messages


def unseen(labels: Iterable[str], items: Iterable[Item]) -> dict[str, int]:
    """Answers that are not in the label set, and how many items have each.

    No closed-set prediction can be right on them: they bound every system's accuracy from above.
    """
    known = frozenset(labels)
    counted = Counter(item.answer for item in items if item.answer not in known)
    return dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


def _answers(row: Row) -> list[str]:
    return [message.content for message in row.messages if message.role == "assistant"]
