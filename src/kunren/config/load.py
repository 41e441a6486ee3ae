"""From a YAML file to a checked, frozen ``Config``, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import yaml
from pydantic import ValidationError

from kunren.config.checks import check
from kunren.config.document import Document, KeyPath, parse, scalar
from kunren.config.explain import explain
from kunren.config.keys import Cleaner, section_of, walk, words
from kunren.config.schema import Config
from kunren.errors import InputError, Problem, os_reason
from kunren.messages import text
from kunren.nearest import nearest
from kunren.textfile import ASCII_BASED, decode, excerpt, nearest_file, shown
from kunren.types import Where

DATA_PATHS = ("train", "validation", "test")
"""The keys of ``data`` that name files with rows."""

_NAMING = (*DATA_PATHS, "documents")
"""The keys of ``data`` that name files at all; ``documents`` may list several."""

LARGEST = 2**22
"""Bytes of a config: a document of more is something else."""

AGAINST = ("evaluate", "against")
"""The key that names another run's folder."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config, and the folder that its relative paths refer to."""

    config: Config
    folder: Path

    def resolve(self, path: str) -> Path:
        """A path from the config as a path that can be opened. ``~`` is the home folder."""
        return self.folder / Path(path).expanduser()


def load(path: Path, overrides: Sequence[str] = ()) -> Loaded:
    """Read and check a config.

    Args:
        path: the YAML file.
        overrides: ``train.epochs=3`` and the like, applied in order; the value is YAML. Data paths
            given here are relative to the current folder, as everything on a command line is.

    Raises:
        InputError: with everything that is wrong with the file and the overrides, at once.
    """
    name = shown(path)
    document = _read(path, name)
    problems = list(document.problems)
    values: dict[str, Any] = {}
    if isinstance(document.value, dict):
        values = document.value
    elif not problems:
        code = "config.empty" if document.value is None else "config.not-a-mapping"
        problems.append(Problem(code, Where(name)))
    overridden, wrong = _override(values, overrides)
    problems += wrong
    cleaner = Cleaner(document, name, overridden)
    if not isinstance(document.value, dict):
        raise InputError(problems)
    cleaned = cleaner.whole(values)
    problems += cleaner.problems
    try:
        config = Config.model_validate(cleaned)
    except ValidationError as error:
        problems += explain(error, cleaned, cleaner.places, name)
        raise InputError(_in_order(problems)) from None
    problems += check(config, cleaner.places, name)
    if problems:
        raise InputError(_in_order(problems))
    return Loaded(config, path.parent.absolute())


def dump(config: Config, folder: Path | None = None, into: Path | None = None) -> str:
    """The config as YAML with every default written out; loading it gives an equal config.

    Args:
        config: what to write.
        folder: the folder that the config's relative paths refer to.
        into: the folder that the YAML will stand in. Data paths and ``evaluate.against`` (and
            ``model.id`` and ``evaluate.bertscore``, where they name something on this disk) are
            rewritten to work from there: relative, so that a project can be moved or shared as a
            whole; absolute only where the two have nothing in common.
    """
    values = config.model_dump(mode="json")
    if folder is not None and into is not None:
        for key in _NAMING:
            named = values["data"][key]
            if isinstance(named, list):
                values["data"][key] = [_moved(path, folder, into) for path in named]
            elif named is not None:
                values["data"][key] = _moved(named, folder, into)
        if values["evaluate"]["against"] is not None:
            values["evaluate"]["against"] = _moved(values["evaluate"]["against"], folder, into)
        if (folder / Path(values["model"]["id"]).expanduser()).exists():
            values["model"]["id"] = _moved(values["model"]["id"], folder, into)
        scorer = values["evaluate"]["bertscore"]
        if scorer is not None and (folder / Path(scorer).expanduser()).exists():
            values["evaluate"]["bertscore"] = _moved(scorer, folder, into)
    sections = [
        yaml.dump({key: value}, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=100)
        for key, value in values.items()
    ]
    return f"# {text('config.header')}\n" + "\n".join(sections)


