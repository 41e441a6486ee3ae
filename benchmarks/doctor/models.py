"""Tiny models with random weights, made once for all runs of the benchmark."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from benchmarks.doctor.rows import words
from tests.tiny_models import save_tiny
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoTokenizer,
    T5ForConditionalGeneration,
)

from kunren.models.cache import home
from kunren.models.convert import SOURCE_FILE
from kunren.models.quiet import quiet

_LOADERS: dict[str, Any] = {
    "gemma": AutoModelForCausalLM,
    "llama": AutoModelForCausalLM,
    "t5": T5ForConditionalGeneration,
    "bert": AutoModelForMaskedLM,
    "wide": AutoModelForMaskedLM,
}


@cache
def model(kind: str) -> Path:
    """A folder with a model of a kind (of ``tests.tiny_models``) that knows the topics' words."""
    home().mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix=f"tiny-{kind}-", dir=home()))
    torch.manual_seed(0)  # of the rows for the new words, whatever ran before
    with quiet():
        save_tiny(kind, folder)
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        tokenizer.add_tokens(words())
        loaded = _LOADERS[kind].from_pretrained(folder)
        loaded.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        loaded.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    # Its weights are random: rules and default learning rates ask.
    note = {"original": f"tiny {kind}", "pretrained": False}
    (folder / SOURCE_FILE).write_text(json.dumps(note), encoding="utf-8")
    return folder


def copy(kind: str) -> Path:
    """A copy of such a model, to be changed."""
    folder = Path(mkdtemp(prefix=f"changed-{kind}-", dir=home()))
    shutil.copytree(model(kind), folder, dirs_exist_ok=True)
    return folder
