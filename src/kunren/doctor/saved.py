"""A model or adapter that another tool saved, as its files tell: no weight is read, no torch.

What of it a rule cannot know stays missing. Of an adapter the model below it is needed too, and is
looked for where it was trained from: a folder, or the local cache of the model hub.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kunren.doctor.evidence import Missing
from kunren.doctor.reading import Ends, Saved
from kunren.models.integrity import shapes
from kunren.models.token_names import Tokens, read_tokens
from kunren.records import trainer
from kunren.textfile import json_object

ADAPTER = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"

_TABLE = re.compile(
    r"(?:^|\.)(?:embed_tokens|shared|word_embeddings|wte|embed_in|tok_embeddings)"
    r"\.(?:(?:modules_to_save|original_module|base_layer|token_adapter\.base_layer)\.)?weight$"
)
_MOVED = re.compile(
    r"\.(?:lora_embedding_A|token_adapter\.trainable_tokens_delta)$"
    r"|\.(?:embed_tokens|shared|word_embeddings|wte)\.modules_to_save\.weight$"
)
_WRITES = ("CausalLM", "ConditionalGeneration", "LMHead")
_TASKS = ("CAUSAL_LM", "SEQ_2_SEQ_LM")


def told(folder: Path) -> dict[str, Callable[[], Any]]:
    """Evidence by name that a folder's model gives; none where there is no model."""
    place = _place(folder)
    if place is None:
        return {}

    @cache
    def read() -> Saved:
        return _read(place)

    def adapter() -> Mapping[str, Any]:
        said = read()
        if said.adapter is None:
            raise Missing("adapter")
        if said.tables is None and not said.trains_rows:
            raise Missing("adapter-weights")
        return _completed(said)

    def added() -> int:
        found = read().new
        if found is None:
            raise Missing("base", id=read().base)
        return len(found)

    return {"saved": read, "adapter": adapter, "added": added}


def files(folder: Path) -> list[str]:
    """The files of a folder's model that are read."""
    place = _place(folder)
    known = (ADAPTER, WEIGHTS, "config.json", "generation_config.json", "tokenizer.json",
             "tokenizer_config.json", "added_tokens.json", "chat_template.jinja")  # fmt: skip
    if place is None:
        return []
    found = [name for name in known if (place / name).is_file()]
    return [name if place == folder else f"{place.name}/{name}" for name in found]


def labels(config: Mapping[str, Any]) -> int | None:
    """The number of labels of a classifier, by its config.json."""
    names = config.get("id2label")
    if isinstance(names, dict) and len(names) > 1:
        return len(names)
    kinds = config.get("architectures")
    classifies = isinstance(kinds, list) and any("SequenceClassif" in str(k) for k in kinds)
    return 2 if classifies and not names else None  # two labels are the default, and not written


def vocabulary(config: Mapping[str, Any]) -> int | None:
    """The number of tokens of a language model, by its config.json."""
    size = config.get("vocab_size")
    return size if _writes(config) and isinstance(size, int) and size > 1 else None


def _place(folder: Path) -> Path | None:
    """Where the model is: in the folder itself, or in its newest checkpoint."""
    places = [folder, *trainer.checkpoints(folder)[:1]]
    names = (ADAPTER, "config.json")
    return next((p for p in places if any((p / name).is_file() for name in names)), None)


def _writes(config: Mapping[str, Any]) -> bool:
    kinds = config.get("architectures")
    return isinstance(kinds, list) and any(part in str(k) for k in kinds for part in _WRITES)