def _read(path: Path, name: str) -> Document:
    try:
        status = path.stat()
        if S_ISDIR(status.st_mode):
            inside = path / "config.yaml"
            code = "config.is-folder-with-config" if inside.is_file() else "config.is-folder"
            raise InputError(Problem(code, Where(name), {"inside": shown(inside)}))
        if not S_ISREG(status.st_mode):
            raise InputError(Problem("config.not-a-file", Where(name)))
        if status.st_size > LARGEST:
            size = f"{status.st_size / 2**20:,.0f} MB"
            raise InputError(Problem("config.too-large", Where(name), {"size": size}))
        data = path.read_bytes()
    except FileNotFoundError:
        near = nearest_file(path)
        if near is None:
            raise InputError(Problem("config.no-such-file", Where(name))) from None
        raise InputError(
            Problem("config.no-such-file-near", Where(name), {"nearest": near})
        ) from None
    except OSError as error:
        detail = {"detail": os_reason(error)}
        raise InputError(Problem("config.unreadable", Where(name), detail)) from None
    content, encoding = decode(data)
    if encoding is not None:
        document = parse(content, name, words())
        if encoding in ASCII_BASED and document.value and _is_ascii(document.value):
            return document  # what is not ASCII stands in comments
        raise InputError(
            Problem("config.wrong-encoding", Where(name), {"encoding": encoding, "name": path.name})
        )
    lines = content.split("\n")
    garbled = [n for n, line in enumerate(lines, start=1) if "\ufffd" in line]
    if garbled:
        raise InputError([Problem("config.garbled", Where(name, n)) for n in garbled])
    return parse(content, name, words())


def _is_ascii(value: object) -> bool:
    if isinstance(value, dict):
        return all(str(key).isascii() and _is_ascii(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_ascii, value))
    return str(value).isascii()


def _override(
    values: dict[str, Any], overrides: Sequence[str]
) -> tuple[dict[KeyPath, Where], list[Problem]]:
    """Write the overrides into ``values``; tell where each came from and what is wrong."""
    places: dict[KeyPath, Where] = {}
    problems: list[Problem] = []
    schema = dict(walk())
    for override in overrides:
        where = Where(f"--set {excerpt(override, 80)}")
        dotted, equals, written = override.partition("=")
        dotted = dotted.strip()
        if not equals:
            problems.append(Problem("config.set-without-equals", where))
            continue
        if dotted not in schema:
            problems.append(_unknown_path(dotted, where, schema))
            continue
        document = parse(written, where.path, ()) if written.strip() else Document(None)
        if document.problems:
            problems += [replace(p, where=where) for p in document.problems]
            continue
        keys = tuple(dotted.split("."))
        value = document.value
        if (keys[0] == "data" and keys[-1] in _NAMING and len(keys) == 2) or keys == AGAINST:
            value = _from_here(value)
        here = values
        for key in keys[:-1]:
            if not isinstance(here.get(key), dict):
                here[key] = {}
            here = here[key]
        here[keys[-1]] = value
        places[keys] = where
    return places, problems


def _unknown_path(dotted: str, where: Where, schema: Mapping[str, Any]) -> Problem:
    leaf = dotted.rpartition(".")[2]
    same = [path for path in schema if path.rpartition(".")[2] == leaf]
    meant = " / ".join(same) or nearest(dotted, schema)
    if meant is None:
        keys = ", ".join(p for p, info in schema.items() if section_of(info.annotation) is None)
        return Problem("config.set-unknown", where, {"key": excerpt(dotted), "allowed": keys})
    return Problem("config.set-unknown-near", where, {"key": excerpt(dotted), "meant": meant})


def _from_here(value: object) -> object:
    if isinstance(value, list):
        return [_from_here(each) for each in value]
    return str(Path(value).expanduser().absolute()) if isinstance(value, str) else value


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """By line, so that a file is mended from top to bottom; what has no line comes last."""
    return sorted(
        problems, key=lambda p: p.where.line if p.where and p.where.line else float("inf")
    )


def _moved(path: str, folder: Path, into: Path) -> str:
    target = (folder / Path(path).expanduser()).resolve()
    place = into.resolve()
    try:
        shared = os.path.commonpath([target, place])
    except ValueError:  # two drives
        return str(target)
    if Path(shared) == Path(shared).parent:
        return str(target)
    return Path(os.path.relpath(target, place)).as_posix()


class Dumper(yaml.SafeDumper):
    """Quotes the strings that our reader, unlike PyYAML's, would not read as strings."""


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None if isinstance(scalar(value), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


Dumper.add_representer(str, _string)
