"""A model's folder, read without its weights and without torch: its family and its tokenizer."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.config.schema import ModelConfig
from kunren.errors import InputError, Problem
from kunren.models.architectures import family_of
from kunren.models.cache import home
from kunren.models.convert import SOURCE_FILE
from kunren.models.integrity import CONFIG, read_json
from kunren.models.quiet import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SPLITTERS = {
    "mecab": {"fugashi": "fugashi"},
    "sudachi": {"sudachipy": "sudachipy", "sudachidict_core": "sudachidict_core"},
    "jumanpp": {"rhoknp": "rhoknp"},
}
"""What splits words → modules that it needs and the packages that have them."""

_NAMES = {"mecab": "MeCab", "sudachi": "Sudachi", "jumanpp": "Juman++"}

_DICTIONARIES = {"ipadic": "ipadic", "unidic_lite": "unidic-lite", "unidic": "unidic"}
"""MeCab dictionaries that tokenizers name: module → the package that pip knows."""

_GENERIC = ("TokenizersBackend",)
"""Classes that read all of a tokenizer from tokenizer.json. AutoTokenizer would take the same, but
imports torch to find out."""


def config_json(folder: Path) -> dict[str, Any]:
    """A model's config.json as it is.

    Raises:
        InputError: there is none, or it is broken.
    """
    if not (folder / CONFIG).exists():
        raise InputError(Problem("model.no-config", None, {"path": folder}))
    return read_json(folder / CONFIG)


def infer_family(folder: Path) -> str:
    """The family that a model's config.json speaks of; no weights are read.

    What the weights were saved as decides, or else the kind of model: encoder-decoders are seq2seq,
    models that were trained to fill gaps or that have a classification head are encoders, and those
    trained to go on are causal.

    Raises:
        InputError: it cannot be told, and model.family must say it.
    """
    family = family_of(config_json(folder))
    if family is None:
        raise InputError(Problem("model.family-unknown", None, {"path": folder}))
    return family


def fitting_family(config: ModelConfig, folder: Path) -> str:
    """The config's family, if the model can be used as one; a causal model also as an encoder."""
    if config.family is None:
        return infer_family(folder)
    own = family_of(config_json(folder))
    if own in (None, config.family) or (own, config.family) == ("causal", "encoder"):
        return config.family
    families = "causal / encoder" if own == "causal" else own
    fields: dict[str, object] = {"path": folder, "family": config.family, "families": families}
    raise InputError(Problem("model.family-unfit", None, fields))


def load_tokenizer(folder: Path, config: ModelConfig) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder.

    Raises:
        InputError: it cannot be read, or a package that it needs is not installed.
    """
    try:
        with quiet():
            tokenizer: PreTrainedTokenizerBase = _class(folder).from_pretrained(
                folder, trust_remote_code=config.trust_remote_code
            )
    except Exception as error:  # the tokenizers library raises Exception itself
        told = _of_words(folder, error)
        if told is not None:
            raise InputError(told) from error
        raise unusable("model.tokenizer-unusable", folder, error) from error
    return tokenizer


def made_here(folder: Path) -> dict[str, object]:
    """What kunren noted of a model that it made or converted; empty for others' models."""
    note = folder / SOURCE_FILE
    if not (folder.is_relative_to(home()) and note.is_file()):
        return {}
    recorded: dict[str, object] = json.loads(note.read_text(encoding="utf-8"))
    return recorded


def _class(folder: Path) -> Any:
    path = folder / "tokenizer_config.json"
    said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if said.get("tokenizer_class") in _GENERIC and (folder / "tokenizer.json").is_file():
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast
    from transformers import AutoTokenizer

    return AutoTokenizer


def _of_words(folder: Path, error: Exception) -> Problem | None:
    """What is wrong with a tokenizer that splits text into words first; None: it does not."""
    path = folder / "tokenizer_config.json"
    said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kind = said.get("word_tokenizer_type")
    if kind not in _SPLITTERS:
        return None
    needed = dict(_SPLITTERS[kind])
    options = said.get("mecab_kwargs") or {} if kind == "mecab" else {}
    dictionary = options.get("mecab_dic", "unidic_lite")
    if kind == "mecab" and dictionary in _DICTIONARIES:
        needed[dictionary] = _DICTIONARIES[dictionary]
    fields: dict[str, object] = {"path": folder, "splitter": _NAMES[kind]}
    missing = [package for module, package in needed.items() if find_spec(module) is None]
    if missing:
        return Problem("model.needs-splitter", None, fields | {"packages": " ".join(missing)})
    if kind == "jumanpp":
        return Problem("model.needs-jumanpp", None, fields)
    if kind == "mecab" and dictionary == "unidic" and not _has_unidic():
        return Problem("model.needs-unidic", None, fields)
    if kind == "mecab" and (option := options.get("mecab_option")):
        return Problem("model.mecab-option", None, fields | {"option": option})
    reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    packages = " ".join(needed.values())
    return Problem("model.splitter-fails", None, fields | {"reason": reason, "packages": packages})


def _has_unidic() -> bool:
    """Whether the package ``unidic`` has its dictionary; a command of its own fetches that."""
    spec = find_spec("unidic")
    places = spec.submodule_search_locations if spec else None
    return any((Path(place) / "dicdir" / "sys.dic").is_file() for place in places or ())


def unusable(code: str, folder: Path, error: Exception) -> InputError:
    """The error for a model that transformers cannot use, with the first line that it said."""
    said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return InputError(Problem(code, None, {"path": folder, "reason": said}))
