"""Labels: the one form of each, which ones look the same, and what none can be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from kunren.config.schema import Labels
from kunren.data.emoji import is_emoji, merge_skin_tones, normalize_emoji, split_emoji
from kunren.data.normalize import normalize
from kunren.errors import Problem
from kunren.textfile import excerpt
from kunren.types import Where

_LISTED = 400
"""Characters that a list of labels may have in a default system prompt."""


_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+|(-?[0-9]\.[0-9]+)[eE]([+-]?[0-9]+)")
"""A whole number with a fraction of zeros, or in the way that numpy writes one. ``007`` and ``1E5``
are names."""


def whole_number(label: str) -> str | None:
    """The integer that is written so with a fraction: ``1`` for ``1.0``; None for anything else.

    ``-0`` is 0.
    """
    if label in ("-0", "-0.0"):
        return "0"
    found = _WHOLE.fullmatch(label)
    if found is None:
        return None
    value = float(label)
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else None


class LabelForm:
    """How labels are written, by the config's ``task.labels``."""

    def __init__(self, config: Labels) -> None:
        self.emoji = config.kind == "emoji"
        self._merged = config.merge_skin_tones
        self._levels = config.hierarchy
        self._whole = bool(config.whole_numbers)
        # Of few labels, for every row, and by each that asks.
        self._good: set[str] = set()
        self._canonical = lru_cache(maxsize=1 << 12)(self._one_form)

    def canonical(self, label: str) -> str:
        """A label in its one form: without spaces around it or its levels, emoji normalised."""
        return self._canonical(label)

    def _one_form(self, label: str) -> str:
        label = label.strip()
        if self._whole:
            label = whole_number(label) or label
        if self.emoji:
            return merge_skin_tones(label) if self._merged else normalize_emoji(label)
        if self._levels:
            return self._levels.join(level.strip() for level in label.split(self._levels))
        return label

    def alike(self, label: str) -> str:
        """What labels that look the same have in common."""
        # NFKC would make letters of some emoji (ℹ️, ™️, ㊙️).
        return label if self.emoji else normalize(label)

    def known(self, said: str, labels: Sequence[str]) -> str | None:
        """The label of a closed set that was said: as written, or else one that looks the same."""
        label = self.canonical(said)
        if label in labels:
            return label
        return None if self.emoji else _by_look(tuple(labels)).get(normalize(label))

    def levels(self, label: str) -> tuple[str, ...]:
        """A label's path from the top; itself alone where there is no hierarchy."""
        if not self._levels:
            return (label,)
        path = label.split(self._levels)
        return tuple(self._levels.join(path[: n + 1]) for n in range(len(path)))

    def wrong(self, label: str, where: Where) -> Problem | None:
        """Why something cannot be a label."""
        if label in self._good:
            return None
        problem = self._wrong(label.strip(), where)
        if problem is None:
            self._good.add(label)
        return problem

    def _wrong(self, label: str, where: Where) -> Problem | None:
        said: dict[str, object] = {"label": excerpt(label)}
        if self.emoji and not is_emoji(label):
            found = split_emoji(label)
            if len(found) > 1 and all(map(is_emoji, found)):
                return Problem("data.label-several-emoji", where, said | {"count": len(found)})
            return Problem("data.label-not-emoji", where, said)
        if "\n" in label or "\r" in label:
            return Problem("data.label-line-break", where, said)
        if self._levels and not all(level.strip() for level in label.split(self._levels)):
            return Problem("data.label-empty-level", where, said | {"separator": self._levels})
        return None


@lru_cache(maxsize=8)
def _by_look(labels: tuple[str, ...]) -> dict[str, str]:
    # Of labels that look the same the first counts.
    return {normalize(label): label for label in reversed(labels)}


def set_problems(
    found: Sequence[tuple[str, Where]], form: LabelForm, rows: int, *, whole: bool
) -> list[Problem]:
    """What is wrong with labels as a set: some look alike but differ, or there is only one.

    Args:
        found: every label in its one form, with its place.
        form: by which they are compared.
        rows: how many rows have them.
        whole: whether these are all answers; where some were wrong, or have no label, there is more
            than one answer.
    """
    problems = []
    written: dict[str, tuple[str, Where]] = {}  # as it looks → as first written, and where
    for label, where in found:
        first, at = written.setdefault(form.alike(label), (label, where))
        if label != first:
            said: dict[str, object] = {"label": label, "other": first, "where": at}
            problems.append(Problem("data.labels-alike", where, said))
    if whole and len(written) == 1 and not problems:
        label, where = next(iter(written.values()))
        said = {"label": excerpt(label), "count": rows}
        problems.append(Problem("data.one-label", Where(where.path), said))
    return problems


def by_frequency(counted: Counter[str]) -> tuple[str, ...]:
    """Labels, the most frequent first, then by code point."""
    return tuple(sorted(counted, key=lambda label: (-counted[label], label)))


def named(asked: str, title: str, labels: Sequence[str]) -> str:
    """A system prompt that names the labels, if that does not take too long."""
    listed = "、".join(labels)
    return f"{asked}{title}: {listed}" if len(listed) <= _LISTED else asked
