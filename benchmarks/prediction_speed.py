"""Closed-set prediction against ``model.generate``, batched and one by one, as rows a second.

The rows are the demo's tweets. The three ways take turns, several rounds; medians are printed. The
answer of ``generate`` is one label and the end of the turn, so it may stop after two tokens: that
is its best case.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path

import torch

from kunren.config.schema import ModelConfig
from kunren.models.causal import Causal
from kunren.models.load import load
from kunren.progress import Silent
from kunren.types import Item, Message

DATA = Path(__file__).parent.parent / "examples" / "data" / "emotion_tweets.jsonl"


def _items(count: int) -> tuple[list[Item], list[str]]:
    items = []
    for number, line in enumerate(DATA.read_text(encoding="utf-8").splitlines()):
        turns = [Message(**turn) for turn in json.loads(line)["messages"]]
        items.append(Item(str(number), str(number), tuple(turns[:-1]), turns[-1].content))
    return items[:count], sorted({item.answer for item in items})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=16)
    chosen = parser.parse_args()
    family = Causal(load(ModelConfig(id="package:gemma-3-270m"), "auto", Silent()))
    items, labels = _items(chosen.rows)
    few = items[: max(1, chosen.rows // 4)]  # one by one is slow, and its rate needs no more rows

    def closed() -> int:
        with Silent().stage("", None) as task:
            family.score(items, labels, chosen.batch_size, task)
        return len(items)

    def batched() -> int:
        with Silent().stage("", None) as task, torch.inference_mode():
            family.generate(items, 2, chosen.batch_size, task)
        return len(items)

    def one_by_one() -> int:
        with Silent().stage("", None) as task, torch.inference_mode():
            family.generate(few, 2, 1, task)
        return len(few)

    ways = {"closed set": closed, "generate, batched": batched, "generate, one by one": one_by_one}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(chosen.rounds + 1):
        for name, way in ways.items():
            begun = time.perf_counter()
            rows = way()
            if turn:  # the first round warms up
                rates[name].append(rows / (time.perf_counter() - begun))
    medians = {name: statistics.median(measured) for name, measured in rates.items()}
    print(f"\n## Prediction, {chosen.rows} rows, {len(labels)} labels, batch {chosen.batch_size}\n")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"{torch.get_num_threads()} threads, {family.loaded.dtype}\n")
    print("| way | rows/s (median) | closed set is faster by |\n|---|---|---|")
    for name, rate in medians.items():
        print(f"| {name} | {rate:.1f} | {medians['closed set'] / rate:.1f}× |")


if __name__ == "__main__":
    main()
