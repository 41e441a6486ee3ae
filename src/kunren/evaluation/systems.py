"""One system on the test items: its scores, and how it compares with another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kunren.evaluation import statistics
from kunren.evaluation.metric import Floats, Indices, Metric, Space, Statistics
from kunren.messages import text
from kunren.types import Item, Paired, Prediction, Score


@dataclass(frozen=True, slots=True)
class Test:
    """The test items, as every system is scored on them.

    Attributes:
        items: the items with their gold answers.
        space: what answers are matched with.
        rows: number of the row that each item belongs to, [n_items].
        n_rows: how many rows there are.
        weights: how often each row is drawn in each resample, [resamples, n_rows].
        seed: of the permutations.
    """

    items: Sequence[Item]
    space: Space
    rows: Indices
    n_rows: int
    weights: Floats
    seed: int


@dataclass(frozen=True, slots=True)
class Table:
    """Statistics of the items that a metric can score, and their places among all items."""

    places: Indices
    found: Statistics


Made = Callable[..., Statistics]


class System:
    """What one system said to the test items.

    Metrics with the same statistics (all that follow from how often each label was predicted)
    share them: they are made once, summed by row once, and resampled once.
    """

    def __init__(self, name: str, said: Sequence[Prediction], test: Test) -> None:
        by_id = {prediction.item_id: prediction for prediction in said}
        self.name = name
        self._test = test
        self._said = [by_id.get(item.id) for item in test.items]
        self._places: dict[Callable[..., bool], Indices] = {}
        self._found: dict[tuple[Made, bytes], Statistics] = {}
        self._tables: dict[tuple[Callable[..., bool], Made, Made | None], Table] = {}
        self._by_row: dict[tuple[Callable[..., bool], Made, Made | None], Statistics] = {}
        self._sums: tuple[object, Floats] | None = None
        self._values: dict[str, Floats] = {}

    def answered(self, metric: Metric) -> tuple[list[Item], list[Prediction]]:
        """The items that the metric can score, and what was said to them."""
        places = self.table(metric).places
        said = [p for n in places if (p := self._said[n]) is not None]
        return [self._test.items[n] for n in places], said

    def table(self, metric: Metric) -> Table:
        """The metric's statistics of these items."""
        key = (metric.reads, metric.statistics, metric.derive)
        if key not in self._tables:
            places, found = self._statistics(metric)
            if metric.derive is not None:
                found = metric.derive(found, self._test.space)
            self._tables[key] = Table(places, found)
        return self._tables[key]

    def _statistics(self, metric: Metric) -> tuple[Indices, Statistics]:
        """Places of the items that the metric reads, and what its ``statistics`` says of them."""
        test = self._test
        if metric.reads not in self._places:
            known = [
                n
                for n, (item, said) in enumerate(zip(test.items, self._said, strict=True))
                if said is not None and metric.reads(item, said, test.space)
            ]
            self._places[metric.reads] = np.asarray(known, dtype=np.int64)
        places = self._places[metric.reads]
        key = (metric.statistics, places.tobytes())
        if key not in self._found:
            predictions = [p for n in places if (p := self._said[n]) is not None]
            items = [test.items[n] for n in places]
            self._found[key] = metric.statistics(items, predictions, test.space)
        return places, self._found[key]

    def by_row(self, metric: Metric, among: Indices | None = None) -> Statistics:
        """The metric's statistics summed within rows; of the items in ``among`` only, if given."""
        table = self.table(metric)
        places, found = table.places, table.found
        if among is not None and len(among) < len(places):
            kept = np.flatnonzero(np.isin(places, among))
            places, found = places[kept], found[kept]
            return statistics.sum_by_row(found, self._test.rows[places], self._test.n_rows)
        key = (metric.reads, metric.statistics, metric.derive)
        if key not in self._by_row:
            summed = statistics.sum_by_row(found, self._test.rows[places], self._test.n_rows)
            self._by_row[key] = summed
        return self._by_row[key]

    def resampled(self, metric: Metric, among: Indices | None = None) -> Floats:
        """The metric's value in each resample; of the items in ``among`` only, if given."""
        test = self._test
        if among is not None and len(among) < len(self.table(metric).places):
            return metric.value(test.weights @ self.by_row(metric, among), test.space)
        if metric.name not in self._values:
            by_row = self.by_row(metric)
            # Of one statistic at a time: with thousands of labels the sums are large.
            if self._sums is None or self._sums[0] is not by_row:
                self._sums = (by_row, test.weights @ by_row)
            self._values[metric.name] = metric.value(self._sums[1], test.space)
        return self._values[metric.name]


def score(test: Test, system: System, metric: Metric, why_missing: Callable[[], str]) -> Score:
    """The value of a metric, with its interval.

    Args:
        test: the test items.
        system: what is scored.
        metric: by what.
        why_missing: the reason where the metric can score none of the items.
    """
    signature = metric.signature(test.space)
    if metric.lacks:
        said = text("evaluate.needs-package", command=f"pip install {' '.join(metric.lacks)}")
        return Score(None, None, 0, len(test.items), signature, said)
    n = len(system.table(metric).places)
    left_out = len(test.items) - n
    if n == 0:
        return Score(None, None, 0, left_out, signature, why_missing())
    by_row = system.by_row(metric)
    value = float(metric.value(by_row.sum(axis=0), test.space))
    if np.isnan(value):
        return Score(None, None, n, left_out, signature, text("evaluate.undefined"))
    if metric.part == "distinct":
        said = text("evaluate.no-interval-distinct")
        return Score(value, None, n, left_out, signature, said)
    interval = statistics.percentile_interval(system.resampled(metric))
    if interval is None and metric.part in ("hit", "bounded"):
        interval = _exact(metric, value, by_row)
    reason = text("evaluate.no-interval") if interval is None else None
    return Score(value, interval, n, left_out, signature, reason)


def _exact(metric: Metric, value: float, by_row: Floats) -> tuple[float, float] | None:
    """The interval where every item has the lowest or the highest score.

    That of the share of such items; the mean score cannot be farther from them than that share.
    """
    top = 100.0 if metric.unit == "points" else 1.0
    if value not in (0.0, top):
        return None
    counted = int((by_row[:, 1] > 0).sum())
    low, high = statistics.exact_interval(round(value / top * counted), counted)
    return top * low, top * high


def compare(test: Test, a: System, b: System, metric: Metric) -> Paired | None:
    """System a against system b on the items that both answered; None: there is no difference.

    Not one of zero, but none at all: one of the values is undefined, or the metric lacks a package.
    """
    if metric.lacks:
        return None
    both = np.intersect1d(a.table(metric).places, b.table(metric).places)
    of_a, of_b = a.by_row(metric, both), b.by_row(metric, both)

    def value(sums: Floats) -> Floats:
        return metric.value(sums, test.space)

    difference = float(value(of_a.sum(axis=0)) - value(of_b.sum(axis=0)))
    if np.isnan(difference):
        return None
    resampled = a.resampled(metric, both) - b.resampled(metric, both)
    interval = statistics.percentile_interval(resampled) or (difference, difference)
    if metric.part == "hit":
        p = statistics.mcnemar_midp(np.rint(of_a[:, 0] - of_b[:, 0]).astype(np.int64))
        kind = "mcnemar-midp"
    else:
        p = statistics.randomisation_p(of_a, of_b, value, len(test.weights), test.seed)
        kind = "paired-randomisation"
    gain = -difference if metric.better == "lower" else difference
    verdict = statistics.verdict(gain, p)
    return Paired(a.name, b.name, metric.name, difference, interval, p, kind, verdict)
