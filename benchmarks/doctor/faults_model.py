"""Faults of config, tokenizer and model: all can be known before training but one."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.doctor.build import experiment
from benchmarks.doctor.case import Experiment, Fault
from benchmarks.doctor.models import copy
from benchmarks.doctor.rows import even, with_emoji

_EMOJI = {"labels": {"kind": "emoji"}}


def _changed(method: str, change: Any) -> AbstractContextManager[object]:
    """A method of the package replaced by one that is given the original first."""
    target = f"kunren.{method}"
    place, _, name = target.rpartition(".")
    import pkgutil

    original = getattr(pkgutil.resolve_name(place), name)
    return patch(target, lambda *given, **named: change(original, *given, **named))


def _counting_padding(original: Any, self: Any, rows: Any) -> Any:
    batch = original(self, rows)
    batch["labels"][batch["labels"] == -100] = self._pad
    return batch


def padding_counted(folder: Path) -> Experiment:
    """As seed 000's first training: labels that are filled up with <pad>, and all counted."""
    rows = [row | {"label": row["label"] * (1 + n % 3)} for n, row in enumerate(even(300))]
    made = experiment(folder, rows, "t5", task={"kind": "answer"})
    bug = partial(_changed, "training.collate.PairCollator.__call__", _counting_padding)
    return replace(made, bug=bug)


def _masking_all(original: Any, self: Any, *given: Any, **named: Any) -> Any:
    made = original(self, *given, **named)
    return [
        replace(one, trained=(False,) * len(one.trained)) if n % 5 == 0 else one
        for n, one in enumerate(made)
    ]


def nothing_counted(folder: Path) -> Experiment:
    made = experiment(folder, with_emoji(even(300)), "gemma", task=_EMOJI)
    return replace(made, bug=partial(_changed, "models.causal.Causal.encode", _masking_all))


def _without_end(original: Any, self: Any, *given: Any, **named: Any) -> Any:
    made = original(self, *given, **named)
    ends = set(self.end_tokens)
    return [
        replace(
            one,
            trained=tuple(
                yes and token not in ends
                for token, yes in zip(one.input_ids, one.trained, strict=True)
            ),
        )
        for one in made
    ]


def endless(folder: Path) -> Experiment:
    made = experiment(folder, with_emoji(even(300)), "gemma", task=_EMOJI)
    return replace(made, bug=partial(_changed, "models.causal.Causal.encode", _without_end))


def _without_rows(original: Any, loaded: Any, folder: Path, *given: Any) -> None:
    original(loaded, folder, *given)
    path = folder / "adapter_config.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(said | {"trainable_token_indices": None}), encoding="utf-8")


def unsaved(folder: Path) -> Experiment:
    labels = {"model": {"add_tokens": "labels"}}
    made = experiment(
        folder, with_emoji(even(300), {"料理": "🍳", "天気": "☔", "運動": "🏃", "乗り物": "🚃"}),
        "gemma", task=_EMOJI | labels, tuning={"kind": "lora"},
    )  # fmt: skip
    return replace(made, bug=partial(_changed, "models.adapter.save", _without_rows))


def half_precision(folder: Path) -> Experiment:
    task = _EMOJI | {"model": {"add_tokens": "labels"}}
    return experiment(
        folder, with_emoji(even(300)), "gemma", task=task, train={"precision": "fp16"}
    )


def larger_vocabulary(folder: Path) -> Experiment:
    """As a tokenizer that tokens were added to, beside a model that does not know of them."""
    from transformers import AutoTokenizer

    broken = copy("llama")
    tokenizer: Any = AutoTokenizer.from_pretrained(broken)
    tokenizer.add_tokens(["🍳", "☔", "🏃", "🚃"])
    tokenizer.save_pretrained(broken)
    rows = with_emoji(even(300))
    return experiment(folder, rows, broken, task=_EMOJI, family="causal")


def special_labels(folder: Path) -> Experiment:
    names = {"料理": "<bos>", "天気": "てんき", "運動": "うんどう", "乗り物": "のりもの"}
    rows = [row | {"label": names[row["label"]]} for row in even(300)]
    return experiment(folder, rows, "t5")


def pad_and_end(folder: Path) -> Experiment:
    """Of a model that writes on; for a T5, kunren fills up with another special token by itself."""
    from transformers import AutoTokenizer

    broken = copy("llama")
    tokenizer: Any = AutoTokenizer.from_pretrained(broken)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(broken)
    return experiment(folder, with_emoji(even(300)), broken, task=_EMOJI, family="causal")


def focal_and_smoothing(folder: Path) -> Experiment:
    loss = {"focal_gamma": 2.0, "label_smoothing": 0.1}
    return experiment(folder, even(300), train={"loss": loss})


def far_too_fast(folder: Path) -> Experiment:
    return experiment(folder, even(400), train={"learning_rate": 0.5})


def cut_short(folder: Path) -> Experiment:
    return experiment(folder, even(400), train={"max_length": 24})


CASES: tuple[Fault, ...] = (
    Fault("padding in the loss", "the collator counts `<pad>` (seed 000)",
          ("padding-in-loss",), "before", padding_counted),
    Fault("empty loss mask", "every fifth row has no counted token",
          ("empty-loss-mask",), "before", nothing_counted),
    Fault("end of turn untrained", "the loss leaves the end of the answer out",
          ("end-of-turn-untrained",), "before", endless),
    Fault("embeddings not saved", "the adapter is saved without its added tokens",
          ("unsaved-tokens", "vocabulary.reload-differs"), "during", unsaved),
    Fault("fp16 with new tokens", "labels are added as tokens, in fp16 (seed 000)",
          ("fp16-new-tokens",), "before", half_precision),
    Fault("vocabulary mismatch", "four tokens more than the model has embeddings (seed 003)",
          ("vocabulary-mismatch",), "before", larger_vocabulary),
    Fault("label is a special token", "a label named `<bos>`", ("label-roundtrip",), "before",
          special_labels),
    Fault("pad is end of text", "tokenizer.pad_token = tokenizer.eos_token",
          ("pad-is-eos",), "before", pad_and_end),
    Fault("focal with smoothing", "both in one loss", ("focal-with-smoothing",), "before",
          focal_and_smoothing),
    Fault("learning rate too high", "0.5, 500 times the usual one", ("learning-rate",), "before",
          far_too_fast),
    Fault("truncation", "max_length 24, shorter than the rows", ("truncation",), "before",
          cut_short),
)  # fmt: skip
