"""Whether the files of a model's folder are what their names say, seen without loading a weight.

Half a download, a pointer in place of the weights, weights for another program: what can be known
from the first bytes and the headers is known before training, and named file by file.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kunren.config.schema import ModelConfig
from kunren.data.kinds import not_data
from kunren.errors import InputError, Problem, os_reason

CONFIG = "config.json"
_JSON = (
    CONFIG, "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json",
)  # fmt: skip
EMBEDDINGS = (
    "embed_tokens.weight", "shared.weight", "word_embeddings.weight", "wte.weight",
    "embed_in.weight", "tok_embeddings.weight",
)  # fmt: skip
"""What the tables of token embeddings are called, at the end of their names."""
_INDEX = "model.safetensors.index.json"
_BEGIN = 2**16
_IN_PLACE = ("lfs-pointer", "annex-pointer", "web-page", "xml", "download-error", "zeros")
"""What may lie in a file's place; the ends of the codes that ``not_data`` gives them."""


def check(folder: Path, model: ModelConfig) -> list[Problem]:
    """Everything that is wrong with a folder that has a config.json, file by file.

    Neither torch nor the weights are read, so a model of any size takes milliseconds.
    """
    problems = [found for name in _JSON if (found := _json_problem(folder / name)) is not None]
    weights = sorted(folder.glob("*.safetensors"))
    for path in weights or sorted(folder.glob("pytorch_model*.bin")):
        found = _weights_problem(path)
        problems += [] if found is None else [found]
    if weights:
        problems += _absent_shards(folder)
    if (folder / "adapter_config.json").exists():
        # transformers would take it for the word of what to load.
        problems.append(Problem("model.adapter-beside", None, {"path": folder}))
    if any(problem.fields.get("path") == folder / CONFIG for problem in problems):
        return problems
    said = json.loads((folder / CONFIG).read_text(encoding="utf-8-sig"))
    problems += _config_problems(said, folder, model)
    if not problems and weights:
        problems += _embedding_problems(said, weights, folder)
    return problems


def header(path: Path) -> dict[str, dict[str, Any]]:
    """Name → ``dtype``, ``shape`` and ``data_offsets`` of the tensors in a file of safetensors.

    From its header alone: eight bytes with their length, then JSON.

    Raises:
        OSError, ValueError: it is no such file, or not all of it.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(8)
        if len(begin) < 8:
            raise ValueError(size)
        (length,) = struct.unpack("<Q", begin)
        if length > size - 8:
            raise ValueError(length)
        said = json.loads(file.read(length))
    try:
        tensors = {name: found for name, found in said.items() if name != "__metadata__"}
        ends = [found["data_offsets"][1] for found in tensors.values()]
        if 8 + length + max(ends, default=0) != size:
            raise ValueError(size)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(path.name) from error
    return tensors


def shapes(path: Path) -> dict[str, list[int]]:
    """Name → shape of the tensors in a file of safetensors.

    Raises:
        OSError, ValueError: it is no such file, or not all of it.
    """
    return {name: said["shape"] for name, said in header(path).items()}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a model's folder, whatever stands before it (a byte order mark).

    Raises:
        InputError: it is broken, or something else lies in its place.
    """
    if (problem := _json_problem(path)) is not None:
        raise InputError(problem)
    said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
    return said


def _begin(path: Path) -> bytes | Problem | None:
    """How a file begins; None: there is none; a problem: it cannot be read."""
    if not path.exists():
        if not path.is_symlink():
            return None
        fields: dict[str, object] = {"path": path, "target": path.readlink()}
        return Problem("model.dangling-link", None, fields)
    try:
        with path.open("rb") as file:
            return file.read(_BEGIN)
    except OSError as error:
        return Problem("model.no-file", None, {"path": path, "reason": os_reason(error)})


def _in_place(begin: bytes, path: Path) -> Problem | None:
    """What lies in a file's place: nothing, a pointer, a page that refuses."""
    if not begin:
        return Problem("model.empty-file", None, {"path": path})
    found = not_data(begin, str(path))
    kind = found.code.removeprefix("data.") if found is not None else ""
    if found is None or kind not in _IN_PLACE:
        return None
    return Problem(f"model.{kind}", None, {**found.fields, "path": path})


