"""Seconds to score 20,000 rows, as a whole and against scikit-learn metric by metric.

Of processor time, so that others on the machine do not count; set OMP_NUM_THREADS=1, or the time of
several threads is added up.

The whole is what ``kunren run`` does after its last prediction: every metric, bootstrap intervals
of 1,000 resamples, and paired tests of the tuned system against each other one. It has no peer.
The parts are single values without intervals, of which scikit-learn knows the same; both sides
begin with the labels as text, take turns, and must agree. Medians are printed.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn import metrics as peer
from sklearn.preprocessing import MultiLabelBinarizer

from kunren.config.schema import EvaluateConfig
from kunren.evaluation.metric import make_space
from kunren.evaluation.score import KINDS, evaluate
from kunren.evaluation.systems import System, Test
from kunren.tasks import Answers
from kunren.types import Item, Message, Prediction

SYSTEMS = ("tuned", "base", "majority", "constant", "nearest", "tfidf_logreg")

Scored = tuple[list[Item], list[str], dict[str, list[Prediction]]]
Way = Callable[[], dict[str, float]]


def sets(rows: int, labels: int) -> Scored:
    """One to five labels a row, the first ones of the closed set the most frequent."""
    chance = random.Random(0)
    names = [f"ラベル{n}" for n in range(labels)]
    weights = [1 / (n + 1) for n in range(labels)]

    def drawn() -> tuple[str, ...]:
        return tuple(dict.fromkeys(chance.choices(names, weights, k=chance.randint(1, 5))))

    items = [_item(n, drawn()) for n in range(rows)]
    said = {s: [Prediction(i.id, drawn(), generated="") for i in items] for s in SYSTEMS}
    return items, names, said


def one_label(rows: int, labels: int) -> Scored:
    """One label a row, with probabilities of all, right in some half of the rows."""
    chance, generator = random.Random(0), np.random.default_rng(0)
    names = [f"ラベル{n}" for n in range(labels)]
    places = [chance.randrange(labels) for _ in range(rows)]
    items = [_item(n, (names[place],)) for n, place in enumerate(places)]
    said = {}
    for system in SYSTEMS:
        shares = generator.dirichlet(np.full(labels, 0.1), size=rows)
        shares[np.arange(rows), places] += generator.random(rows)
        shares /= shares.sum(axis=1, keepdims=True)
        said[system] = [
            Prediction(str(n), (names[row.argmax()],), float(row.max()), tuple(row.tolist()))
            for n, row in enumerate(shares)
        ]
    return items, names, said


def _item(number: int, labels: tuple[str, ...]) -> Item:
    return Item(str(number), str(number), (Message("user", "文"),), "".join(labels), labels)


def ours(answers: Answers, scored: Scored, names: Sequence[str]) -> Way:
    """Values alone of one system, read from its predictions each time."""
    items, labels, said = scored

    def values() -> dict[str, float]:
        space = make_space(labels, items)
        rows = np.arange(len(items))
        test = Test(items, space, rows, len(items), np.zeros((0, len(items))), 0)
        system = System("tuned", said["tuned"], test)
        metrics = [KINDS[answers].metrics[name] for name in names]
        return {m.name: float(m.value(system.table(m).found.sum(axis=0), space)) for m in metrics}

    return values


def theirs_of_sets(scored: Scored) -> dict[str, Way]:
    items, labels, said = scored

    def read() -> tuple[Any, Any]:
        one_hot = MultiLabelBinarizer(classes=labels, sparse_output=True).fit([])
        gold = one_hot.transform([item.labels for item in items])
        return gold, one_hot.transform([p.labels for p in said["tuned"]])

    return {
        "jaccard": lambda: {"jaccard": peer.jaccard_score(*read(), average="samples")},
        "micro_f1": lambda: {"micro_f1": peer.f1_score(*read(), average="micro")},
        "macro_f1": lambda: {"macro_f1": peer.f1_score(*read(), average="macro")},
    }


def theirs_of_labels(scored: Scored) -> dict[str, Way]:
    items, labels, said = scored
    tuned = said["tuned"]
    order = sorted(labels)

    def read() -> tuple[list[str], list[str]]:
        return [item.labels[0] for item in items], [str(p.label) for p in tuned]

    def top3() -> float:
        columns = [labels.index(label) for label in order]
        shares = np.array([p.probabilities for p in tuned])[:, columns]
        return float(peer.top_k_accuracy_score(read()[0], shares, k=3, labels=order))

    return {
        "accuracy": lambda: {"accuracy": peer.accuracy_score(*read())},
        "macro_f1": lambda: {"macro_f1": peer.f1_score(*read(), average="macro")},
        "balanced_accuracy": lambda: {"balanced_accuracy": peer.balanced_accuracy_score(*read())},
        "mcc": lambda: {"mcc": peer.matthews_corrcoef(*read())},
        "top3_accuracy": lambda: {"top3_accuracy": top3()},
    }


def measure(ways: Mapping[str, Way], rounds: int) -> dict[str, float]:
    """Median processor seconds of each way; they take turns, and the first round warms up."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            if turn:
                spent[name].append(time.process_time() - begun)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def whole(answers: Answers, scored: Scored, rounds: int, resamples: int) -> None:
    items, labels, said = scored
    config = EvaluateConfig(bootstrap=resamples)

    def of(systems: int) -> Way:
        some = {name: said[name] for name in SYSTEMS[:systems]}

        def way() -> dict[str, float]:
            evaluate(items, labels, some, config, answers, most_frequent=labels[:5])
            return {}

        return way

    for name, seconds in measure({"1": of(1), str(len(SYSTEMS)): of(len(SYSTEMS))}, rounds).items():
        print(f"| {answers} | {name} | {seconds:.2f} |")


def parts(answers: Answers, scored: Scored, peers: Mapping[str, Way], rounds: int) -> None:
    for metric, theirs in peers.items():
        mine = ours(answers, scored, [metric])
        if abs(mine()[metric] - theirs()[metric]) > 1e-9:
            raise SystemExit(f"{metric}: {mine()[metric]} is not {theirs()[metric]}")
        seconds = measure({"kunren": mine, "scikit-learn": theirs}, rounds)
        own, other = seconds["kunren"], seconds["scikit-learn"]
        print(f"| {answers} | {metric} | {own:.3f} | {other:.3f} | {other / own:.1f}× |")
    every = [n for n, m in KINDS[answers].metrics.items() if m.missing == "no-predictions"]
    seconds = measure({"all": ours(answers, scored, every)}, rounds)
    print(f"| {answers} | all {len(every)} of labels alone | {seconds['all']:.3f} | | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    kinds: dict[Answers, Scored] = {
        "set": sets(chosen.rows, chosen.labels),
        "label": one_label(chosen.rows, chosen.labels),
    }
    gc.freeze()  # a collection that falls into one side's turn would walk over all these rows
    print(f"\n## Scoring, {chosen.rows:,} rows, {chosen.labels} labels\n")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores\n")
    print(f"| answers | systems | all metrics, {chosen.resamples:,} resamples, tests: CPU s |")
    print("|---|---:|---:|")
    for answers, scored in kinds.items():
        whole(answers, scored, chosen.rounds, chosen.resamples)
    print("\n| answers | value of | kunren, CPU s | scikit-learn, CPU s | faster by |")
    print("|---|---|---:|---:|---:|")
    parts("set", kinds["set"], theirs_of_sets(kinds["set"]), chosen.rounds)
    parts("label", kinds["label"], theirs_of_labels(kinds["label"]), chosen.rounds)


if __name__ == "__main__":
    main()
