"""``kunren run --fix`` on the shipped emoji sets with the faults of seed 001. Asserts nothing.

✨ is put into every other row, so that it dominates; training is in fp16, with new tokens where the
family takes them; the warm-up is longer than the training. Minutes on a real model.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

MODELS = {
    "encoder": 'model: {id: "package:multilingual-e5-small"}\ntuning: {kind: lora, r: 16}',
    "seq2seq": 'model: {id: "scratch:t5-small", add_tokens: labels}',
    "causal": 'model: {id: "package:gemma-3-270m"}\ntuning: {kind: full}',
}

CONFIG = """\
# The first settings of seed 001
name: seed001
task: {{kind: tag, labels: {{kind: emoji, top: 50, merge_skin_tones: true}}}}
data:
  train: rows.jsonl
  fields: {{text: text, label: emojis}}
  split: {{train: 0.65, validation: 0.1, test: 0.25, seed: 42}}
{model}
train: {{epochs: 10, learning_rate: 1e-3, warmup: 500, batch_size: 16, precision: fp16}}
"""


def plant(folder: Path, family: str) -> Path:
    """Write the faulty config and its rows; returns the config."""
    shipped = (ROOT / "examples/data/emoji_sets.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, str]] = [json.loads(line) for line in shipped]
    for row in rows[::2]:
        row["emojis"] += "✨"
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    config = folder / "seed001.yaml"
    config.write_text(CONFIG.format(model=MODELS[family]), encoding="utf-8")
    return config


def tell(run: Path, seconds: float) -> None:
    """Print the record's section on the repair, and how the model stands to what is trivial."""
    record = (run / "summary.md").read_text(encoding="utf-8")
    begin = record.index("## 修復の経過")
    print(record[begin : record.index("\n## ", begin + 1)])
    metrics: dict[str, Any] = json.loads((run / "eval_metrics.json").read_text(encoding="utf-8"))
    print("| system | Jaccard | 95 % interval |\n|---|---:|---|")
    for name, scores in metrics["systems"].items():
        low, high = scores["jaccard"]["ci95"]
        print(f"| {name} | {scores['jaccard']['value']:.3f} | {low:.3f} to {high:.3f} |")
    for pair in metrics["paired"]:
        if pair["a"] == "tuned" and pair["metric"] == "jaccard":
            print(f"\ntuned against {pair['b']}: {pair['difference']:+.3f}, p = {pair['p']:.3f}, "
                  f"{pair['verdict']}", end="")  # fmt: skip
    print(f"\n\n{seconds:.0f} s")


def main() -> None:
    """Plant, repair, tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--family", choices=MODELS, default="encoder")
    family = parser.parse_args().family
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        command = [sys.executable, "-m", "kunren", "run", str(plant(folder, family)), "--fix"]
        begun = time.monotonic()
        done = subprocess.run(
            [*command, "--output", str(folder / "runs"), "--format", "json"],
            stdout=subprocess.PIPE,
            check=True,
        )
        tell(Path(json.loads(done.stdout)["run"]), time.monotonic() - begun)


if __name__ == "__main__":
    main()
