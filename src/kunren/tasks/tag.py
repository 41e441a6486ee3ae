"""A set of labels for each text, such as one to five emoji."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

from kunren.config.schema import TaskConfig
from kunren.data.emoji import is_emoji, split_emoji
from kunren.data.normalize import is_blank
from kunren.data.records import LIST_SEPARATOR
from kunren.errors import Problem
from kunren.tasks import Answers, Parsed, filters, prompting
from kunren.tasks.filters import Filtered, Turns
from kunren.tasks.labels import LabelForm, by_frequency, named, set_problems
from kunren.tasks.separators import between, pieces_of
from kunren.tasks.settle import written_list
from kunren.tasks.turns import answers, items, with_answers
from kunren.textfile import excerpt
from kunren.types import Item, Row, Where

NOTHING = "∅"
"""The one piece of an answer that is blank where one is to say that no label applies. An untrained
model that writes nothing has not found out that."""

_BITS = frozenset(("0", "1", "0.0", "1.0", "true", "false"))


class Tag:
    """Every assistant turn is a set of labels of a closed set, in the order they were written.

    A model writes emoji one after the other with nothing between them: where labels are tokens of
    their own, that is one token a label, and the loss counts no separators, which are easy and
    would be half of the answer. Labels of text have the config's separator between them, or ``、``.
    Both are read back in any of the ways people write them. Where rows have an empty set, a model
    writes the config's word for none.
    """

    answers: ClassVar[Answers] = "set"

    def __init__(self, config: TaskConfig) -> None:
        self._config = config
        self._form = LabelForm(config.labels)
        self._separator = config.labels.separator
        self._none = config.labels.none
        # The same few sets are asked for again and again: by checks, filters, split and items.
        self._set = lru_cache(maxsize=1 << 14)(self._read)

    def problems(self, rows: Sequence[Row]) -> list[Problem]:
        """Labels that are none or look alike, lists of 0 and 1, or only one answer in all.

        An empty set is an answer; not all of them may be empty.
        """
        wrong = self._multi_hot(rows)
        if wrong:
            return wrong
        good: list[tuple[str, Where]] = []
        fine: set[str] = set()
        empty = 0
        for row in rows:
            for answer in answers(row):
                empty += not self._set(answer)
                if answer not in fine:
                    found = self._wrong(answer, row.where)
                    wrong += found
                    if found:
                        continue
                    fine.add(answer)
                good += [(label, row.where) for label in self._set(answer)]
        as_set = set_problems(good, self._form, len(rows), whole=not wrong and not empty)
        if rows and not good and not wrong:
            said: dict[str, object] = {"count": len(rows)}
            as_set = [Problem("data.only-empty-sets", Where(rows[0].where.path), said)]
        return [*prompting.problems(rows, self._config), *wrong, *as_set]

    def filter(self, rows: Sequence[Row], by: Sequence[Row] | None = None) -> Filtered:
        """Raw rows without what the config takes out; banned labels are taken out of their rows."""
        return filters.apply(
            rows, by, self._config.labels, self._turns, self._form.canonical, self._rewritten
        )

    def prepare(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Add the system prompt and the template, and write each set in its one form."""
        return tuple(
            prompting.prepared(rows, self._config, lambda answer: self.written(self._set(answer)))
        )

    def items(self, rows: Sequence[Row]) -> list[Item]:
        """One item an assistant turn, its context being all messages before it."""
        return items(rows, self._set)

    def labels(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """The labels of training rows, raw or prepared, the most frequent first."""
        turns = [turn for row in rows for turn in self._turns(row)]
        return by_frequency(Counter(label for turn in turns for label in turn))

    def levels(self, label: str) -> tuple[str, ...]:
        """The label itself: a set has no hierarchy."""
        return (label,)

    def parse(self, generated: str, labels: Sequence[str]) -> Parsed:
        """The labels that were generated, each once, and every piece that is none of them.

        The word for none means none, alone; beside labels it is one of the other pieces. Where
        there is such a word, nothing at all is no answer, and ``NOTHING`` stands for it.
        """
        if self._is_none(generated):
            return Parsed(())
        if self._none and is_blank(generated):
            return Parsed((), (NOTHING,))
        # A model may also put each label on a line of its own.
        pieces = [piece for line in generated.splitlines() for piece in self._split(line)]
        known: dict[str, None] = {}
        invalid = []
        for piece in pieces:
            label = self._form.known(piece, labels)
            if label is None:
                invalid.append(piece)
            else:
                known[label] = None
        if not pieces and not is_blank(generated) and written_list(generated) is None:
            invalid = [generated.strip()]  # separators alone are no empty set
        return Parsed(tuple(known), tuple(invalid))

    def default_system(self, labels: Sequence[str]) -> str:
        """Asks for a set of labels and names them all, if that does not take too long."""
        if self._form.emoji:
            number = "すべて" if self._none else "1つ以上"
            asked = f"次の文に合う絵文字を、合うものから順に{number}答えてください。"
            return named(asked + self._if_none, "絵文字", labels)
        mark = self._between.strip() or "空白"
        asked = f"次の文に当てはまる分類を、「{mark}」で区切ってすべて答えてください。"
        return named(asked + self._if_none, "分類", labels)

    def stratum(self, row: Row) -> str:
        """All labels of the row."""
        turns = self._turns(row)
        return LIST_SEPARATOR.join(dict.fromkeys(label for turn in turns for label in turn))

    @property
    def _if_none(self) -> str:
        return f"なければ「{self._none}」と答えてください。" if self._none else ""

    @property
    def _between(self) -> str:
        """What is written between two labels."""
        if self._form.emoji:
            return "" if self._separator is None else between(self._separator)
        return between(self._separator)

    def _is_none(self, answer: str) -> bool:
        """Whether an answer is the word for none."""
        return self._none is not None and answer.strip() == self._none

    def written(self, labels: Sequence[str]) -> str:
        """The labels with what is written between two of them; the word for none of no labels."""
        return self._between.join(labels) or (self._none or "")

    def _split(self, answer: str) -> list[str]:
        """The pieces of an answer, as they were written."""
        listed = written_list(answer)
        if listed is not None:
            parts = listed
        elif self._form.emoji and self._separator is None and LIST_SEPARATOR not in answer:
            parts = [answer]
        else:
            parts = pieces_of(answer, self._config.labels)
        if self._form.emoji:
            return [piece for part in parts for piece in split_emoji(part)]
        return parts

    def _read(self, answer: str) -> tuple[str, ...]:
        if self._is_none(answer):
            return ()
        return tuple(dict.fromkeys(map(self._form.canonical, self._split(answer))))

    def _turns(self, row: Row) -> list[tuple[str, ...]]:
        return [self._set(answer) for answer in answers(row)]

    def _rewritten(self, row: Row, turns: Turns) -> Row:
        return with_answers(row, [self.written(turn) for turn in turns])

    def _wrong(self, answer: str, where: Where) -> list[Problem]:
        if is_blank(answer) or self._is_none(answer) or written_list(answer) == []:
            return []
        pieces = self._split(answer)
        if not pieces:
            return [Problem("data.no-label", where, {"found": excerpt(answer)})]
        found = []
        for piece in pieces:
            said: dict[str, object] = {"label": excerpt(piece)}
            if self._form.emoji and not is_emoji(piece) and len(pieces) > 1:
                said |= {"all": excerpt(answer.replace(LIST_SEPARATOR, "、"))}
                found.append(Problem("data.tag-not-emoji", where, said))
            elif (wrong := self._form.wrong(piece, where)) is not None:
                found.append(wrong)
            elif self._split(piece) != [piece]:
                said |= {"separator": self._between.strip() or "空白"}
                found.append(Problem("data.label-has-separator", where, said))
        return found

    def _multi_hot(self, rows: Sequence[Row]) -> list[Problem]:
        """That answers are not names but a 0 or 1 for each label, whose names are not known."""
        lists = [self._split(answer) for row in rows for answer in answers(row)]
        lengths = {len(one) for one in lists}
        if len(lengths) != 1 or lengths <= {0, 1}:
            return []
        if not all(set(one) <= _BITS for one in lists):
            return []
        said: dict[str, object] = {"count": lengths.pop()}
        return [Problem("data.multi-hot", Where(rows[0].where.path), said)]
