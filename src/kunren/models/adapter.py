"""Which weights move, and how the moved ones are kept and found again."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kunren.config.schema import ModelConfig, TuningConfig
from kunren.errors import InputError, KunrenWarning, Problem
from kunren.messages import text
from kunren.models.chat_template import takes_system
from kunren.models.folder import load_tokenizer
from kunren.models.identity import HASHES
from kunren.models.load import (
    Head,
    Loaded,
    Precision,
    check_vocabulary,
    choose_device,
    choose_dtype,
    load,
    load_weights,
)
from kunren.models.lora import describe_adapter, tend_rows, with_lora
from kunren.models.outline import trains_embeddings
from kunren.models.quiet import quiet
from kunren.models.tokenizer_files import save_tokenizer
from kunren.models.vocabulary import (
    TOKENS_FILE,
    Added,
    embedding_rows,
    read_tokens,
    restore,
    truly_tied,
    write_tokens,
)
from kunren.progress import Progress, Silent

RECORD_FILE = "kunren_model.json"
"""Beside the saved weights: which model they were tuned from, and how."""


def prepare(
    model: Any,
    tuning: TuningConfig,
    family: str,
    new_tokens: Sequence[int] = (),
    pretrained: bool = True,
) -> Any:
    """Choose the weights that move: sets ``requires_grad``, or adds LoRA layers.

    Returns the PreTrainedModel itself for full tuning, a PeftModel around it for LoRA.

    full: all weights, but the token embeddings only where ``trains_embeddings`` says so. The output
    layer counts as an embedding whether or not it is tied to the input: frozen, the gradient of its
    rows (two thirds of Gemma 3 270M) is never computed. A classification head does not count.

    lora: see ``lora.with_lora``. Its new layers start at random: seed torch before.

    Args:
        model: a PreTrainedModel with its added tokens, if there are any.
        tuning: the config.
        family: the model's family.
        new_tokens: ids of the added tokens.
        pretrained: whether the model was.

    Raises:
        InputError: a name in ``target_modules`` fits no linear layer, or LoRA cannot train the new
            tokens of this model.
    """
    if tuning.kind == "lora":
        return with_lora(model, tuning, family, new_tokens)
    moves = trains_embeddings(tuning, new_tokens, pretrained)
    if new_tokens and not moves:
        said = text("vocabulary.new-tokens-frozen", count=len(new_tokens))
        warnings.warn(said, KunrenWarning, stacklevel=2)
    model.requires_grad_(True)
    for part in (model.get_input_embeddings(), model.get_output_embeddings()):
        if part is not None:
            part.requires_grad_(moves)
    return model


def trainable_parameters(model: Any) -> tuple[int, int]:
    """How many numbers move, and how many there are; tied weights count once."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, moves in sizes if moves), sum(n for n, _ in sizes)


