"""Fixtures that all tests share, and the wall around them: no hub, no network, no user's cache."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Before anything imports huggingface_hub, which reads it once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# The tests run side by side; tiny models gain nothing from threads that wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

MakeModel = Callable[[Path], Path]

_SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
_SINGLE_TOKENS = (
    "▁\n"
    + "".join(map(chr, range(0x21, 0x7F)))  # ASCII
    + "".join(map(chr, range(0x3041, 0x3097)))  # hiragana
    + "".join(map(chr, range(0x30A1, 0x30FD)))  # katakana
    + "、。！？「」日本語今天気"
    + "😀😢😡🎉"  # every other character, most emoji among them, is a sequence of byte tokens
)


def make_tokenizer() -> Any:
    """A tokenizer built as Gemma's is: BPE with byte fallback, spaces as ▁, Gemma's turns."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    make: Any = PreTrainedTokenizerFast
    tokens = [*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *_SINGLE_TOKENS, "日本"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    backend = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=[("日", "本")],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    backend.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", vocabulary["<bos>"])]
    )
    backend.add_special_tokens(list(_SPECIAL))
    return make(
        tokenizer_object=backend,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
        padding_side="left",
    )


def make_tiny_gemma(folder: Path) -> Path:
    """Save a random Gemma 3 of two layers (one sliding, one full) with its tokenizer.

    It has no chat template, as a base model has none. The same weights every time.
    """
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    tokenizer = make_tokenizer()
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        query_pre_attn_scalar=16,
        max_position_embeddings=512,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention"],
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    model = Gemma3ForCausalLM(config)
    torch.random.set_rng_state(state)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_gemma() -> MakeModel:
    """A function that saves a tiny Gemma 3 into a folder and returns the folder."""
    return make_tiny_gemma


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Gemma 3, made once: read it, do not write to it."""
    return make_tiny_gemma(tmp_path_factory.mktemp("tiny-gemma"))


@pytest.fixture(autouse=True)
def _modules_are_no_garbage() -> None:
    """Let the collector pass over what the imports made, once a worker has all that trains.

    Each training ends with a collection (accelerate's ``free_memory``), and would look through a
    million objects of torch and transformers, which stay till the end.
    """
    if not gc.get_freeze_count() and "transformers.trainer" in sys.modules:
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """The width of the terminal that the tests are run in is no part of them."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def kunren_home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path | None:
    """An empty cache for every test, but the user's own for a test marked ``real_model``.

    Such a test is skipped where the model has not been fetched; in CI that is a failure.
    """
    from kunren.models.packages import PACKAGES

    if "real_model" in request.keywords:
        if PACKAGES["gemma-3-270m"].cached is None:
            said = "the real model is not in the cache: kunren models get gemma-3-270m"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(said)
        return None
    home = tmp_path_factory.mktemp("home")
    request.getfixturevalue("monkeypatch").setenv("KUNREN_HOME", str(home))
    return home