def _json_problem(path: Path) -> Problem | None:
    begin = _begin(path)
    if begin is None or isinstance(begin, Problem):
        return begin
    if (found := _in_place(begin, path)) is not None:
        return found
    fields: dict[str, object] = {"path": path}
    try:
        said = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        line = f"{getattr(error, 'lineno', 1)}"
        return Problem("model.broken-json", None, {**fields, "line": line})
    return None if isinstance(said, dict) else Problem("model.not-object", None, fields)


def _weights_problem(path: Path) -> Problem | None:
    begin = _begin(path)
    if begin is None or isinstance(begin, Problem):
        return begin
    if (found := _in_place(begin, path)) is not None:
        return found
    if path.suffix == ".bin":
        whole = begin.startswith((b"PK\x03\x04", b"\x80"))
        return None if whole else Problem("model.bin-broken", None, {"path": path})
    try:
        header(path)
    except (OSError, ValueError, RecursionError):
        return Problem("model.weights-cut", None, {"path": path})
    return None


def _absent_shards(folder: Path) -> list[Problem]:
    """The weight files that the index names and that are not there."""
    path = folder / _INDEX
    if not path.is_file():
        return []
    if (found := _json_problem(path)) is not None:
        return [found]
    named = json.loads(path.read_text(encoding="utf-8-sig")).get("weight_map")
    if not isinstance(named, Mapping):
        return [Problem("model.broken-json", None, {"path": path, "line": "1"})]
    absent = sorted({str(name) for name in named.values()} - {p.name for p in folder.iterdir()})
    return [Problem("model.bin-missing", None, {"path": path, "name": name}) for name in absent]


def _config_problems(
    said: Mapping[str, Any], folder: Path, model: ModelConfig
) -> Iterator[Problem]:
    """Kinds of models that cannot be trained as they are, by what config.json says."""
    fields: dict[str, object] = {"path": folder}
    quantised = said.get("quantization_config")
    if isinstance(quantised, Mapping):
        method = quantised.get("quant_method") or "bitsandbytes"
        yield Problem("model.quantised", None, {**fields, "method": method})
    kind, own = said.get("model_type"), said.get("auto_map")
    if not isinstance(kind, str) or not kind:
        if not own:
            yield Problem("model.no-model-type", None, fields)
    elif not _known(kind) and not own:
        from transformers import __version__

        fields |= {"kind": kind, "version": __version__}
        yield Problem("model.unknown-type", None, fields)
    if own and not model.trust_remote_code and not (isinstance(kind, str) and _known(kind)):
        yield Problem("model.own-code", None, {"path": folder})


def _known(kind: str) -> bool:
    """Whether transformers has this kind of model.

    Its table is read as text: importing it would import torch.
    """
    package = find_spec("transformers")
    assert package is not None  # noqa: S101
    models = Path(str(package.origin)).parent / "models"
    if (models / kind.replace("-", "_") / "__init__.py").is_file():
        return True
    tables = [path.read_text(encoding="utf-8") for path in (models / "auto").glob("*.py")]
    return any(f'"{kind}"' in table for table in tables)


def _embedding_problems(
    said: Mapping[str, Any], weights: list[Path], folder: Path
) -> Iterator[Problem]:
    """A table of embeddings with another number of rows than config.json says."""
    inner = said.get("text_config") if isinstance(said.get("text_config"), Mapping) else said
    rows = inner.get("vocab_size") if isinstance(inner, Mapping) else None
    tensors = {name: shape for path in weights for name, shape in shapes(path).items()}
    for name in sorted(tensors):
        if not name.endswith(EMBEDDINGS) or not isinstance(rows, int):
            continue
        if tensors[name] and tensors[name][0] != rows:
            fields = {"path": folder, "name": name, "in_file": tensors[name][0], "in_config": rows}
            yield Problem("model.embedding-size", None, fields)
