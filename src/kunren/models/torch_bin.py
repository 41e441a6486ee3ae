"""Weights in ``pytorch_model.bin``, rewritten once as safetensors.

Many Japanese models of 2020 to 2023 are published in this form alone. It is a pickle, and a pickle
can name any function to be called while it is read, so the rule is: safetensors only. These files
are read all the same, because ``torch.load(weights_only=True)`` is not that unpickler: it is an
interpreter of its own that knows how to make containers, numbers and tensors, stops at the first
name outside a short list, and imports nothing (a fault in it, CVE-2025-32434, was mended in torch
2.6; kunren needs 2.13). Whatever then is not a tensor is refused too. From there on kunren only
ever sees the safetensors.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import shutil
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kunren.errors import InputError, Problem
from kunren.messages import text
from kunren.models.cache import make_once
from kunren.models.convert import SOURCE_FILE, finish
from kunren.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

BIN_FILES = "pytorch_model*.bin"
"""What the weight files are called, as a pattern; their index ends in ``.json``."""

_VERSION = 1  # part of every cache key: raise it when what is written changes
_WHOLE = "pytorch_model.bin"
_INDEX = "pytorch_model.bin.index.json"


def has_bin(names: Sequence[str] | set[str]) -> bool:
    """Whether a folder with these files has weights that ``as_safetensors`` can read."""
    return _WHOLE in names or _INDEX in names


def as_safetensors(
    folder: Path,
    name: str,
    patterns: Sequence[str],
    source: Mapping[str, object],
    progress: Progress,
) -> Path:
    """A folder in the cache with the same model in safetensors, made if it is not there yet.

    Args:
        folder: one that ``has_bin``.
        name: the model's, for the folder in the cache.
        patterns: of the other files that belong to the model.
        source: what to record about where the model is from.
        progress: gets a bar for the reading and one for the writing.

    Raises:
        InputError: a weight file is missing, damaged, or holds anything but tensors; or the cache
            cannot hold the model.
    """
    weights = _weight_files(folder)
    left_out = {SOURCE_FILE, _INDEX, *(path.name for path in weights)}
    beside = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    beside = [path for path in beside if path.is_file() and path.name not in left_out]
    with progress.stage(text("model.hashing"), len(weights)) as task:
        digests = {path.name: _sha256(path) for path in beside}
        for path in weights:
            digests[path.name] = _sha256(path)
            task.advance()
    said = json.dumps([_VERSION, digests], sort_keys=True)
    plain = re.sub(r"[^\w.-]+", "--", name).strip(".-")
    key = f"{plain}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"

    def make(made: Path, _: Path) -> None:
        for path in beside:
            shutil.copyfile(path, made / path.name)
        _rewrite(weights, made, progress)
        shas = {path.name: digests[path.name] for path in weights}
        finish(made, {**source, "bin_sha256": shas, "converter": _VERSION})

    # Tensors that share their memory in the file do not in safetensors.
    needs = 2 * sum(path.stat().st_size for path in weights)
    return make_once(key, make, needs, progress)


def read_bin(path: Path) -> dict[str, Tensor]:
    """The tensors in a file, by name, on the CPU; none shares its memory with another.

    They are mapped, not read, where the file is in the format that torch has written since 1.6.

    Raises:
        InputError: the file is damaged, or holds anything but tensors.
    """
    import torch

    try:
        with warnings.catch_warnings():
            # It warns of a pickle that is newer than its own, and then refuses it.
            warnings.simplefilter("ignore", UserWarning)
            held = torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
    except pickle.UnpicklingError as error:
        if named := re.search(r"GLOBAL (\S+)", str(error)):
            raise _refused(path, named[1]) from error
        raise InputError(Problem("model.bin-broken", None, {"path": path})) from error
    except (RuntimeError, EOFError, ValueError) as error:
        raise InputError(Problem("model.bin-broken", None, {"path": path})) from error
    if not isinstance(held, dict):
        raise _refused(path, type(held).__name__)
    tensors: dict[str, Tensor] = {}
    seen = set()
    for name, value in held.items():
        if not (isinstance(name, str) and isinstance(value, torch.Tensor)):
            raise _refused(path, f"{name}: {type(value).__name__}")
        if value.layout is not torch.strided or value.is_quantized:
            raise _refused(path, f"{name}: {value.layout}, {value.dtype}")
        tensor = value.detach().contiguous()
        memory = tensor.untyped_storage().data_ptr()
        tensors[name] = tensor.clone() if memory in seen else tensor
        seen.add(memory)
    return tensors


def _weight_files(folder: Path) -> list[Path]:
    if (folder / _WHOLE).is_file():
        return [folder / _WHOLE]
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        names = sorted(set(index["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(Problem("model.bin-broken", None, {"path": folder / _INDEX})) from error
    # Only files of this folder: the index is a stranger's, and might name any file of the disk.
    there = {path.name: path for path in folder.glob(BIN_FILES)}
    problems = [
        Problem("model.bin-missing", None, {"path": folder / _INDEX, "name": name})
        for name in names
        if name not in there
    ]
    if problems:
        raise InputError(problems)
    return [there[name] for name in names]


def _rewrite(weights: Sequence[Path], made: Path, progress: Progress) -> None:
    """Write one safetensors file for each weight file, and their index where there are several."""
    from safetensors.torch import save_file

    where: dict[str, str] = {}
    size = 0
    with progress.stage(text("model.rewriting"), len(weights)) as task:
        for number, path in enumerate(weights, start=1):
            shard = f"model-{number:05d}-of-{len(weights):05d}.safetensors"
            name = shard if len(weights) > 1 else "model.safetensors"
            tensors = read_bin(path)
            save_file(tensors, made / name, metadata={"format": "pt"})
            where |= dict.fromkeys(tensors, name)
            size += sum(tensor.nbytes for tensor in tensors.values())
            del tensors  # before the next file is read
            task.advance()
    if len(weights) > 1:
        index = {"metadata": {"total_size": size}, "weight_map": where}
        (made / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def _refused(path: Path, found: str) -> InputError:
    return InputError(Problem("model.bin-refused", None, {"path": path, "found": found}))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
