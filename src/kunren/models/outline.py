"""A model as its files describe it, without its weights and without torch.

A family reads rows with it as it reads them with the loaded model: the tokenizer is the same, and
of the model it asks nothing but what its config says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from kunren.config.schema import ModelConfig, TuningConfig
from kunren.models.chat_template import ensure_chat_template, stop_at_turns
from kunren.models.folder import config_json, fitting_family, load_tokenizer, made_here
from kunren.models.generation_config import changing
from kunren.models.integrity import EMBEDDINGS, read_json, shapes
from kunren.models.padding import set_padding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kunren.models.load import Loaded

_OUTPUTS = ("lm_head.weight", "embed_out.weight")
_POSITIONS = {
    "gpt2": "n_positions", "gptj": "n_positions", "gpt_bigcode": "n_positions",
    "openai-gpt": "n_positions", "codegen": "n_positions", "ctrl": "n_positions",
    "mpt": "max_seq_len",
}  # fmt: skip
"""Kinds of models with learned positions → what their config calls how many there are. (T5 has
``n_positions`` too, and means nothing by it.)"""

_COUNTS_FROM_PADDING = ("roberta", "xlm-roberta", "camembert", "xmod")
"""Kinds of models that number positions from behind the padding token's id."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a model's tables are, from the headers of its weight files.

    Attributes:
        total: numbers in all.
        rows: rows of the token embeddings.
        embeddings: numbers in them, and in an output layer of its own.
    """

    total: int
    rows: int
    embeddings: int


@dataclass(frozen=True)
class Outline:
    """What stands for a loaded model where rows are only read.

    Attributes:
        family: what it is used as.
        loaded: for ``models.make_family``.
        template: the chat template that it was given; None: it has one, or needs none.
        sizes: None where no header of safetensors can be read.
    """

    family: str
    loaded: Loaded
    template: str | None
    sizes: Sizes | None


class _Described:
    """What families ask of a model, answered by its config.json."""

    def __init__(self, said: Mapping[str, Any], generation: Mapping[str, Any], rows: int) -> None:
        self.config = _settings(said)
        known = {"eos_token_id": None, "bos_token_id": None, "decoder_start_token_id": None}
        inherited = {key: said[key] for key in known if key in said}
        self.generation_config = SimpleNamespace(**{**known, **inherited, **generation})
        self._rows = rows

    def get_input_embeddings(self) -> Any:
        """Only their number of rows."""
        return SimpleNamespace(num_embeddings=self._rows)

    def named_modules(self) -> Iterator[tuple[str, Any]]:
        """Only learned positions that are not counted from 0."""
        config = self.config
        if getattr(config, "model_type", None) in _COUNTS_FROM_PADDING:
            learned = SimpleNamespace(
                num_embeddings=config.max_position_embeddings, padding_idx=config.pad_token_id
            )
            yield "position_embeddings", learned


def outline(folder: Path, model: ModelConfig, labels: Sequence[str], multi_label: bool) -> Outline:
    """Read a model's folder.

    Args:
        folder: where it is.
        model: the config; its family may be open.
        labels: the classification head that an encoder is to have.
        multi_label: of that head.

    Raises:
        InputError: the config or the tokenizer cannot be read, or the family does not fit.
    """
    family = fitting_family(model, folder)
    said, generation = config_json(folder), _generation(folder / "generation_config.json")
    changing(generation)
    sizes = _sizes(folder)
    inner = said.get("text_config") or said
    rows = sizes.rows if sizes else int(inner.get("vocab_size") or 0)
    tokenizer = load_tokenizer(folder, model)
    described: Any = _Described(said, generation, rows)
    template = None
    if family == "causal":
        template = ensure_chat_template(tokenizer)
        stop_at_turns(described, tokenizer)
    else:
        set_padding(described, tokenizer)
    if family == "encoder":
        described.config.label2id = {label: number for number, label in enumerate(labels)}
        kind = "multi_label_classification" if multi_label else "single_label_classification"
        described.config.problem_type = kind
    loaded = SimpleNamespace(
        model=described, tokenizer=tokenizer, id=model.id, provenance=made_here(folder)
    )
    return Outline(family, cast("Loaded", loaded), template, sizes)


def trains_embeddings(tuning: TuningConfig, new_tokens: Sequence[int], pretrained: bool) -> bool:
    """Whether full tuning moves the token embeddings.

    Where the config leaves it open: if tokens were added, which have learnt nothing yet, or if the
    model was not pretrained.
    """
    if tuning.train_embeddings is None:
        return bool(new_tokens) or not pretrained
    return tuning.train_embeddings


def _settings(said: Mapping[str, Any]) -> SimpleNamespace:
    made = _named(said)
    inner = said.get("text_config")
    text_config = _named(inner) if inner else made
    made.get_text_config = lambda: text_config
    return made


def _named(said: Mapping[str, Any]) -> SimpleNamespace:
    """A config's entries, its positions also by the name that other kinds have."""
    known = {"eos_token_id": None, "pad_token_id": None}
    positions = said.get(_POSITIONS.get(str(said.get("model_type")), ""))
    meant = {} if positions is None else {"max_position_embeddings": positions}
    return SimpleNamespace(**{**known, **meant, **said})


def _generation(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _sizes(folder: Path) -> Sizes | None:
    tensors: dict[str, list[int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= shapes(path)
    found = [shape for name, shape in tensors.items() if name.endswith(EMBEDDINGS)]
    if not found:
        return None
    tables = found[:1] + [s for name, s in tensors.items() if name.endswith(_OUTPUTS)]
    return Sizes(
        total=sum(prod(shape) for shape in tensors.values()),
        rows=found[0][0],
        embeddings=sum(prod(shape) for shape in tables),
    )
