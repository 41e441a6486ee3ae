"""Rows a second of training: kunren against TRL's SFTTrainer, like for like, in one run.

The same model, the same rows as the same tokens, the same batches' size, the same trainable
weights, loss on the answer only on both sides. The peers take turns, so that a busy machine slows
both; each figure is the median of all steps of all turns.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
from transformers import TrainerCallback

from kunren.config.schema import ModelConfig, TrainConfig, TuningConfig
from kunren.models import sources
from kunren.models.adapter import prepare
from kunren.models.causal import Causal
from kunren.models.load import load as load_model
from kunren.models.load import load_weights
from kunren.progress import Silent
from kunren.training.fit import fit
from kunren.types import Example, Message, Row, Where

BATCH = 8
ROWS = 200
DATA = Path(__file__).parents[1] / "examples" / "data" / "emotion_tweets.jsonl"
MODEL = ModelConfig(id="package:gemma-3-270m", family="causal")


@dataclass(frozen=True)
class Setting:
    """One line of the table."""

    rows: str
    tuning: str


def rows(shared: bool) -> list[Row]:
    """The tweets, with their system prompt or without it."""
    made = []
    for number, line in enumerate(DATA.read_text(encoding="utf-8").splitlines()[:ROWS], 1):
        messages = [Message(**m) for m in json.loads(line)["messages"]]
        kept = [m for m in messages if shared or m.role != "system"]
        made.append(Row(str(number), tuple(kept), Where(str(DATA), number)))
    return made


def load(folder: Path, tuning: TuningConfig, dtype: torch.dtype) -> Any:
    torch.manual_seed(0)
    return prepare(load_weights(folder, MODEL, dtype), tuning, "causal")


def ours(model: Any, examples: Sequence[Example], tuning: str, shared: bool, steps: int) -> Any:
    """Rows/s of each step but the first."""
    config = TrainConfig(
        epochs=1,
        batch_size=BATCH,
        prefix_sharing=shared,
        early_stopping=None,
        learning_rate=1e-5,
        metric="loss",
    )
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(
            model,
            "causal",
            0,
            examples[: steps * BATCH],
            examples[:BATCH],
            config,
            TuningConfig(kind=tuning),  # type: ignore[arg-type]
            Path(folder),
            resume=False,
            progress=Silent(),
        )
    return [row["rows_per_second"] for row in fitted.history][1:]


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())


def trl(model: Any, examples: Sequence[Example], autocast: bool, tokenizer: Any, steps: int) -> Any:
    """Rows/s of each step but the first."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined,unused-ignore]

    data = Dataset.from_list(
        [
            {"input_ids": list(e.input_ids), "completion_mask": [int(t) for t in e.trained]}
            for e in examples[: steps * BATCH]
        ]
    )
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        args = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            num_train_epochs=1,
            learning_rate=1e-5,
            bf16=autocast,
            use_cpu=not torch.cuda.is_available(),
            gradient_checkpointing=False,  # on by default there; off is faster
            completion_only_loss=True,
            max_length=1024,
            logging_steps=1,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        trainer = SFTTrainer(
            model, args, train_dataset=data, processing_class=tokenizer, callbacks=[clock]
        )
        trainer.train()
    return [BATCH / (b - a) for a, b in zip(clock.ends, clock.ends[1:], strict=False)]


def measure(rounds: int, steps: int, peer_steps: int) -> list[dict[str, Any]]:
    folder = sources.locate(MODEL)
    family = Causal(load_model(MODEL, folder=folder))
    tokenizer = family.tokenizer
    read = {shared: family.encode(rows(shared), []) for shared in (True, False)}
    examples = {s: [e for e in read[s] if isinstance(e, Example)] for s in read}
    del family
    gc.collect()
    table = []
    tunings: tuple[Literal["full", "lora"], ...] = ("full", "lora")
    for shared in (True, False):
        for tuning in tunings:
            speeds: dict[str, list[float]] = {"kunren": [], "trl bf16": [], "trl autocast": []}
            for _ in range(rounds):
                for name, seen in speeds.items():
                    autocast = name == "trl autocast"
                    dtype = torch.float32 if autocast else torch.bfloat16
                    model = load(folder, TuningConfig(kind=tuning), dtype)
                    if name == "kunren":
                        seen += ours(model, examples[shared], tuning, shared, steps)
                    else:
                        seen += trl(model, examples[shared], autocast, tokenizer, peer_steps)
                    del model
                    gc.collect()
            setting = Setting("shared system prompt" if shared else "nothing shared", tuning)
            medians = {name: median(seen) for name, seen in speeds.items()}
            table.append(asdict(setting) | medians)
            print(line(table[-1]), flush=True)
    return table


def line(result: dict[str, Any]) -> str:
    own = result["kunren"]
    peers = "".join(
        f" {result[peer]:.2f} | {own / result[peer]:.1f}× |"
        for peer in ("trl bf16", "trl autocast")
    )
    return f"| {result['rows']} | {result['tuning']} | {own:.1f} |{peers}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer steps, one round")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    began = time.perf_counter()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads")
    print("| rows | tuning | kunren, rows/s | TRL bf16 weights | ratio | TRL autocast | ratio |")
    print("|---|---|---:|---:|---:|---:|---:|")
    rounds, steps, peer_steps = (1, 6, 3) if options.quick else (2, 12, 4)
    table = measure(rounds, steps, peer_steps)
    print(f"{time.perf_counter() - began:.0f} s in all")
    if options.json:
        options.json.write_text(json.dumps(table, ensure_ascii=False, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
