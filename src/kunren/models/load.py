"""A model and its tokenizer in memory, on the best device, in the best precision it really has."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from kunren.config.schema import ModelConfig
from kunren.errors import InputError, KunrenWarning, Problem
from kunren.messages import text
from kunren.models.chat_template import ensure_chat_template, stop_at_turns
from kunren.models.convert import SOURCE_FILE
from kunren.models.quiet import quiet
from kunren.models.sources import kind_of, locate
from kunren.progress import Progress, Silent

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Precision = Literal["auto", "fp32", "bf16"]

_BF16_IN_HARDWARE = ("avx512_bf16", "amx_bf16")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready for use.

    Attributes:
        model: a PreTrainedModel or PeftModel, in eval mode, on ``device``.
        tokenizer: with a chat template.
        device: where the model is.
        dtype: of its weights.
        id: the model's id as the user wrote it.
        provenance: where it came from, for the run's manifest; plain JSON values.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    dtype: torch.dtype
    id: str
    provenance: dict[str, object] = field(repr=False)


def choose_device() -> torch.device:
    """CUDA if there is one, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware.

    Emulated bfloat16 rounds like the real one but is slower than float32, so it is never chosen.
    On MPS it cannot be told: the first generation emulates.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        has = torch.cpu.get_capabilities()
        return any(has.get(name, False) for name in _BF16_IN_HARDWARE)
    return False


def choose_dtype(device: torch.device, precision: Precision) -> torch.dtype:
    """The dtype of the weights. auto: bfloat16 where the device has it in hardware, else float32.

    Warns where bf16 is asked for and would be emulated.
    """
    if precision == "fp32":
        return torch.float32
    if has_bf16(device):
        return torch.bfloat16
    if precision == "auto":
        return torch.float32
    warnings.warn(text("model.bf16-emulated", device=device.type), KunrenWarning, stacklevel=2)
    return torch.bfloat16


def load(
    config: ModelConfig, precision: Precision = "auto", progress: Progress | None = None
) -> Loaded:
    """Load the model that a config names, fetching it first where that is needed.

    Raises:
        InputError: the model cannot be found or used, or its files do not fit each other.
    """
    shown = progress or Silent()
    folder = locate(config, shown)
    with shown.stage(text("model.loading"), 2) as task:
        tokenizer = load_tokenizer(folder, config)
        given = ensure_chat_template(tokenizer)
        task.advance()
        device = choose_device()
        dtype = choose_dtype(device, precision)
        model = load_weights(folder, config, dtype)
        check_vocabulary(model, tokenizer, folder)
        stop_at_turns(model, tokenizer)
        model.to(device)
        task.advance()
    provenance: dict[str, object] = {
        "chat_template": given or "own",
        **_origin(config, folder),
        "architecture": type(model).__name__,
        "parameters": model.num_parameters(),
        "dtype": str(dtype).removeprefix("torch."),
        "device": str(device),
    }
    return Loaded(model, tokenizer, device, dtype, config.id, provenance)


def load_tokenizer(folder: Path, config: ModelConfig) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder.

    Raises:
        InputError: it cannot be read.
    """
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=config.trust_remote_code
            )
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise _unusable("model.tokenizer-unusable", folder, error) from error
    return tokenizer


def load_weights(folder: Path, config: ModelConfig, dtype: torch.dtype) -> Any:
    """The model in a folder, in eval mode, with every weight read from its files.

    Raises:
        InputError: a weight is missing or has another shape than the config says, or transformers
            does not know the architecture.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    auto: Any = AutoModelForCausalLM
    try:
        with quiet():
            # Weights of another shape are reported, not raised at the first, so all can be named.
            model, report = auto.from_pretrained(
                folder,
                dtype=dtype,
                attn_implementation="sdpa",
                use_safetensors=True,
                trust_remote_code=config.trust_remote_code,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        raise _unusable("model.unusable", folder, error) from error
    problems = _weight_problems(report, model, folder)
    if problems:
        raise InputError(problems)
    return model.eval()


def check_vocabulary(model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Make sure that every token that will be used has an embedding.

    Some published models name tokens that they have no embedding for and never use (Gemma 3's
    image token); those pass.

    Raises:
        InputError: a special token, or one in the chat template, has no embedding: the tokenizer
            was given tokens, but the weights were not.
    """
    rows = model.get_input_embeddings().num_embeddings
    beyond = {token: number for token, number in tokenizer.get_vocab().items() if number >= rows}
    template = str(tokenizer.chat_template)
    used = [t for t in beyond if t in tokenizer.all_special_tokens or t in template]
    if used:
        fields: dict[str, object] = {
            "path": folder,
            "tokens": max(beyond.values()) + 1,
            "rows": rows,
            "names": " ".join(sorted(used)[:5]),
        }
        raise InputError(Problem("model.vocabulary-mismatch", None, fields))


def _weight_problems(report: Mapping[str, Any], model: Any, folder: Path) -> list[Problem]:
    problems = []
    embeddings = {id(model.get_input_embeddings().weight)}
    if (output := model.get_output_embeddings()) is not None:
        embeddings.add(id(output.weight))
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name, in_file, in_config in sorted(report["mismatched_keys"]):
        fields: dict[str, object] = {"path": folder, "name": name}
        if id(parameters.get(name)) in embeddings:
            fields |= {"in_file": in_file[0], "in_config": in_config[0]}
            problems.append(Problem("model.embedding-size", None, fields))
        else:
            fields |= {"in_file": list(in_file), "in_config": list(in_config)}
            problems.append(Problem("model.weight-size", None, fields))
    if missing := sorted(report["missing_keys"]):
        some = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        fields = {"path": folder, "count": len(missing), "names": some}
        problems.append(Problem("model.weights-missing", None, fields))
    return problems


def _unusable(code: str, folder: Path, error: Exception) -> InputError:
    said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return InputError(Problem(code, None, {"path": folder, "reason": said}))


def _origin(config: ModelConfig, folder: Path) -> dict[str, object]:
    kind = kind_of(config.id)
    origin: dict[str, object] = {"id": config.id, "kind": kind}
    if kind == "hub":
        # The hub's cache names each snapshot by its commit.
        return origin | {"revision": config.revision or "main", "commit": folder.name}
    if kind == "folder":
        return origin | {"weights_sha256": _weights_hash(folder)}
    recorded: dict[str, object] = json.loads((folder / SOURCE_FILE).read_text(encoding="utf-8"))
    return origin | {k: v for k, v in recorded.items() if k not in ("source", "architecture")}


def _weights_hash(folder: Path) -> str:
    """SHA-256 over the weight files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
