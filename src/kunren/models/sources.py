"""From ``model.id`` to a folder that transformers can load.

An id names, in this order: a package (``package:NAME``), a model that was not pretrained
(``scratch:NAME``), a GGUF file, a local folder, a model on the hub. Whatever it is, the rest of
kunren sees a folder with safetensors and a tokenizer.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from codecs import BOM_UTF8
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from kunren.config.schema import ModelConfig
from kunren.errors import InputError, Problem, os_reason
from kunren.messages import text
from kunren.models import integrity, scratch
from kunren.models.cache import make_once, place
from kunren.models.convert import CONVERTER_VERSION, convert
from kunren.models.gguf_header import is_gguf
from kunren.models.packages import DEFAULT, PREFIX, fetch, package
from kunren.models.torch_bin import BIN_FILES, as_safetensors, has_bin
from kunren.progress import Progress, Silent, Task

Kind = Literal["package", "scratch", "gguf", "folder", "hub"]

_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?", re.ASCII)
_BESIDE = ["*.json", "*.jinja", "*.model", "*.txt"]  # config, tokenizer, vocabulary
_ADAPTER = "adapter_model.safetensors"
_NOT_FILES = ["*/*", "consolidated*"]  # the same weights again, in other formats
_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
    "vocab.json", "vocab.txt",
)  # fmt: skip


def kind_of(model_id: str) -> Kind:
    """What an id names, from its form and from what is on the disk."""
    if model_id.startswith(PREFIX):
        return "package"
    if model_id.startswith(scratch.PREFIX):
        return "scratch"
    if model_id.lower().endswith(".gguf"):
        return "gguf"
    if _path(model_id).exists() or not _HUB_ID.fullmatch(model_id):
        return "folder"
    return "hub"


def check(model: ModelConfig) -> list[Problem]:
    """What is wrong with ``model``, as far as it can be told without network and torch.

    A hub id is only looked up in the local cache, and only where ``HF_HUB_OFFLINE`` forbids more.
    """
    match kind_of(model.id):
        case "package":
            try:
                package(model.id.removeprefix(PREFIX))
            except InputError as error:
                return list(error.problems)
            return []
        case "scratch":
            return scratch.check(model.id.removeprefix(scratch.PREFIX))
        case "gguf":
            return _check_gguf(_path(model.id))
        case "folder":
            return _check_folder(model)
        case "hub":
            return _check_hub(model)


def locate(model: ModelConfig, progress: Progress | None = None, texts: Sequence[str] = ()) -> Path:
    """The folder of the model, fetched or converted first where that is needed.

    Args:
        model: what to find. A relative path is relative to the current folder.
        progress: shows what is fetched and converted.
        texts: inputs and answers of the training rows; needed by ``scratch:NAME`` only.

    Raises:
        InputError: there is no such model, it cannot be reached, or it cannot be used.
    """
    problems = check(model)
    if problems:
        raise InputError(problems)
    shown = progress or Silent()
    match kind_of(model.id):
        case "package":
            return fetch(package(model.id.removeprefix(PREFIX)), shown)
        case "scratch":
            return scratch.build(model.id.removeprefix(scratch.PREFIX), texts, shown)
        case "gguf":
            return _converted(_path(model.id), shown)
        case "folder":
            return _from_folder(model, shown)
        case "hub":
            return _from_hub(model, shown)


def at_hand(model: ModelConfig, texts: Sequence[str] = ()) -> Path | None:
    """The folder with the model's config and tokenizer, if it is on this machine already.

    Args:
        model: one that ``check`` finds nothing wrong with.
        texts: see ``locate``.
    """
    match kind_of(model.id):
        case "package":
            return package(model.id.removeprefix(PREFIX)).cached
        case "scratch":
            found = place(scratch.key(model.id.removeprefix(scratch.PREFIX), texts))
            return found if found.is_dir() else None
        case "gguf":
            found = place(_key(_path(model.id))[0])
            return found if found.is_dir() else None
        case "folder":
            return _without_marks(_path(model.id).absolute(), Silent())
        case "hub":
            from huggingface_hub import try_to_load_from_cache

            config = try_to_load_from_cache(model.id, "config.json", revision=model.revision)
            if not isinstance(config, str):
                return None
            folder = Path(config).parent
            names = {path.name for path in folder.iterdir()}
            return folder if names.intersection(_TOKENIZER_FILES) else None


def _path(model_id: str) -> Path:
    return Path(model_id).expanduser()


def _check_gguf(path: Path) -> list[Problem]:
    try:
        if is_gguf(path):
            return []
    except OSError as error:
        fields: dict[str, object] = {"path": path, "reason": os_reason(error)}
        return [Problem("model.no-file", None, fields)]
    return [Problem("model.not-gguf", None, {"path": path})]


def _check_folder(model: ModelConfig) -> list[Problem]:
    model_id, path = model.id, _path(model.id)
    fields: dict[str, object] = {"path": path, "id": model_id, "default": DEFAULT}
    if not path.exists():
        looks_local = path.is_absolute() or model_id.startswith((".", "~"))
        code = "model.no-folder" if looks_local else "model.not-understood"
        return [Problem(code, None, fields)]
    if not path.is_dir():
        return [Problem("model.not-a-folder", None, fields)]
    names = set(os.listdir(path))  # noqa: PTH208 (names alone are wanted)
    if "adapter_config.json" in names and not _has_weights(names - {_ADAPTER}):
        return [Problem("model.is-adapter", None, fields)]
    if "config.json" not in names:
        return [Problem("model.no-config", None, fields)]
    problems = integrity.check(path, model)
    if not _has_weights(names):
        problems.append(Problem("model.no-weights", None, {"model": path}))
    if not names.intersection(_TOKENIZER_FILES):
        problems.append(Problem("model.no-tokenizer", None, fields))
    return problems


def _check_hub(model: ModelConfig) -> list[Problem]:
    from huggingface_hub import constants, try_to_load_from_cache

    if not constants.HF_HUB_OFFLINE:
        return []
    found = try_to_load_from_cache(model.id, "config.json", revision=model.revision)
    if isinstance(found, str):
        return []
    return [Problem("model.hub-offline", None, {"id": model.id, "default": DEFAULT})]


def _converted(path: Path, progress: Progress) -> Path:
    key, sha256 = _key(path)
    record = {"source": path.name, "gguf_sha256": sha256}

    def make(folder: Path, scraps: Path) -> None:
        convert(path.absolute(), folder, scraps, record, progress)

    # The copy without vocabulary, and bfloat16 weights, which are four times what 4 bits were.
    return make_once(key, make, 5 * path.stat().st_size, progress)


def _key(path: Path) -> tuple[str, str]:
    """A GGUF file's folder in the cache, and its SHA-256."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    said = json.dumps([sha256, CONVERTER_VERSION])
    return f"{path.stem.lstrip('.')}-{hashlib.sha256(said.encode()).hexdigest()[:12]}", sha256