def save(
    loaded: Loaded,
    folder: Path,
    base: ModelConfig,
    added: Added | None = None,
    *,
    weights: bool = True,
) -> None:
    """Write the adapter or the full weights, and the tokenizer, so that ``load_saved`` finds all.

    The folder appears whole or not at all, and replaces one that is there.

    Args:
        loaded: what ``prepare`` returned, after training, with the tokenizer and the provenance of
            the model that it was tuned from.
        folder: where to.
        base: the model that it was tuned from; its family is known.
        added: the tokens that were added to it.
        weights: False: of a fully tuned model only what describes them.

    Raises:
        InputError: the model that it was tuned from is in the way.
    """
    from peft import PeftModel

    model, adapter = loaded.model, isinstance(loaded.model, PeftModel)
    if Path(base.id).expanduser().resolve().is_relative_to(folder.resolve()):
        raise InputError(Problem("model.saves-over-base", None, {"path": folder, "base": base.id}))
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    with quiet():
        if adapter:
            # "auto" would look for the base on the hub, to see if its embeddings have changed.
            model.save_pretrained(new, safe_serialization=True, save_embedding_layers=False)
            (new / "README.md").unlink(missing_ok=True)  # a model card with nothing filled in
            describe_adapter(model, new, base, loaded.provenance)
        elif weights:
            model.save_pretrained(new)
        else:
            model.config.save_pretrained(new)
            if model.can_generate():
                model.generation_config.save_pretrained(new)
    save_tokenizer(loaded.tokenizer, new)
    if added is not None and added.tokens:
        write_tokens(added, new)
    record = _record(loaded, base, added, folder)
    (new / RECORD_FILE).write_text(
        json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    _swap(new, folder)


def _record(loaded: Loaded, base: ModelConfig, added: Added | None, folder: Path) -> dict[str, Any]:
    from peft import PeftModel

    path = Path(base.id).expanduser().absolute()
    rows = embedding_rows(loaded.model)
    config = loaded.model.config
    head = None
    if base.family == "encoder":
        labels = [config.id2label[number] for number in sorted(config.id2label)]
        multi_label = config.problem_type == "multi_label_classification"
        head = {"labels": labels, "multi_label": multi_label}
    known = {k: v for k, v in loaded.provenance.items() if k in (*HASHES, "commit")}
    return {
        "schema": 2,
        "family": base.family,
        "tuning": "lora" if isinstance(loaded.model, PeftModel) else "full",
        "head": head,
        "base": {
            # A path must hold from wherever the run is used later.
            "id": str(path) if path.exists() else base.id,
            "revision": base.revision,
            "trust_remote_code": base.trust_remote_code,
        },
        # Where the whole project is moved, it holds from here.
        "base_from_here": os.path.relpath(path, folder.absolute()) if path.exists() else None,
        "base_provenance": known,
        "base_embedding_rows": added.base_embedding_rows if added else rows,
        "embedding_rows": rows,
        "tied": added.tied if added else None,
        "system_turn": base.family == "causal" and takes_system(loaded.tokenizer),
        "tokenizer_size": len(loaded.tokenizer),
        "added_tokens": len(added.tokens) if added else 0,
    }


def load_saved(
    folder: Path,
    base: bool = False,
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> Loaded:
    """Load what ``save`` wrote; with ``base``, the model that it was tuned from.

    An adapter's base is loaded plain and brought to the vocabulary that the adapter was tuned with;
    a base that is not the one of then is refused, whether or not its sizes fit.

    Raises:
        InputError: there is no saved model, or its base cannot be found any more or has changed.
    """
    shown = progress or Silent()
    record = _read_record(folder)
    if base:
        config = _base_at_hand(folder, record)
        return load(config, precision, shown, head=_head(record))
    added = read_tokens(folder)
    if added is None and record.get("added_tokens"):
        fields = {"path": folder, "count": record["added_tokens"], "file": TOKENS_FILE}
        raise InputError(Problem("vocabulary.manifest-missing", None, fields))
    if record["tuning"] == "lora":
        loaded = _load_adapter(folder, record, added, precision, shown)
    else:
        loaded = _load_full(folder, record, precision, shown)
    _check_saved(folder, record, added, loaded)
    return loaded


def _load_full(
    folder: Path, record: dict[str, Any], precision: Precision, shown: Progress
) -> Loaded:
    config = _base_config(record)
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
    folder: Path,
    record: dict[str, Any],
    added: Added | None,
    precision: Precision,
    shown: Progress,
) -> Loaded:
    from peft import PeftModel

    config = _base_at_hand(folder, record)
    loaded = load(config, precision, shown, head=_head(record))
    fields: dict[str, object] = {"path": folder, "base": config.id}
    _check_base(record, loaded, fields)
    if added is not None:
        restore(loaded, added, fields)
    try:
        with quiet(), truly_tied(loaded.model), warnings.catch_warnings():
            # Weights that the adapter lacks would stay as they began; PEFT only warns of them.
            warnings.filterwarnings("error", "Found missing adapter keys", UserWarning)
            model = PeftModel.from_pretrained(loaded.model, folder, autocast_adapter_dtype=False)
    except (RuntimeError, ValueError, KeyError, OSError, UserWarning) as error:
        fields["reason"] = str(error).strip().splitlines()[-1].strip()
        raise InputError(Problem("model.adapter-unusable", None, fields)) from error
    tend_rows(model)
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


def _check_base(record: dict[str, Any], loaded: Loaded, fields: dict[str, object]) -> None:
    """Refuse a base that is not the model that an adapter was tuned from."""
    then = record.get("base_embedding_rows", record["embedding_rows"])
    now = embedding_rows(loaded.model)
    if then != now:
        said = {**fields, "then": then, "now": now}
        raise InputError(Problem("model.base-vocabulary-changed", None, said))
    known = record.get("base_provenance", {})
    for name in HASHES:
        was, found = known.get(name), loaded.provenance.get(name)
        if was is not None and found is not None and was != found:
            said = {**fields, "then": str(was)[:8], "now": str(found)[:8]}
            raise InputError(Problem("vocabulary.base-changed", None, said))


def _check_saved(folder: Path, record: dict[str, Any], added: Added | None, loaded: Loaded) -> None:
    """See that the saved tokenizer and weights still belong to each other."""
    known = loaded.tokenizer.get_vocab()
    now = (embedding_rows(loaded.model), len(loaded.tokenizer))
    then = (record["embedding_rows"], record.get("tokenizer_size", now[1]))
    moved = [t for t in (added.tokens if added else ()) if known.get(t.string) != t.id]
    if then != now or moved:
        shown = {
            "path": folder,
            "then": " / ".join(map(str, then)),
            "now": " / ".join([*map(str, now), *(t.string for t in moved[:5])]),
        }
        raise InputError(Problem("vocabulary.saved-differs", None, shown))


def _base_config(record: dict[str, Any]) -> ModelConfig:
    """The base as it was: of a hub model the very commit, even where a branch has moved on."""
    # The first version of the record knew causal models only.
    family = record.get("family", "causal")
    commit = record.get("base_provenance", {}).get("commit")
    config = ModelConfig.model_validate({**record["base"], "family": family})
    return config.model_copy(update={"revision": commit or config.revision})


def _base_at_hand(folder: Path, record: dict[str, Any]) -> ModelConfig:
    """The base; of a local one where it is now: at its place, or beside the saved model as then.

    Raises:
        InputError: it is at neither place.
    """
    config = _base_config(record)
    beside = record.get("base_from_here")
    if beside is None or Path(config.id).exists():
        return config
    here = Path(os.path.normpath(folder.absolute() / beside))
    if not here.exists():
        fields: dict[str, object] = {"path": folder, "base": config.id, "here": here}
        raise InputError(Problem("model.base-missing", None, fields))
    return config.model_copy(update={"id": str(here)})


def _head(record: dict[str, Any]) -> Head | None:
    head = record.get("head")
    return None if head is None else Head(tuple(head["labels"]), head["multi_label"])


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


def _swap(new: Path, folder: Path) -> None:
    """Put ``new`` in the place of ``folder``."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
