"""Which weights move, and how the moved ones are kept and found again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.config.schema import ModelConfig, TuningConfig
from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.models.load import (
    Loaded,
    Precision,
    check_vocabulary,
    choose_device,
    choose_dtype,
    load,
    load_tokenizer,
    load_weights,
)
from kunren.models.quiet import quiet
from kunren.models.tokenizer_files import save_tokenizer
from kunren.progress import Progress, Silent

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RECORD_FILE = "kunren_model.json"
"""Beside the saved weights: which model they were tuned from, and how."""


def prepare(model: Any, tuning: TuningConfig) -> Any:
    """Choose the weights that move: sets ``requires_grad``, or adds LoRA layers.

    Returns the PreTrainedModel itself for full tuning, a PeftModel around it for LoRA.

    full: all weights but the token embeddings, unless ``train_embeddings``. The output layer counts
    as an embedding whether or not it is tied to the input: frozen, the gradient of its rows (two
    thirds of Gemma 3 270M) is never computed.

    lora: low-rank updates (Hu et al. 2021) of the named linear layers, by default of all of the
    backbone. They are made in the dtype of the base, not in float32 as PEFT would: beside a
    bfloat16 base each adapted layer would cast its input and multiply slowly (a training step of
    Gemma 3 270M takes 1.4 times as long), and what bfloat16 would lose, the small steps of
    training, the optimiser keeps in float32 masters. The new layers start at random: seed torch
    before.

    Raises:
        InputError: a name in ``target_modules`` fits no linear layer.
    """
    if tuning.kind == "full":
        model.requires_grad_(True)
        for part in (model.get_input_embeddings(), model.get_output_embeddings()):
            if part is not None:
                part.requires_grad_(tuning.train_embeddings)
        return model
    from peft import LoraConfig, get_peft_model

    _check_targets(model, tuning.target_modules)
    targets = "all-linear" if tuning.target_modules is None else list(tuning.target_modules)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=tuning.r,
        lora_alpha=tuning.alpha,  # type: ignore[arg-type]
        lora_dropout=tuning.dropout,
        target_modules=targets,
    )
    with quiet():
        return get_peft_model(model, config, autocast_adapter_dtype=False)


def trainable_parameters(model: Any) -> tuple[int, int]:
    """How many numbers move, and how many there are; tied weights count once."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, moves in sizes if moves), sum(n for n, _ in sizes)


def save(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    base_id: str,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> None:
    """Write the adapter or the full weights, and the tokenizer, so that ``load_saved`` finds all.

    The folder appears whole or not at all, and replaces one that is there.

    Args:
        model: what ``prepare`` returned, after training.
        tokenizer: with its chat template.
        folder: where to.
        base_id: the untuned model's id, as in the config.
        revision: its hub revision.
        trust_remote_code: whether the base needs code of its own.
    """
    from peft import PeftModel

    adapter = isinstance(model, PeftModel)
    base = Path(base_id).expanduser()
    record = {
        "schema": 1,
        "tuning": "lora" if adapter else "full",
        "base": {
            # A path must hold from wherever the run is used later.
            "id": str(base.absolute()) if base.exists() else base_id,
            "revision": revision,
            "trust_remote_code": trust_remote_code,
        },
        "embedding_rows": model.get_input_embeddings().num_embeddings,
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    with quiet():
        if adapter:
            # "auto" would look for the base on the hub, to see if its embeddings have changed.
            model.save_pretrained(new, safe_serialization=True, save_embedding_layers=False)
            (new / "README.md").unlink(missing_ok=True)  # a model card with nothing filled in
        else:
            model.save_pretrained(new)
    save_tokenizer(tokenizer, new)
    (new / RECORD_FILE).write_text(
        json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    _swap(new, folder)


def load_saved(
    folder: Path,
    base: bool = False,
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> Loaded:
    """Load what ``save`` wrote; with ``base``, the model that it was tuned from.

    Raises:
        InputError: there is no saved model, or its base cannot be found any more or has changed.
    """
    shown = progress or Silent()
    record = _read_record(folder)
    config = ModelConfig.model_validate(record["base"])
    if base:
        return load(config, precision, shown)
    if record["tuning"] == "lora":
        return _load_adapter(folder, record, config, precision, shown)
    device = choose_device()
    dtype = choose_dtype(device, precision)
    with shown.stage(text("model.loading"), 2) as task:
        tokenizer = load_tokenizer(folder, config)
        task.advance()
        model = load_weights(folder, config, dtype)
        check_vocabulary(model, tokenizer, folder)
        model.to(device)
        task.advance()
    return Loaded(model, tokenizer, device, dtype, str(folder), _provenance(record))


def _load_adapter(
    folder: Path, record: dict[str, Any], config: ModelConfig, precision: Precision, shown: Progress
) -> Loaded:
    from peft import PeftModel

    loaded = load(config, precision, shown)
    rows = loaded.model.get_input_embeddings().num_embeddings
    fields: dict[str, object] = {"path": folder, "base": config.id}
    if rows != record["embedding_rows"]:
        fields |= {"then": record["embedding_rows"], "now": rows}
        raise InputError(Problem("model.base-vocabulary-changed", None, fields))
    try:
        with quiet():
            model = PeftModel.from_pretrained(loaded.model, folder, autocast_adapter_dtype=False)
    except (RuntimeError, ValueError, OSError) as error:
        fields["reason"] = str(error).strip().splitlines()[-1].strip()
        raise InputError(Problem("model.adapter-unusable", None, fields)) from error
    # The adapter's own copy: it has the chat template that the model was trained with.
    tokenizer = load_tokenizer(folder, config)
    return Loaded(
        model.eval(),
        tokenizer,
        loaded.device,
        loaded.dtype,
        str(folder),
        loaded.provenance | _provenance(record),
    )


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD_FILE
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(Problem("model.no-saved-model", None, {"path": folder})) from error
    except ValueError as error:
        raise InputError(Problem("model.broken-record", None, {"path": path})) from error
    return record


def _provenance(record: dict[str, Any]) -> dict[str, object]:
    return {"tuning": record["tuning"], "base": record["base"]}


def _check_targets(model: Any, names: tuple[str, ...] | None) -> None:
    from torch.nn import Linear

    linear = {name for name, module in model.named_modules() if isinstance(module, Linear)}
    known = sorted({name.rpartition(".")[2] for name in linear})
    problems = [
        Problem("model.no-such-layer", None, {"name": name, "names": ", ".join(known)})
        for name in names or ()
        if not any(layer == name or layer.endswith(f".{name}") for layer in linear)
    ]
    if problems:
        raise InputError(problems)


def _swap(new: Path, folder: Path) -> None:
    """Put ``new`` in the place of ``folder``."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
