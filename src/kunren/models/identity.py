"""Which model a run began with, told by hashes: it must not go on with another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

HASHES = ("weights_sha256", "gguf_sha256")
"""What a model's provenance may have that tells whether its weights are the same."""

_BESIDE = ("*.json", "*.jinja", "*.model", "*.txt")  # config, tokenizer, vocabulary
_NAMES = {"weights_sha256": "*.safetensors", "gguf_sha256": "*.gguf", "commit": "commit"}


def weights_hash(folder: Path) -> str:
    """SHA-256 over the weight files of a folder, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def identity(folder: Path, provenance: Mapping[str, object]) -> dict[str, str]:
    """What makes a model this one: the hash of each small file beside its weights, and of these.

    Args:
        folder: where it was loaded from.
        provenance: of the loaded model; of a hub model it has the commit, which tells the weights.

    Returns:
        File name, or pattern of the weights' names, or "commit" → hash.
    """
    known = {name: str(provenance[key]) for key, name in _NAMES.items() if key in provenance}
    beside = sorted({path for kind in _BESIDE for path in folder.glob(kind) if path.is_file()})
    return known | {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in beside}


def differing(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of what was changed, added or taken away."""
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
