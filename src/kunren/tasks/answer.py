"""Free text for each text, such as the answer to a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from kunren.config.schema import TaskConfig
from kunren.data.normalize import is_blank
from kunren.data.records import elements
from kunren.errors import Problem
from kunren.tasks import Answers, Parsed, prompting
from kunren.tasks.filters import Filtered
from kunren.tasks.turns import answers, items
from kunren.textfile import excerpt
from kunren.types import Item, Row, Where


class Answer:
    """Every assistant turn is free text; there is no closed set of labels."""

    answers: ClassVar[Answers] = "text"

    def __init__(self, config: TaskConfig) -> None:
        self._config = config

    def problems(self, rows: Sequence[Row]) -> list[Problem]:
        """Answers that are empty, that are lists, or that are all the same."""
        found = prompting.problems(rows, self._config)
        for row in rows:
            for said in answers(row):
                if is_blank(said):
                    found.append(Problem("data.empty-answer", row.where))
                elif len(several := elements(said)) > 1:
                    fields: dict[str, object] = {"count": len(several), "found": excerpt(said)}
                    found.append(Problem("data.answer-list", row.where, fields))
        different = {said.strip() for row in rows for said in answers(row)}
        if not found and len(rows) > 1 and len(different) == 1:
            fields = {"count": len(rows), "answer": excerpt(next(iter(different)))}
            found.append(Problem("data.one-answer", Where(rows[0].where.path), fields))
        return found

    def filter(
        self,
        rows: Sequence[Row],
        by: Sequence[Row] | None = None,  # noqa: ARG002 - no labels to count
    ) -> Filtered:
        """All rows: free text has no labels to filter by."""
        return Filtered(tuple(rows), len(rows), 0, (), {}, {})

    def prepare(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Add the system prompt and the template; answers lose the space around them."""
        return tuple(prompting.prepared(rows, self._config, _written))

    def items(self, rows: Sequence[Row]) -> list[Item]:
        """One item an assistant turn, its context being all messages before it."""
        return items(rows, lambda _: ())

    def labels(self, rows: Sequence[Row]) -> tuple[str, ...]:  # noqa: ARG002 - there are none
        """None."""
        return ()

    def levels(self, label: str) -> tuple[str, ...]:
        """The label itself."""
        return (label,)

    def parse(self, generated: str, labels: Sequence[str]) -> Parsed:  # noqa: ARG002 - no labels
        """No labels: free text means none."""
        return Parsed(())

    def default_system(self, labels: Sequence[str]) -> str:  # noqa: ARG002 - there are none
        """None: what kind of answer is wanted only the user knows."""
        return ""

    def stratum(self, row: Row) -> str:  # noqa: ARG002 - all rows are alike
        """The same for all rows."""
        return ""


def _written(answer: str) -> str:
    return answer.strip().replace("\r\n", "\n").replace("\r", "\n")
