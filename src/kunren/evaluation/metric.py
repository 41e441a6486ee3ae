"""What a metric is: per-item statistics, and a value of their sum.

A metric is two functions: ``statistics`` turns answers into one vector an item, ``value`` turns a
sum of such vectors into the number. Bootstrap resamples and permutations are then nothing but
weighted sums, for every metric alike (the idea of sacreBLEU's cached sufficient statistics).

``labels.py``, ``sets.py`` and ``text.py`` hold the metrics of the three kinds of answers. Adding a
metric is adding it to the ``KIND`` there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kunren.types import Item, Prediction

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

Statistics: TypeAlias = Any
"""[n, k]: ``Floats``, or a ``scipy.sparse.csr_array`` where k grows with the labels."""

Unit = Literal["share", "points", "count", "coefficient"]
"""A share in [0, 1], shown as a percentage; points from 0 to 100; a plain number; a correlation in
[-1, 1]."""

OUTSIDE = -1
"""Index of an answer that is no label."""


@dataclass(frozen=True, slots=True)
class Level:
    """One upper level of labels that are paths.

    Attributes:
        names: the labels of this level.
        ancestor: for each name of the space its label at this level, ``OUTSIDE`` where its own
            path is shorter, [number of names].
    """

    names: tuple[str, ...]
    ancestor: Indices


@dataclass(frozen=True, slots=True)
class Space:
    """What answers are matched with.

    Attributes:
        labels: the closed set; empty for free text.
        names: the closed set, then gold labels outside it, which no system can get right.
        index: name (by its ``answer_key``) → place in ``names``.
        levels: the upper levels of a hierarchy, from the top.
        frequent: the most frequent labels of the data before any filter; empty where not known.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    index: Mapping[str, int]
    levels: tuple[Level, ...] = ()
    frequent: tuple[str, ...] = ()

    def find(self, said: str) -> int:
        """Index of a predicted label, ``OUTSIDE`` where it is not in the closed set."""
        found = self.index.get(answer_key(said), OUTSIDE)
        return found if found < len(self.labels) else OUTSIDE

    def gold(self, item: Item) -> list[int]:
        """Indices of an item's gold labels, each once, in their order."""
        return list(dict.fromkeys(map(self.index.__getitem__, map(answer_key, item.labels))))


def make_space(
    labels: Sequence[str],
    items: Sequence[Item],
    levels: Callable[[str], tuple[str, ...]] | None = None,
    frequent: Sequence[str] = (),
) -> Space:
    """The space of a closed set and of the items' gold labels.

    Args:
        labels: the closed set.
        items: what is scored.
        levels: a label's path from the top, itself last; None: there is no hierarchy.
        frequent: the most frequent labels of the data before any filter.

    Raises:
        ValueError: two labels of the closed set are the same answer.
    """
    index: dict[str, int] = {}
    names: list[str] = []
    for said in (*labels, *(label for item in items for label in item.labels)):
        key = answer_key(said)
        if key in index and len(names) < len(labels):
            raise ValueError(f"labels {names[index[key]]!r} and {said!r} are the same answer")
        if key not in index:
            index[key] = len(names)
            names.append(said)
    paths = [] if levels is None else [levels(name) for name in names]
    deepest = max((len(path) for path in paths), default=1)
    upper = tuple(_level(paths, depth) for depth in range(deepest - 1))
    return Space(tuple(labels), tuple(names), index, upper, tuple(frequent))


def _level(paths: Sequence[tuple[str, ...]], depth: int) -> Level:
    places: dict[str, int] = {}
    ancestor = [
        places.setdefault(path[depth], len(places)) if depth < len(path) else OUTSIDE
        for path in paths
    ]
    return Level(tuple(places), np.asarray(ancestor, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: its name in ``eval_metrics.json``.
        unit: what its values are.
        better: which way is better; None: neither as such.
        part: of an item's score: ``hit``: 0 or 1; ``bounded``: between 0 and 1 (or 100 points);
            ``free``: any number. The value is their mean. ``corpus``: items have no score of their
            own. ``distinct``: nor have they, and drawing with replacement always finds too few, so
            that there is no bootstrap interval.
        settings: what its signature says beside name, version and number of labels.
        reads: (item, prediction, space) → whether it can score the item.
        statistics: (items, predictions, space) → [n, k], for items that it ``reads``. Of a mean:
            the score and 1.
        derive: (what ``statistics`` found, space) → [n, k], for metrics that follow from the same
            statistics, which are then made once for all of them; None: they are used as found.
        value: (sums [..., k], space) → [...]; NaN where the sum leaves it undefined.
        missing: name of the message that says why it could score no item of a system that did
            answer.
        perfect: its value where gold itself is scored against gold; None: that depends on gold.
        requires: packages that it needs beside kunren's own, import name → name for pip. Where one
            is missing the metric has no value, and its reason is the pip command.
        version: of its definition; higher where the same answers may now have another value.
    """

    name: str
    unit: Unit
    better: Literal["higher", "lower"] | None
    part: Literal["hit", "bounded", "free", "corpus", "distinct"]
    settings: tuple[str, ...]
    reads: Callable[[Item, Prediction, Space], bool]
    statistics: Callable[[Sequence[Item], Sequence[Prediction], Space], Statistics]
    value: Callable[[Floats, Space], Floats]
    missing: str = "no-predictions"
    perfect: float | None = None
    requires: Mapping[str, str] = field(default_factory=dict)
    derive: Callable[[Statistics, Space], Statistics] | None = None
    version: int = 1

    @property
    def lacks(self) -> tuple[str, ...]:
        """Names for pip of the required packages that are not installed."""
        return tuple(pip for name, pip in self.requires.items() if find_spec(name) is None)

    def signature(self, space: Space) -> str:
        """What must agree for two values to be comparable, in the way of sacreBLEU."""
        size = (f"labels:{len(space.labels)}",) if space.labels else ()
        return "|".join((self.name, f"v{self.version}", *size, *self.settings))


@dataclass(frozen=True, slots=True)
class Kind:
    """The metrics of one kind of answers.

    Attributes:
        metrics: by name, in the order in which they are shown.
        primary: the metric that verdicts rest on.
        right: the metric that says of one item whether it was answered rightly.
        headline: those of the short table.
        compared: those that systems are compared on.
        validation: those that are measured on the validation rows after each epoch.
    """

    metrics: Mapping[str, Metric]
    primary: str
    right: str
    headline: tuple[str, ...]
    compared: tuple[str, ...]
    validation: tuple[str, ...]


def by_name(*metrics: Metric) -> dict[str, Metric]:
    """Metrics by their names."""
    return {metric.name: metric for metric in metrics}


@lru_cache(maxsize=1 << 16)
def answer_key(said: str) -> str:
    """What two answers are compared by: NFC, stripped, without emoji variation selectors."""
    plain = unicodedata.normalize("NFC", said).strip()
    return plain.replace("\ufe0e", "").replace("\ufe0f", "")


def has_labels(_: Item, prediction: Prediction, __: Space) -> bool:
    """Whether the system gives labels at all, be it none."""
    return prediction.labels is not None


def has_text(_: Item, prediction: Prediction, __: Space) -> bool:
    """Whether something was generated, be it nothing."""
    return prediction.generated is not None


def scores(values: Sequence[float] | Sequence[bool] | NDArray[Any]) -> Floats:
    """Statistics of a metric that is the mean of item scores, [n, 2]."""
    column = np.asarray(values, dtype=np.float64)
    return np.stack([column, np.ones_like(column)], axis=-1)


def ratio(sums: Floats, _: Space) -> Floats:
    """The first sum divided by the second: the mean of ``scores``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])
