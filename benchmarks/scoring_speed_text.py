"""How long scoring 20,000 free-text answers takes, beside sacreBLEU and rouge-score alone.

    python benchmarks/scoring_speed_text.py [--rows 20000] [--resamples 1000]

kunren gives every metric of free text but BERTScore with bootstrap intervals; the peers give the
plain values of BLEU, chrF and ROUGE-1/2/L of the same answers, with the same words. Both start with
empty caches, in a process of their own, on one thread. Seconds are of processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

DATA = Path(__file__).parent.parent / "examples" / "data" / "company_qa.jsonl"
LENGTH = 60
"""Characters of an answer, about."""


def answers(rows: int, seed: int) -> list[str]:
    """Answers of about ``LENGTH`` characters, nearly all different: clauses of the example data."""
    chance = random.Random(seed)
    lines = DATA.read_text(encoding="utf-8").splitlines()
    clauses = [
        part + "、"
        for line in lines
        for part in json.loads(line)["answer"].rstrip("。").split("、")
    ]
    made = []
    for n in range(rows):
        said = ""
        while len(said) < LENGTH - 10:
            said += chance.choice(clauses)
        made.append(said[:-1] + f"({n}番)。")
    return made


def kunren(gold: list[str], said: list[str], resamples: int) -> dict[str, float]:
    from kunren.config.schema import EvaluateConfig
    from kunren.evaluation.score import evaluate
    from kunren.types import Item, Message, Prediction

    items = [Item(str(n), str(n), (Message("user", "?"),), g) for n, g in enumerate(gold)]
    predictions = [Prediction(str(n), None, generated=s) for n, s in enumerate(said)]
    config = EvaluateConfig(bootstrap=resamples)
    found = evaluate(items, (), {"tuned": predictions}, config, "text")
    return {name: score["value"] for name, score in found["systems"]["tuned"].items()}


def peers(gold: list[str], said: list[str], _: int) -> dict[str, float]:
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    from kunren.evaluation.words import surfaces

    class Words:
        tokenize = staticmethod(surfaces)

    names = {"rouge1": "rouge1", "rouge2": "rouge2", "rougeL": "rouge_l"}
    scorer = RougeScorer(list(names), tokenizer=Words())
    sums: dict[str, float] = dict.fromkeys((*names.values(), "chrf"), 0.0)
    sentence: Any = CHRF()
    for g, s in zip(gold, said, strict=True):
        for name, score in scorer.score(g, s).items():
            sums[names[name]] += score.fmeasure / len(gold)
        sums["chrf"] += sentence.sentence_score(s, [g]).score / len(gold)
    return sums | {"bleu": BLEU(tokenize="ja-mecab").corpus_score(said, [gold]).score}


WAYS: dict[str, Callable[[list[str], list[str], int], dict[str, float]]] = {
    "kunren": kunren,
    "peers": peers,
}


def measured(way: str, rows: int, resamples: int) -> tuple[float, dict[str, float]]:
    gold, said = answers(rows, 1), answers(rows, 2)
    start = time.process_time()
    values = WAYS[way](gold, said, resamples)
    return time.process_time() - start, values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--resamples", type=int, default=1_000)
    parser.add_argument("--way", choices=WAYS, help="only this one, as JSON")
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(measured(asked.way, asked.rows, asked.resamples)))
        return
    size = ["--rows", str(asked.rows), "--resamples", str(asked.resamples)]
    found = {}
    for way in WAYS:
        command = [sys.executable, __file__, "--way", way, *size]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found[way] = json.loads(said.splitlines()[-1])
    (ours, values), (theirs, expected) = found["kunren"], found["peers"]
    for name, value in expected.items():
        assert abs(values[name] - value) < 1e-6, (name, values[name], value)
    print(f"rows {asked.rows}, resamples {asked.resamples}, one thread")
    print(f"kunren, {len(values)} metrics with intervals: {ours:.1f} s")
    print(f"sacreBLEU + rouge-score, {len(expected)} values: {theirs:.1f} s")
    print(f"ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
