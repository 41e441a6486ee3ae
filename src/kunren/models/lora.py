"""LoRA: which layers get low-rank updates, and what moves beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.config.schema import ModelConfig, TuningConfig
from kunren.errors import InputError, Problem
from kunren.models import family_class
from kunren.models.quiet import quiet
from kunren.models.sources import kind_of
from kunren.models.vocabulary import is_tied, truly_tied

if TYPE_CHECKING:
    import torch


def with_lora(model: Any, tuning: TuningConfig, family: str, new_tokens: Sequence[int]) -> Any:
    """Low-rank updates (Hu et al. 2021) of the linear layers, and what else an adapter trains.

    The layers are the named ones, or all of the backbone. A classification head moves in full, with
    the pooler before it, since both may be new. Of the embeddings only the rows of ``new_tokens``
    move and are saved.

    The updates are made in the dtype of the base, not in float32 as PEFT would: beside a bfloat16
    base each adapted layer would cast its input and multiply slowly (a training step of Gemma 3
    270M takes 1.4 times as long), and what bfloat16 would lose, the small steps of training, the
    optimiser keeps in float32 masters.

    Raises:
        InputError: a name in ``target_modules`` fits no linear layer, or the new tokens of this
            model cannot be trained so.
    """
    from peft import LoraConfig, get_peft_model

    task = family_class(family).peft_task
    head = _head_modules(model) if task == "SEQ_CLS" else []
    config = LoraConfig(
        task_type=task,
        r=tuning.r,
        lora_alpha=tuning.alpha,  # type: ignore[arg-type]
        lora_dropout=tuning.dropout,
        target_modules=_targets(model, tuning.target_modules, head, bool(new_tokens)),
        modules_to_save=head or None,
        trainable_token_indices=_token_layers(model, new_tokens),
    )
    with quiet(), truly_tied(model):
        adapted = get_peft_model(model, config, autocast_adapter_dtype=False)
    tend_rows(adapted)
    return adapted


def _head_modules(model: Any) -> list[str]:
    """Names of the modules that classify: all beside the backbone, and the backbone's pooler.

    The pooler has no weights in checkpoints of models that were trained to fill gaps without it; an
    adapter beside a layer that is new at each loading would be lost.
    """
    backbone = model.base_model_prefix
    beside = [name for name, _ in model.named_children() if name != backbone]
    names = [*beside, f"{backbone}.pooler"]
    modules = dict(model.named_modules())
    return [n for n in names if n in modules and any(True for _ in modules[n].parameters())]


def _targets(
    model: Any, names: tuple[str, ...] | None, head: Sequence[str], new_tokens: bool
) -> list[str]:
    """Full names of the linear layers that LoRA adapts."""
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    output = model.get_output_embeddings()
    layers = [
        name
        for name, module in model.named_modules()
        if isinstance(module, (Linear, Conv1D))
        and not any(name == part or name.startswith(f"{part}.") for part in head)
        # Named, the output layer may be adapted, but not where single rows of it are trained.
        and not (module is output and (names is None or new_tokens))
    ]
    if names is None:
        return layers
    known = ", ".join(sorted({layer.rpartition(".")[2] for layer in layers}))
    fitting = {
        name: [layer for layer in layers if layer == name or layer.endswith(f".{name}")]
        for name in names
    }
    problems = [
        Problem("model.no-such-layer", None, {"name": name, "names": known})
        for name, found in fitting.items()
        if not found
    ]
    if problems:
        raise InputError(problems)
    return list(dict.fromkeys(layer for found in fitting.values() for layer in found))


def _token_layers(model: Any, new_tokens: Sequence[int]) -> dict[str, list[int]] | None:
    """Which rows of which layers LoRA trains, by the layers' real names.

    PEFT itself follows the tie where all layers are tied to the input embeddings. Where the output
    layer is not, it follows none, so each layer that reads the embeddings is named (T5 has three),
    and ``tend_rows`` ties their new rows again.
    """
    if not new_tokens:
        return None
    source, output = model.get_input_embeddings(), model.get_output_embeddings()
    if getattr(output, "bias", None) is not None:
        # PEFT's layer for single rows computes no bias.
        raise InputError(Problem("vocabulary.output-bias"))
    layers = dict(model.named_modules(remove_duplicate=False))
    if output is None or is_tied(model):
        names = [next(name for name, module in layers.items() if module is source)]
    else:
        tables = (source.weight, output.weight)
        names = [
            name
            for name, module in layers.items()
            if any(getattr(module, "weight", None) is table for table in tables)
        ]
    return {name: list(new_tokens) for name in names}


def tend_rows(adapted: Any) -> None:
    """Make the new rows of a PeftModel cheap, and shared where their layers share a weight.

    PEFT writes the new rows into a copy of the whole table at every call, and in training gets a
    gradient of all of it back: with the 262,144 rows of Gemma 3 a step takes several times as long,
    and each generated token as well. Here the frozen rows and the new ones are read apart.
    """
    from peft.tuners.trainable_tokens import TrainableTokensLayer

    first: dict[int, Any] = {}
    for module in adapted.modules():
        if not isinstance(module, TrainableTokensLayer):
            continue
        if not module.tied_adapter:
            other = first.setdefault(id(module.base_layer.weight), module)
            module.trainable_tokens_delta = other.trainable_tokens_delta
            module.trainable_tokens_original = other.trainable_tokens_original
        made: Any = module
        made.forward = _row_forward(made)


def describe_adapter(
    adapted: Any, folder: Path, base: ModelConfig, provenance: Mapping[str, object]
) -> None:
    """Mend what PEFT wrote beside an adapter's weights, so that it can be read elsewhere.

    PEFT names the base by the folder that it was loaded from, which is this machine's. Here it is
    called as people know it: a hub id with its commit, or what no hub would be asked for, so that
    nothing else of that name is fetched: ``package:NAME``, ``local:NAME``. A classifier's labels
    are in its config.json, which PEFT does not write.

    Args:
        adapted: the PeftModel.
        folder: where it was saved.
        base: what it was tuned from.
        provenance: of the base.
    """
    path = folder / "adapter_config.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    said |= portable_base(base, provenance)
    path.write_text(json.dumps(said, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    if said.get("task_type") == "SEQ_CLS":
        adapted.config.save_pretrained(folder)
    else:  # how it ends its answers; what the base says of sampling would change them
        adapted.generation_config.save_pretrained(folder)


def portable_base(base: ModelConfig, provenance: Mapping[str, object]) -> dict[str, str | None]:
    """What ``adapter_config.json`` says of the base; see ``describe_adapter``."""
    kind = kind_of(base.id)
    if kind == "hub":
        commit = provenance.get("commit")
        revision = base.revision if commit is None else str(commit)
        return {"base_model_name_or_path": base.id, "revision": revision}
    named = base.id if kind in ("package", "scratch") else f"local:{Path(base.id).name}"
    return {"base_model_name_or_path": named, "revision": None}


def _row_forward(layer: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    import torch
    from torch.nn import Embedding
    from torch.nn.functional import embedding, linear

    whole, base = layer.forward, layer.base_layer
    (adapter,) = layer.token_indices
    ids = torch.tensor(layer.token_indices[adapter], device=base.weight.device)
    place = torch.full((len(base.weight),), -1, device=ids.device)
    place[ids] = torch.arange(len(ids), device=ids.device)

    def read(tokens: torch.Tensor) -> torch.Tensor:
        """Embeddings of ``tokens``."""
        rows, found = layer.trainable_tokens_delta[adapter], place[tokens]
        new = embedding(found.clamp_min(0), rows)
        if (scale := layer._get_embed_scale()) is not None:
            new = new * scale.to(new.dtype)
        return torch.where(found.unsqueeze(-1) >= 0, new, base(tokens))

    def write(hidden: torch.Tensor) -> torch.Tensor:
        """Logits of all tokens."""
        new = linear(hidden, layer.trainable_tokens_delta[adapter])
        logits: torch.Tensor = base(hidden)
        return logits.index_copy(-1, ids, new)

    apart = read if isinstance(base, Embedding) else write

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        plain = layer.disable_adapters or layer.merged or layer.active_adapters != [adapter]
        said: torch.Tensor = whole(inputs) if plain else apart(inputs)
        return said

    return forward
