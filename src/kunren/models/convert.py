"""A GGUF file made into a folder that transformers loads by itself: safetensors and tokenizer.

transformers reads GGUF, but slowly, and loses what the format does not state in the words of a
config. Here that is mended once, the weights are saved as bfloat16, and a base model gets its chat
template.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.errors import InputError, KunrenWarning, Problem
from kunren.messages import text
from kunren.models.chat_template import ensure_chat_template, stop_at_turns
from kunren.models.gguf_header import Header, read_header
from kunren.models.quiet import quiet_gguf
from kunren.models.tokenizer_files import save_tokenizer
from kunren.progress import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

CONVERTER_VERSION = 1
"""Part of every cache key: raise it when the folder that this module writes changes."""

SOURCE_FILE = "kunren_source.json"
"""What the folder was made from, beside the model."""

_VOCABULARY_OPTIONAL = frozenset({"gemma2", "gemma3", "llama", "phi3", "qwen2", "qwen3"})
"""Architectures whose weights load without the vocabulary in the file; others get it all."""


def convert(
    gguf: Path, folder: Path, scraps: Path, source: Mapping[str, object], progress: Progress
) -> None:
    """Write the model of a GGUF file into a folder.

    Args:
        gguf: the file.
        folder: an empty folder; gets config, generation config, bfloat16 safetensors and the
            tokenizer with its chat template.
        scraps: a folder for what is not needed afterwards; needs as much room as the file.
        source: what to record about where the file is from.
        progress: gets one bar.

    Raises:
        InputError: not a GGUF file, a damaged one, or one that transformers cannot read.
    """
    header = read_header(gguf)
    with progress.stage(text("model.converting"), 3) as task, quiet_gguf():
        try:
            tokenizer = _tokenizer(header)
            task.advance()
            model = _model(header, scraps)
            task.advance()
        except (ValueError, NotImplementedError, KeyError, RuntimeError) as error:
            fields: dict[str, object] = {
                "path": gguf,
                "architecture": header.architecture,
                "reason": error,
            }
            raise InputError(Problem("model.gguf-unsupported", None, fields)) from error
        given = ensure_chat_template(tokenizer)
        _set_special_ids(model, tokenizer)
        model.save_pretrained(folder)
        save_tokenizer(tokenizer, folder)
        task.advance()
    record = {"converter": CONVERTER_VERSION, "architecture": header.architecture}
    finish(folder, {**source, **record, "chat_template": given or "own"})


def finish(folder: Path, record: Mapping[str, object]) -> None:
    """Note what a model's folder was made from, and let who may read the note read the weights."""
    note = folder / SOURCE_FILE
    note.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    # safetensors keeps its files to their owner; the folder's other files follow the umask.
    for weights in folder.glob("*.safetensors"):
        weights.chmod(note.stat().st_mode)


def _tokenizer(header: Header) -> PreTrainedTokenizerBase:
    from tokenizers import pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(
        header.path.parent, gguf_file=header.path.name
    )
    # A causal model reads a padded batch only if the padding stands in front.
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if header.metadata.get("tokenizer.ggml.pre") == "smollm":
        # llama.cpp/src/llama-vocab.cpp: every digit is its own piece. transformers leaves it out,
        # and would join the spaces before a number in another way than the model has learnt.
        backend: Any = tokenizer
        cut = backend.backend_tokenizer.pre_tokenizer
        backend.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), cut]
        )
    return tokenizer


def _model(header: Header, scraps: Path) -> PreTrainedModel:
    import torch
    from transformers import AutoModelForCausalLM

    auto: Any = AutoModelForCausalLM
    path = header.path
    if header.architecture in _VOCABULARY_OPTIONAL:
        path = scraps / "weights.gguf"
        header.without_vocabulary(path)
    loaded, report = auto.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.bfloat16, output_loading_info=True
    )
    lost = sorted({*report["missing_keys"], *report["mismatched_keys"]})
    if lost:
        raise ValueError(f"missing weights: {', '.join(map(str, lost[:5]))}")
    config = loaded.config
    # A model read from GGUF counts as quantised, and as such cannot be saved.
    del config.quantization_config
    config._name_or_path = ""
    if hasattr(config, "_model_name_or_path"):
        del config._model_name_or_path
    _mend(config, header)
    with torch.device("meta"):
        plain: PreTrainedModel = auto.from_config(config, dtype=torch.bfloat16)
    plain.load_state_dict(loaded.state_dict(), assign=True)
    plain.tie_weights()
    if path != header.path:
        path.unlink()
    return plain


def _mend(config: PreTrainedConfig, header: Header) -> None:
    """Put back what transformers does not take over from the file."""
    import numpy as np

    # Stored in single precision, 1e-06 comes back as 9.999999974752427e-07.
    config.rms_norm_eps = float(str(np.float32(config.rms_norm_eps)))
    metadata, kind = header.metadata, header.architecture
    scaling = metadata.get(f"{kind}.rope.scaling.type", "none")
    scaled = scaling != "none" or "rope_freqs.weight" in header.tensors
    if kind == "gemma3":
        # llama.cpp/src/models/gemma3*.cpp: the 27B model alone (62 layers) scales queries by the
        # width a head would have without head_dim.
        if config.num_hidden_layers == 62:
            config.query_pre_attn_scalar = config.hidden_size // config.num_attention_heads
        else:
            config.query_pre_attn_scalar = config.head_dim
        if scaling == "linear":
            factor = metadata[f"{kind}.rope.scaling.factor"]
            config.rope_parameters["full_attention"] |= {"rope_type": "linear", "factor": factor}
            scaled = False
    if scaled:
        warnings.warn(text("model.rope-lost", path=header.path), KunrenWarning, stacklevel=2)


def _set_special_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    stop_at_turns(model, tokenizer)
    # Else transformers would take it for a copy of config.json, and make it anew from there.
    model.generation_config._from_model_config = False
    for config in (model.config, model.generation_config):
        config.bos_token_id = tokenizer.bos_token_id
        config.pad_token_id = tokenizer.pad_token_id
        config.eos_token_id = model.generation_config.eos_token_id
