"""Both READMEs say what is so: their commands run, their YAML is valid, their tree exists."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from tests.forked import ask_forked_process

from kunren.cli import COMMANDS, main
from kunren.config.schema import Config
from kunren.models import FAMILIES, verify
from kunren.models.packages import PACKAGES
from kunren.models.scratch import ARCHITECTURES
from kunren.presets import NAMES
from kunren.tasks import TASKS
from kunren.tasks.templates import ready

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README.ja.md")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands(name: str) -> list[str]:
    """Every command in backquotes that begins with ``kunren``, as written."""
    found = re.findall(r"`(kunren [^`]+)`", read(name))
    return [c for c in dict.fromkeys(found) if c.split()[1] in COMMANDS]


def tables(name: str) -> list[list[list[str]]]:
    """The tables of a README, each as its rows, headings left out."""
    blocks = re.findall(r"(?:^\|.*\n)+", read(name), flags=re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block.splitlines()[2:]]
        for block in blocks
    ]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_both_name_the_same_commands() -> None:
    assert commands("README.md") == commands("README.ja.md")
    assert {c.split()[1] for c in commands("README.md")} == set(COMMANDS)


def test_the_commands_run(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_ask_fresh_process", ask_forked_process)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("うれしい\n".encode())))
    output = tmp_path / "out"
    first = f"kunren run {ROOT}/examples/emotion_emoji.yaml"
    quick = f" --set model.id={tiny_model} --set evaluate.bootstrap=100 --set train.epochs=1"
    quick += " --set evaluate.generate=false"
    call(f"{first} --output {output}{quick}")
    (run,) = output.iterdir()
    texts = tmp_path / "texts.txt"
    texts.write_text("うれしい\n", "utf-8")
    rows = [{"text": "うれしい", "label": "😀"}, {"text": "かなしい", "label": "😢"}]
    gold = tmp_path / "gold.jsonl"
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    for name in ("pred.txt", "pred2.txt"):
        (tmp_path / name).write_text("😀\n😢\n", "utf-8")
    for command in commands(READMES[0]):
        if command.startswith("kunren models get"):
            continue  # fetches over the network; tests/models/test_sources.py has its own index
        told = {
            "CONFIG": str(run / "config.yaml"),
            "RUN": str(run),
            "FILE": str(texts),
            "DIR": str(tmp_path / "again"),
            "TEXT": "絵文字で",
            "N": "1",
            "NAME": "t5-emoji",
            "PATH": str(tmp_path / "begun.yaml"),
            "PAGE": str(tmp_path / "page.html"),
            "EARLIER": str(next((tmp_path / "again").glob("*"), run)),
            "GOLD": str(gold),
            "TRAIN": str(gold),
            "PRED": str(tmp_path / "pred.txt"),
            "PRED2": str(tmp_path / "pred2.txt"),
            "TRACKER": "tensorboard",
            "examples/emotion_emoji.yaml": str(ROOT / "examples/emotion_emoji.yaml"),
        }
        words = [told.get(w, w) for w in shlex.split(re.sub(r"[\[\]]", " ", command))]
        if "--resume" in words:
            call(shlex.join(words), expected=2)  # the run is finished: said so, and nothing is lost
            continue
        if words[1] == "log" and find_spec("tensorboard") is None:
            call(shlex.join(words), expected=2)  # says what to install
            continue
        if "run" in words:
            words += shlex.split(quick)
            words += [] if "--output" in words else ["--output", str(tmp_path / "others")]
        call(shlex.join(words))
    Config.model_validate(yaml.safe_load((tmp_path / "begun.yaml").read_text("utf-8")))


def call(command: str, expected: int = 0) -> None:
    with pytest.raises(SystemExit) as left:
        main(shlex.split(command)[1:])
    assert int(left.value.code or 0) == expected, command


@pytest.mark.parametrize("name", READMES)
def test_its_yaml_is_valid(name: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", read(name), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        Config.model_validate(yaml.safe_load(block))


@pytest.mark.parametrize("name", READMES)
def test_the_examples_are_those_that_are_there(name: str) -> None:
    (jobs,) = [table for table in tables(name) if table[0][0].startswith("[`emotion_emoji`]")]
    assert {quoted(job[0])[0] for job in jobs} == {p.stem for p in ROOT.glob("examples/*.yaml")}
    for first, _, point, model, *_ in jobs:
        written = Config.model_validate(yaml.safe_load(read(f"examples/{quoted(first)[0]}.yaml")))
        task, family, tuning = point.split(" × ")
        assert (task, tuning) == (written.task.kind, written.tuning.kind)
        assert family in FAMILIES
        assert quoted(model) == [written.model.id]


@pytest.mark.parametrize("name", READMES)
def test_the_axes_have_all_their_values(name: str) -> None:
    (axes,) = [table for table in tables(name) if table[0][1] == "`task.kind`"]
    for (_, _, values), known in zip(axes, (TASKS, FAMILIES, ("full", "lora")), strict=True):
        assert set(known) <= set(quoted(values))


@pytest.mark.parametrize("name", READMES)
def test_every_key_that_it_names_is_one(name: str) -> None:
    (settings,) = [table for table in tables(name) if "task.labels.kind" in table[0][0]]
    keys: list[str] = []
    for row in settings:
        for key in quoted(row[0]):  # `.top` goes on from the key before it
            keys.append(keys[-1].rpartition(".")[0] + key if key.startswith(".") else key)
    for key in keys:
        at: Any = Config
        for part in key.split("."):
            assert issubclass(at, BaseModel), key
            at = at.model_fields[part].annotation
            at = next((a for a in get_args(at) if a is not type(None)), at)
    (templates,) = [row[1] for row in settings if "`task.template`" in row[0]]
    assert set(quoted(templates)) == {"{text}", *ready()}


@pytest.mark.parametrize("name", READMES)
def test_the_models_are_those_that_there_are(name: str) -> None:
    (models,) = [table for table in tables(name) if "package:" in table[0][0]]
    rows = {ids: row for row in models for ids in quoted(row[0])}
    assert set(rows) == {f"package:{p}" for p in PACKAGES} | {f"scratch:{s}" for s in ARCHITECTURES}
    for package in PACKAGES.values():
        _, _, download, licence = rows[f"package:{package.name}"]
        assert download == f"{package.download_bytes / 1e6:.0f} MB"
        assert package.licence.split()[0] in licence


@pytest.mark.parametrize("name", READMES)
def test_it_names_all_presets(name: str) -> None:
    (row,) = [row for table in tables(name) for row in table if "kunren init" in row[-1]]
    assert quoted(row[0]) == list(NAMES)


@pytest.mark.parametrize("name", READMES)
def test_every_file_of_its_tree_exists_and_none_is_missing(name: str) -> None:
    tree = read(name).split("src/kunren/\n")[1].split("```")[0]
    named = set(re.findall(r"\b(\w+\.py)\b", tree))
    source = ROOT / "src" / "kunren"
    rules = {p.name for p in (source / "doctor" / "rules").glob("*.py")}  # named as a folder
    there = {p.name for p in source.rglob("*.py")}
    assert named <= there
    commands_ = {p.name for p in (source / "cli").glob("*.py")}
    small = {"__init__.py", "__main__.py", "nearest.py", "textfile.py", "quiet.py", "files.py"}
    small |= {"facts.py", "task_file.py", "cache.py", "format.py"}
    assert there - named <= rules | commands_ | small


@pytest.mark.parametrize("name", READMES)
def test_its_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", read(name)):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
