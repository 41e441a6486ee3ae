"""A tokenizer as its JSON files describe it, without loading it: its tokens, and what they are for.

For tokenizers of unknown origin, of which only names and numbers are wanted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kunren.textfile import json_object

_NAMED = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
_LISTED = ("additional_special_tokens", "extra_special_tokens")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a tokenizer's files say.

    Attributes:
        ids: token → its number; of a vocabulary that is not in JSON only the added ones.
        vocabulary: how many of them are not added ones; None: that is not known.
        added: tokens that stand outside the vocabulary's own model → whether they are special.
        named: such as ``eos_token`` → the token.
        listed: further special tokens that are named as such.
        template: the chat template; None: there is none.
        configured: whether there is a tokenizer_config.json, which says what tokens are for.
    """

    ids: Mapping[str, int]
    vocabulary: int | None
    added: Mapping[str, bool]
    named: Mapping[str, str]
    listed: tuple[str, ...]
    template: str | None
    configured: bool

    @property
    def size(self) -> int | None:
        """One more than the highest number; None: not known."""
        known = self.vocabulary is not None and self.ids
        return max(self.ids.values()) + 1 if known else None

    @property
    def beyond(self) -> tuple[str, ...]:
        """Added tokens that have numbers of their own, behind those of the vocabulary."""
        return tuple(
            t for t in self.added if self.vocabulary is None or self.ids[t] >= self.vocabulary
        )

    def needed(self, rows: int) -> tuple[str, ...]:
        """Tokens without one of ``rows`` embeddings that will be used.

        They are special ones by name, those of the chat template, and ordinary ones that were
        added: such a token is found wherever its text is.
        """
        special = {*self.named.values(), *self.listed}
        return tuple(
            token
            for token, number in sorted(self.ids.items(), key=lambda each: each[1])
            if number >= rows
            and (
                token in special or token in (self.template or "") or self.added.get(token) is False
            )
        )

    def id_of(self, name: str) -> int | None:
        """The number of a named token such as ``pad_token``."""
        token = self.named.get(name)
        return None if token is None else self.ids.get(token)


def read_tokens(folder: Path) -> Tokens | None:
    """Read the tokenizer in a folder; None where no file of one can be read."""
    try:
        return _read(folder)
    except (LookupError, TypeError, ValueError, AttributeError, OSError):
        return None  # JSON, but not of a tokenizer


def _read(folder: Path) -> Tokens | None:
    whole, config = (
        json_object(folder / "tokenizer.json"),
        json_object(folder / "tokenizer_config.json"),
    )
    ids: dict[str, int] = {}
    added: dict[str, bool] = {}
    vocabulary = _vocabulary(folder, whole)
    ids |= vocabulary or {}
    for token in whole.get("added_tokens") or ():
        ids[token["content"]] = token["id"]
        added[token["content"]] = bool(token.get("special"))
    for number, token in (config.get("added_tokens_decoder") or {}).items():
        ids.setdefault(token["content"], int(number))
        added.setdefault(token["content"], bool(token.get("special")))
    for token, number in json_object(folder / "added_tokens.json").items():
        ids.setdefault(token, number)
        added.setdefault(token, False)
    if not ids or not all(isinstance(t, str) and isinstance(n, int) for t, n in ids.items()):
        return None
    named, listed = _special(folder, config)
    return Tokens(
        ids=ids,
        vocabulary=None if vocabulary is None else max(vocabulary.values(), default=-1) + 1,
        added=added,
        named=named,
        listed=listed,
        template=_template(folder, config),
        configured=bool(config),
    )


def _vocabulary(folder: Path, whole: Mapping[str, Any]) -> dict[str, int] | None:
    """The tokens of the vocabulary's own model; None: they are in no file that is read here."""
    found = (whole.get("model") or {}).get("vocab")
    if isinstance(found, dict):
        return dict(found)
    if isinstance(found, list):  # Unigram: pairs of token and score
        return {piece[0]: number for number, piece in enumerate(found)}
    if plain := json_object(folder / "vocab.json"):
        return dict(plain)
    path = folder / "vocab.txt"
    if path.is_file():
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        return {token: number for number, token in enumerate(lines) if token}
    return None


def _special(folder: Path, config: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Special tokens by what they are for, and further ones."""
    said = {**json_object(folder / "special_tokens_map.json"), **config}
    named = {name: _content(said[name]) for name in _NAMED if said.get(name)}
    listed = [_content(token) for name in _LISTED for token in _items(said.get(name))]
    return named, tuple(listed)


def _items(said: object) -> list[Any]:
    return said if isinstance(said, list) else []


def _content(token: Any) -> str:
    """A token that is written out, or as a mapping with its properties."""
    return str(token["content"] if isinstance(token, Mapping) else token)


def _template(folder: Path, config: Mapping[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8", errors="replace")
    name = "chat_template"
    said = config.get(name) or json_object(folder / f"{name}.json").get(name)
    if said is None or isinstance(said, str):
        return said
    return json.dumps(said, ensure_ascii=False)  # several, each with a name