def _read(place: Path) -> Saved:
    config = json_object(place / "config.json")
    adapter = _adapter(place) if (place / ADAPTER).is_file() else None
    above = [place.parent] if trainer.CHECKPOINT.fullmatch(place.name) else []
    found = [tokens for one in [place, *above] if (tokens := read_tokens(one)) is not None]
    tokens = found[0] if found else None
    base = str((adapter or {}).get("base_model_name_or_path") or "")
    below = _base(base, place) if adapter is not None else None
    tables: dict[str, int] | None = None
    moved = False
    if adapter is not None:
        held = _held(place / WEIGHTS)
        if held:
            tables = {name: shape[0] for name, shape in held.items() if _TABLE.search(name)}
        moved = any(_MOVED.search(name) for name in held)
        config = {} if below is None else json_object(below / "config.json")
    rows = _rows(below if adapter is not None else place, config)
    writes = _writes(config) or (adapter or {}).get("task_type") in _TASKS
    causal = (
        "CausalLM" in str(config.get("architectures"))
        or (adapter or {}).get("task_type") == "CAUSAL_LM"
    )
    return Saved(
        adapter=adapter,
        base=base,
        rows=rows,
        tables=tables,
        moved=moved,
        tokens=None if tokens is None else tokens.size,
        needed=() if tokens is None or rows is None else tokens.needed(rows),
        new=_new(tokens, below) if adapter is not None else None,
        ends=_ends(place, config, tokens) if writes else None,
        template=tokens.template is not None if causal and tokens and tokens.configured else None,
    )


def _adapter(place: Path) -> dict[str, Any]:
    """PEFT's description; lists that are none count as not given."""
    said = json_object(place / ADAPTER)
    whole, kept = (said.get(name) for name in ("modules_to_save", "trainable_token_indices"))
    rows = kept.values() if isinstance(kept, dict) else [kept]
    return said | {
        "modules_to_save": [*map(str, whole)] if isinstance(whole, list) else None,
        "trainable_token_indices": kept if all(isinstance(row, list) for row in rows) else None,
    }


def _completed(saved: Saved) -> Mapping[str, Any]:
    """PEFT's description, with the embeddings that the weights hold although it names none.

    PEFT saves them by itself where the vocabulary was resized.
    """
    adapter = saved.adapter or {}
    if not saved.tables:
        return adapter
    return {**adapter, "modules_to_save": [*(adapter.get("modules_to_save") or ()), "embeddings"]}


def _new(tokens: Tokens | None, below: Path | None) -> tuple[str, ...] | None:
    """Tokens that the model below did not have; None: it cannot be said.

    That of the padding is none: nothing is ever learnt of it.
    """
    if tokens is None:
        return None
    if not tokens.beyond:
        return ()
    had = read_tokens(below) if below is not None else None
    if had is None:
        return None
    return tuple(t for t in tokens.added if t not in had.ids and t != tokens.named.get("pad_token"))


def _base(name: str, place: Path) -> Path | None:
    """The folder of the model below an adapter, if it is on this machine."""
    if not name:
        return None
    for folder in (Path(name).expanduser(), place / name):
        try:
            if (folder / "config.json").is_file():
                return folder
        except OSError:  # a name that is too long for a path
            return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(name, "config.json")
    except HFValidationError:  # a path on another machine
        return None
    return Path(config).parent if isinstance(config, str) else None


def _held(path: Path) -> dict[str, list[int]]:
    """Name → shape of each tensor; none where the file is not there or is no safetensors."""
    try:
        return shapes(path)
    except (OSError, ValueError):
        return {}


def _rows(folder: Path | None, config: Mapping[str, Any]) -> int | None:
    """How many embeddings a model has: by its weights, or else by its config."""
    if folder is None:
        return None
    for path in sorted(folder.glob("*.safetensors")):
        if path.name == WEIGHTS:
            continue
        found = [shape[0] for name, shape in _held(path).items() if _TABLE.search(name)]
        if found:
            return found[0]
    inner = config.get("text_config")
    size = (inner if isinstance(inner, dict) else config).get("vocab_size")
    return size if isinstance(size, int) else None


def _ends(place: Path, config: Mapping[str, Any], tokens: Tokens | None) -> Ends | None:
    """The tokens that end an answer, and the padding; None where the tokenizer does not tell."""
    if tokens is None or not tokens.configured:
        return None
    eos, pad = (tokens.id_of(f"{name}_token") for name in ("eos", "pad"))
    said = json_object(place / "generation_config.json").get(
        "eos_token_id", config.get("eos_token_id")
    )
    ids = tuple(dict.fromkeys([*_whole(said), *([] if eos is None else [eos])]))
    names = {number: token for token, number in tokens.ids.items()}
    return Ends(ids, tuple(names.get(number, str(number)) for number in ids), pad, eos)


def _whole(said: object) -> Iterator[int]:
    for number in said if isinstance(said, list) else [said]:
        if isinstance(number, int):
            yield number
