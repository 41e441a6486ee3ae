"""One label for each text; it may be a path in a hierarchy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from kunren.config.schema import TaskConfig
from kunren.data.emoji import split_graphemes
from kunren.data.normalize import is_blank
from kunren.data.records import LIST_SEPARATOR, elements
from kunren.errors import Problem
from kunren.tasks import Answers, Parsed, filters, prompting
from kunren.tasks.filters import Filtered
from kunren.tasks.labels import LabelForm, by_frequency, named, set_problems
from kunren.tasks.turns import answers, items
from kunren.textfile import excerpt
from kunren.types import Item, Row, Where


class Classify:
    """Every assistant turn is one label of a closed set."""

    answers: ClassVar[Answers] = "label"

    def __init__(self, config: TaskConfig) -> None:
        self._config = config
        self._form = LabelForm(config.labels)

    def problems(self, rows: Sequence[Row]) -> list[Problem]:
        """Labels that are none, that look alike but differ, or that are all the same.

        In a hierarchy paths may be of different length, but no label may be an ancestor of another:
        of a text under ``国内/政治`` both would be true.
        """
        wrong: list[Problem] = []
        good: list[tuple[str, Where]] = []
        for row in rows:
            for answer in answers(row):
                problem = self._wrong(answer, row.where)
                if problem is None:
                    good.append((self._form.canonical(answer), row.where))
                else:
                    wrong.append(problem)
        as_set = set_problems(good, self._form, len(rows), whole=not wrong)
        template = prompting.problems(rows, self._config)
        return [*template, *wrong, *as_set, *self._tree_problems(good)]

    def filter(self, rows: Sequence[Row], by: Sequence[Row] | None = None) -> Filtered:
        """Raw rows without those whose labels the config takes out."""
        return filters.apply(rows, by, self._config.labels, self._turns, self._form.canonical)

    def prepare(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Add the system prompt and the template, and write each label in its one form."""
        return tuple(prompting.prepared(rows, self._config, self._form.canonical))

    def items(self, rows: Sequence[Row]) -> list[Item]:
        """One item an assistant turn, its context being all messages before it."""
        return items(rows, lambda answer: (answer,))

    def labels(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """The labels of training rows, raw or prepared, the most frequent first.

        A label that only the validation or test rows have is not in it and cannot be predicted.
        """
        return by_frequency(Counter(label for row in rows for (label,) in self._turns(row)))

    def levels(self, label: str) -> tuple[str, ...]:
        """A label's path from the top: ``国際``, ``国際/政治``; itself alone without hierarchy."""
        return self._form.levels(label)

    def parse(self, generated: str, labels: Sequence[str]) -> Parsed:
        """The label that was generated: as written, or else the one that looks the same.

        Of emoji the first character (grapheme) decides, whatever follows it.
        """
        said = generated.strip()
        first = next(iter(split_graphemes(said)), "") if self._form.emoji else said
        label = self._form.known(first, labels)
        if label is not None:
            return Parsed((label,))
        return Parsed((), (said,) if said else ())

    def default_system(self, labels: Sequence[str]) -> str:
        """Asks for one label and names them all, if that does not take too long.

        A small model that is told the choices learns them from far fewer rows. In Japanese whatever
        the language of the messages: it is the model that reads it.
        """
        if self._form.emoji:
            return named("次の文に合う絵文字を1つ答えてください。", "分類", labels)
        return named("次の文を分類してください。", "分類", labels)

    def stratum(self, row: Row) -> str:
        """The row's labels: one, or, in a chat, all that it has."""
        return LIST_SEPARATOR.join(dict.fromkeys(label for (label,) in self._turns(row)))

    def _turns(self, row: Row) -> list[tuple[str, ...]]:
        return [(self._form.canonical(answer),) for answer in answers(row)]

    def _wrong(self, answer: str, where: Where) -> Problem | None:
        several = elements(answer)
        if is_blank(answer):
            return Problem("data.no-answer-label", where)
        if len(several) > 1:
            said: dict[str, object] = {"count": len(several), "labels": excerpt("、".join(several))}
            return Problem("data.label-list", where, said)
        return self._form.wrong(answer, where)

    def _tree_problems(self, found: Sequence[tuple[str, Where]]) -> list[Problem]:
        separator = self._config.labels.hierarchy
        if not separator or not found:
            return []
        first: dict[str, Where] = {}
        for label, where in found:
            first.setdefault(label, where)
        if not any(separator in label for label in first):
            label, where = found[0]
            flat: dict[str, object] = {"separator": separator, "label": excerpt(label)}
            return [Problem("data.no-hierarchy", Where(where.path), flat)]
        above = {up: label for label in first for up in self._form.levels(label)[:-1]}
        return [
            Problem(
                "data.label-is-ancestor",
                where,
                {"label": label, "other": above[label], "separator": separator},
            )
            for label, where in first.items()
            if label in above
        ]
