"""A model and its tokenizer in memory, on the best device, in the best precision it really has."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from kunren.config.schema import ModelConfig
from kunren.errors import InputError, KunrenWarning, Problem
from kunren.messages import text
from kunren.models import family_class
from kunren.models.chat_template import ensure_chat_template, stop_at_turns
from kunren.models.folder import fitting_family, infer_family, load_tokenizer, made_here, unusable
from kunren.models.generation_config import neutralise
from kunren.models.head import describe, in_head, renew_output
from kunren.models.identity import weights_hash
from kunren.models.padding import set_padding, set_start
from kunren.models.quiet import quiet
from kunren.models.sources import kind_of, locate
from kunren.models.vocabulary import needed_beyond
from kunren.progress import Progress, Silent

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Precision = Literal["auto", "fp32", "bf16", "fp16"]

_BF16_IN_HARDWARE = ("avx512_bf16", "amx_bf16")
_NEW_WEIGHTS_SEED = 0


@dataclass(frozen=True, slots=True)
class Head:
    """A classification head to put on a model.

    Attributes:
        labels: in the order of its outputs.
        multi_label: each label stands for itself (sigmoid); else exactly one holds (softmax).
    """

    labels: tuple[str, ...]
    multi_label: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready for use.

    Attributes:
        model: a PreTrainedModel or PeftModel, in eval mode, on ``device``.
        tokenizer: with a chat template, if the model is a causal one.
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
        return any(has.get(name, False) for name in _BF16_IN_HARDWARE) and onednn_has_bf16()
    return False


def onednn_has_bf16() -> bool:
    """Whether oneDNN computes with bfloat16 here: a user may keep it from what a processor has."""
    there = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(there and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def choose_dtype(device: torch.device, precision: Precision) -> torch.dtype:
    """The dtype of the weights. auto: bfloat16 where the device has it in hardware, else float32.

    fp16 means float32 weights: training computes in float16 beside them (autocast) and scales the
    loss, and predictions stay in float32 altogether. Above 65,504 float16 is infinite, which the
    activations of models trained in bfloat16 (T5, Gemma) exceed.

    Warns where bf16 is asked for and would be emulated.
    """
    if precision in ("fp32", "fp16"):
        return torch.float32
    if has_bf16(device):
        return torch.bfloat16
    if precision == "auto":
        return torch.float32
    warnings.warn(text("model.bf16-emulated", device=device.type), KunrenWarning, stacklevel=2)
    return torch.bfloat16


def load(
    config: ModelConfig,
    precision: Precision = "auto",
    progress: Progress | None = None,
    *,
    folder: Path | None = None,
    head: Head | None = None,
) -> Loaded:
    """Load the model that a config names, fetching it first where that is needed.

    Args:
        config: which model; without a family, the one that its architecture says.
        precision: see ``choose_dtype``.
        progress: shows how far it is.
        folder: where the model is, if it has been located already.
        head: the head that an encoder is to have; other families have none.

    Raises:
        InputError: the model cannot be found or used, or its files do not fit each other.
    """
    shown = progress or Silent()
    folder = folder or locate(config, shown)
    family = fitting_family(config, folder)
    config = config.model_copy(update={"family": family})
    with shown.stage(text("model.loading"), 2) as task:
        tokenizer = load_tokenizer(folder, config)
        given = ensure_chat_template(tokenizer) if family == "causal" else None
        task.advance()
        device = choose_device()
        dtype = choose_dtype(device, precision)
        model, new = _read_weights(folder, config, dtype, head)
        check_vocabulary(model, tokenizer, folder)
        dropped = neutralise(model)
        if family == "causal":
            stop_at_turns(model, tokenizer)
        else:
            set_padding(model, tokenizer)
        if family == "seq2seq":
            set_start(model)
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
    if family != "causal":
        del provenance["chat_template"]  # it has none, or one that is not used
    if dropped:
        provenance["generation_config_unused"] = dropped
    if new:
        provenance["new_weights"] = new
    return Loaded(model, tokenizer, device, dtype, config.id, provenance)


def load_weights(folder: Path, config: ModelConfig, dtype: torch.dtype) -> Any:
    """The model in a folder, in eval mode, with every weight read from its files.

    Raises:
        InputError: a weight is missing, not finite or of another shape than the config says, or
            transformers does not know the architecture.
    """
    return _read_weights(folder, config, dtype, None)[0]


def _read_weights(
    folder: Path, config: ModelConfig, dtype: torch.dtype, head: Head | None
) -> tuple[Any, list[str]]:
    """The model, and the names of its weights that no file held: those of a new head."""
    from safetensors import SafetensorError
    from transformers import AutoConfig

    name = family_class(config.family or infer_family(folder)).auto_class
    auto: Any = getattr(import_module("transformers"), name)
    if name != "AutoModelForSequenceClassification":
        head = None
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            # A new head starts the same each time, whatever was drawn before.
            torch.default_generator.manual_seed(_NEW_WEIGHTS_SEED)
            described: Any = AutoConfig.from_pretrained(
                folder, trust_remote_code=config.trust_remote_code
            )
            # Not what the file may ask for: sdpa where the model supports it, else eager.
            described._attn_implementation = None
            known = head is None or describe(described, head)
            # Weights of another shape are reported, not raised at the first, so all can be named.
            model, report = auto.from_pretrained(
                folder,
                config=described,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=config.trust_remote_code,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
            absent = {*report["missing_keys"], *(key[0] for key in report["mismatched_keys"])}
            new = set() if head is None else {key for key in absent if in_head(key, model)}
            if not known:
                new |= renew_output(model)
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        raise unusable("model.unusable", folder, error) from error
    problems = _weight_problems(report, model, folder, new) or _not_finite(model, folder)
    if problems:
        raise InputError(problems)
    return model.eval(), sorted(new)


def check_vocabulary(model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Make sure that every token that will be used has an embedding.

    Some published models name tokens that they have no embedding for and never use (Gemma 3's
    image token); those pass.

    Raises:
        InputError: a special token, or one in the chat template, has no embedding: the tokenizer
            was given tokens, but the weights were not.
    """
    rows = model.get_input_embeddings().num_embeddings
    known, used = needed_beyond(tokenizer, rows)
    if used:
        fields: dict[str, object] = {
            "path": folder,
            "tokens": known,
            "rows": rows,
            "names": " ".join(used[:5]),
        }
        raise InputError(Problem("model.vocabulary-mismatch", None, fields))