def _from_folder(model: ModelConfig, progress: Progress) -> Path:
    folder = _without_marks(_path(model.id).absolute(), progress)
    if _has_safetensors(path.name for path in folder.iterdir()):
        return folder
    return as_safetensors(folder, folder.name, _beside(model), {"source": model.id}, progress)


def _without_marks(folder: Path, progress: Progress) -> Path:
    """The folder, or one in the cache whose JSON begins without a byte order mark.

    Editors on Windows write the mark; transformers refuses it.
    """
    marked = [path for path in folder.glob("*.json") if _is_marked(path)]
    if not marked:
        return folder
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    known = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    said = json.dumps([str(folder), known])
    key = f"{folder.name.lstrip('.')}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"

    def make(made: Path, _: Path) -> None:
        for path in files:
            if path in marked:
                (made / path.name).write_bytes(path.read_bytes().removeprefix(BOM_UTF8))
            else:
                shutil.copyfile(path, made / path.name)

    return make_once(key, make, sum(size for _, size, _ in known), progress)


def _is_marked(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(3) == BOM_UTF8


def _from_hub(model: ModelConfig, progress: Progress) -> Path:
    """The snapshot of a model on the hub; .bin files are fetched only where nothing else is."""
    beside = _beside(model)
    found = _snapshot(model, model.revision, ["*.safetensors", *beside], progress)
    if problems := integrity.check(found, model) if (found / integrity.CONFIG).exists() else []:
        raise InputError(problems)
    if _has_safetensors(path.name for path in found.iterdir()):
        return found
    commit = found.name  # the hub's cache names each snapshot by it
    found = _snapshot(model, commit, [BIN_FILES, *beside], progress)
    if not has_bin({path.name for path in found.iterdir()}):
        raise InputError(Problem("model.no-weights", None, {"model": model.id}))
    record = {"source": model.id, "commit": commit}
    return as_safetensors(found, model.id, beside, record, progress)


def _beside(model: ModelConfig) -> list[str]:
    return [*_BESIDE, "*.py"] if model.trust_remote_code else _BESIDE


def _has_weights(names: set[str]) -> bool:
    return _has_safetensors(names) or has_bin(names)


def _has_safetensors(names: Iterable[str]) -> bool:
    return any(name.endswith(".safetensors") for name in names)


def _snapshot(
    model: ModelConfig, revision: str | None, wanted: list[str], progress: Progress
) -> Path:
    from huggingface_hub import errors, snapshot_download

    fields: dict[str, object] = {
        "id": model.id,
        "revision": model.revision or "main",
        "default": DEFAULT,
    }
    try:
        with progress.stage(text("model.from-hub"), None) as task:
            folder = snapshot_download(
                model.id,
                revision=revision,
                allow_patterns=wanted,
                ignore_patterns=_NOT_FILES,
                tqdm_class=_bar_into(task),
            )
    except errors.GatedRepoError as error:
        raise InputError(Problem("model.hub-gated", None, fields)) from error
    except errors.RevisionNotFoundError as error:
        raise InputError(Problem("model.hub-no-revision", None, fields)) from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(Problem("model.hub-no-model", None, fields)) from error
    except _network_errors() as error:
        fields["reason"] = str(error).splitlines()[0]
        raise InputError(Problem("model.hub-unreachable", None, fields)) from error
    return Path(folder)


def _network_errors() -> tuple[type[Exception], ...]:
    """What huggingface_hub raises besides OSError: errors of the httpx that it is built on."""
    from huggingface_hub.errors import HfHubHTTPError

    return OSError, *(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception))


def _bar_into(task: Task) -> Any:
    """A bar for huggingface_hub that draws nothing and notes the bytes beside ours."""
    tqdm: Any = import_module("tqdm").tqdm

    class Bytes(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.counts_bytes, self.seen = kwargs.get("unit") == "B", 0.0
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> bool:
            self.seen += n or 0
            if self.counts_bytes and self.seen:
                task.note(f"{self.seen / 1e6:.0f} MB")
            return bool(super().update(n))

    return Bytes
