"""One system on the test items: its scores, and how it compares with another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from kunren.evaluation import statistics
from kunren.evaluation.metric import Floats, Indices, Metric, Space, Statistics, answer_key
from kunren.messages import text
from kunren.types import Item, Paired, Prediction, Score, Verdict


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

    Attributes:
        name: its key in ``eval_metrics.json``.
        repeats: the system itself, then the same trained with other seeds. A value of the system
            is the mean of theirs.
    """

    def __init__(
        self,
        name: str,
        said: Sequence[Prediction],
        test: Test,
        again: Sequence[Sequence[Prediction]] = (),
    ) -> None:
        by_id = {prediction.item_id: prediction for prediction in said}
        self.name = name
        self.repeats = (self, *(System(name, other, test) for other in again))
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

    def said_alike(self, other: System, places: Indices) -> bool:
        """Whether both gave the same answers to these items, in every repetition."""
        times = max(len(self.repeats), len(other.repeats))
        pairs = zip(*(s.repeats * (times // len(s.repeats)) for s in (self, other)), strict=True)
        return all(
            _answer(one._said[n]) == _answer(two._said[n]) for one, two in pairs for n in places
        )

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
        """The metric's value in each resample of rows, and of repetitions where there are several.

        Of the items in ``among`` only, if given; [resamples].
        """
        values = [one._resampled(metric, among) for one in self.repeats]
        if len(values) == 1:
            return values[0]
        test = self._test
        drawn = statistics.repeat_weights(len(values), len(test.weights), test.seed).T
        return np.asarray(np.where(drawn > 0, drawn * np.stack(values), 0.0).sum(axis=0))

    def _resampled(self, metric: Metric, among: Indices | None) -> Floats:
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


def _answer(said: Prediction | None) -> object:
    """What of a prediction is its answer: its labels and what it has beside them, or its text."""
    if said is None or said.labels is None:
        return None if said is None else said.generated
    return frozenset(map(answer_key, (*said.labels, *said.invalid)))


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
    by_row = [one.by_row(metric) for one in system.repeats]
    value = float(_value(test, metric, by_row))
    if np.isnan(value):
        return Score(None, None, n, left_out, signature, text("evaluate.undefined"))
    if metric.part == "distinct":
        said = text("evaluate.no-interval-distinct")
        return Score(value, None, n, left_out, signature, said)
    interval = statistics.percentile_interval(system.resampled(metric))
    if interval is None and metric.part in ("hit", "bounded"):
        interval = _exact(metric, value, by_row[0])
    reason = text("evaluate.no-interval") if interval is None else None
    return Score(value, interval, n, left_out, signature, reason)


def _value(test: Test, metric: Metric, repeats: Sequence[Statistics]) -> Floats:
    """The mean value of the repetitions."""
    values = [metric.value(found.sum(axis=0), test.space) for found in repeats]
    return np.asarray(np.mean(values, axis=0))


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


def compare(
    test: Test, a: System, b: System, metric: Metric, comparisons: int = 1
) -> Paired | None:
    """System a against system b on the items that both answered; None: there is no difference.

    Not one of zero, but none at all: one of the values is undefined, or the metric lacks a package.
    A system that was trained once stands against every repetition of one that was trained often.
    Interval and rows needed allow for ``comparisons`` in all; for p values see ``corrected``.
    """
    if metric.lacks:
        return None
    both = np.asarray(
        reduce(np.intersect1d, [one.table(metric).places for one in (*a.repeats, *b.repeats)])
    )
    of_a, of_b = ([one.by_row(metric, both) for one in each.repeats] for each in (a, b))
    difference = float(_value(test, metric, of_a) - _value(test, metric, of_b))
    if np.isnan(difference):
        return None
    resampled = a.resampled(metric, both) - b.resampled(metric, both)
    interval = statistics.percentile_interval(resampled, comparisons) or (difference, difference)
    times = max(len(of_a), len(of_b))
    if metric.part == "hit" and times == 1:
        p = statistics.mcnemar_midp(np.rint(of_a[0][:, 0] - of_b[0][:, 0]).astype(np.int64))
        kind = "mcnemar-midp"
    else:
        of_a, of_b = (each * times if len(each) == 1 else each for each in (of_a, of_b))
        p = statistics.randomisation_p(
            of_a, of_b, lambda sums: metric.value(sums, test.space), len(test.weights), test.seed
        )
        kind = "paired-randomisation"
    needed = statistics.rows_needed(difference, resampled, test.n_rows, comparisons)
    same = difference == 0 and a.said_alike(b, both)
    verdict: Verdict = "identical" if same else _verdict(metric.better, difference, p)
    if comparisons == 1:
        interval = statistics.agreeing(difference, interval, p, verdict in _APART)
    return Paired(a.name, b.name, metric.name, difference, interval, p, kind, verdict, p, needed)


_APART = ("better", "worse")


def _verdict(better: str | None, difference: float, p: float) -> Verdict:
    return statistics.verdict(-difference if better == "lower" else difference, p)


def corrected(pairs: Sequence[Paired], better: str | None) -> list[Paired]:
    """Comparisons by one metric, with verdicts that allow for how many they are (Holm).

    ``better`` is which way the metric is better: ``higher`` or ``lower``.

    The best of several baselines is chosen by its result, so the comparison with it is one of
    several, whichever the reader looks at.
    """
    found = []
    for pair, p in zip(pairs, statistics.holm([pair.p for pair in pairs]), strict=True):
        same = pair.verdict == "identical"
        verdict = pair.verdict if same else _verdict(better, pair.difference, p)
        interval = statistics.agreeing(pair.difference, pair.ci95, p, verdict in _APART)
        needed = pair.rows_needed if verdict == "indistinguishable" else None
        told = replace(pair, p_holm=p, verdict=verdict, ci95=interval, rows_needed=needed)
        found.append(told)
    return found