def _weight_problems(
    report: Mapping[str, Any], model: Any, folder: Path, new: set[str]
) -> list[Problem]:
    problems = []
    embeddings = {id(model.get_input_embeddings().weight)}
    if (output := model.get_output_embeddings()) is not None:
        embeddings.add(id(output.weight))
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name, in_file, in_config in sorted(report["mismatched_keys"]):
        if name in new:
            continue
        fields: dict[str, object] = {"path": folder, "name": name}
        if id(parameters.get(name)) in embeddings:
            fields |= {"in_file": in_file[0], "in_config": in_config[0]}
            problems.append(Problem("model.embedding-size", None, fields))
        else:
            fields |= {"in_file": list(in_file), "in_config": list(in_config)}
            problems.append(Problem("model.weight-size", None, fields))
    if missing := sorted(set(report["missing_keys"]) - new):
        some = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        fields = {"path": folder, "count": len(missing), "names": some}
        problems.append(Problem("model.weights-missing", None, fields))
    return problems


def _not_finite(model: Any, folder: Path) -> list[Problem]:
    """NaN and infinity, as a training that failed leaves them: no answer would be a number."""
    names = []
    for name, weight in model.named_parameters():
        # NaN goes through both; without them as large a table of yes and no would be made.
        ends = (
            torch.aminmax(weight.detach()) if weight.is_floating_point() and weight.numel() else ()
        )
        if not all(bool(torch.isfinite(end)) for end in ends):
            names.append(name)
    if not names:
        return []
    some = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
    fields: dict[str, object] = {"path": folder, "count": len(names), "names": some}
    return [Problem("model.weights-not-finite", None, fields)]


def _origin(config: ModelConfig, folder: Path) -> dict[str, object]:
    kind = kind_of(config.id)
    origin: dict[str, object] = {"id": config.id, "kind": kind}
    if kind == "hub":
        # The hub's cache names each snapshot by its commit.
        origin |= {"revision": config.revision or "main", "commit": folder.name}
    if kind == "folder":
        origin["weights_sha256"] = weights_hash(folder)
    recorded = made_here(folder)
    return origin | {k: v for k, v in recorded.items() if k not in ("source", "architecture")}
